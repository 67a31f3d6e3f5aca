"""A load balancer of TCP connections, like a Kubernetes service or HAProxy: it forwards bytes to ready gateways.

It polls each gateway's /ready and opens new connections only to ready gateways. An open connection stays with its
gateway until both sides close it. A new connection waits while no gateway is ready.
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
    """Listens on its own port, in front of the gateways whose URLs `gateways` returns."""

    def __init__(self, gateways: Callable[[], list[str]]) -> None:
        self._gateways = gateways
        self._ready: list[str] = []
        self._turn = 0
        self.url = ""
        # Number of connections to each gateway.
        self.given: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until both sides have closed it."""
        onward_reader, onward_writer = await self._open()
        await asyncio.gather(_pass_on(reader, onward_writer), _pass_on(onward_reader, writer))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            if self._ready:
                self._turn += 1
                url = self._ready[self._turn % len(self._ready)]
                # A refused connection has sent no bytes, so another gateway can take it.
                with suppress(ConnectionRefusedError):
                    opened = await asyncio.open_connection(HOST, urlsplit(url).port)
                    self.given[url] += 1
                    return opened
            await asyncio.sleep(ASK_S)

    async def ask(self) -> None:
        """Poll the gateways for readiness until cancelled."""
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
    """Run a balancer."""
    balancer = Balancer(gateways)
    server = await asyncio.start_server(balancer.serve, HOST, 0)
    balancer.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    asking = asyncio.create_task(balancer.ask())
    try:
        yield balancer
    finally:
        asking.cancel()
        server.close()
