"""A load balancer of connections, as a Kubernetes service or HAProxy is one: it passes bytes on to what is ready.

It asks each gateway's /ready all the time and opens new connections to those alone that say yes. Connections that are
open stay where they are, as long as both sides want. One for which no gateway is ready waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from deploy.local.ports import HOST
from deploy.local.servers import answers_http

ASK_S = 0.1
READ_BYTES = 65_536


class Balancer:
    """Listens on a port of its own, in front of the gateways that `gateways` names at the time."""

    def __init__(self, gateways: Callable[[], list[str]]) -> None:
        self._gateways = gateways
        self._ready: list[str] = []
        self._turn = 0
        self.url = ""
        # Connections that each gateway was given.
        self.given: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until both sides have closed it."""
        onward_reader, onward_writer = await self._open()
        await asyncio.gather(_pass_on(reader, onward_writer), _pass_on(onward_reader, writer))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            if self._ready:
                self._turn += 1
                url = self._ready[self._turn % len(self._ready)]
                # Refused: not a byte was sent, and another gateway may take it.
                with suppress(ConnectionRefusedError):
                    opened = await asyncio.open_connection(HOST, urlsplit(url).port)
                    self.given[url] += 1
                    return opened
            await asyncio.sleep(ASK_S)

    async def ask(self) -> None:
        """Ask the gateways whether they are ready, for ever."""
        while True:
            urls = self._gateways()
            answers = await asyncio.gather(*(answers_http(f"{url}/ready") for url in urls))
            self._ready = [url for url, ready in zip(urls, answers, strict=True) if ready]
            await asyncio.sleep(ASK_S)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balancing(gateways: Callable[[], list[str]]) -> AsyncIterator[Balancer]:
    """A balancer that runs."""
    balancer = Balancer(gateways)
    server = await asyncio.start_server(balancer.serve, HOST, 0)
    balancer.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    asking = asyncio.create_task(balancer.ask())
    try:
        yield balancer
    finally:
        asking.cancel()
        server.close()
