"""The gateway in a process of its own, and a relay that can cut its connections to a server."""

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import aiohttp

from deploy.local.ports import HOST, free_ports
from deploy.local.servers import REPOSITORY, answers_http, child_environment
from deploy.local.stack import create_user
from shared.settings import ServiceSettings

PATIENCE_S = 60.0

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


@dataclass
class GatewayProcess:
    """A running gateway and a user of it."""

    process: asyncio.subprocess.Process
    port: int
    log_file: BinaryIO
    session: aiohttp.ClientSession
    user_id: str
    api_key: str

    @property
    def url(self) -> str:
        """Return the URL at which the gateway listens."""
        return f"http://{HOST}:{self.port}"

    @asynccontextmanager
    async def request(self, method: str, path: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request with the user's key, or with `headers` instead if they are given, and yield the answer."""
        more.setdefault("headers", {"x-api-key": self.api_key})
        async with self.session.request(method, self.url + path, **more) as response:
            yield response

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Send a request and return the status and the JSON of its answer."""
        async with self.request(method, path, **more) as response:
            return response.status, await response.json()

    async def upload(self, content: bytes = b"data") -> str:
        """Upload a small file and return its key."""
        _, body = await self.ask("POST", "/upload-url", json={"filename": "a.fil"})
        async with self.session.put(body["upload_url"], data=content) as response:
            assert response.status == 200
        return str(body["file_key"])

    async def raw(self, data: bytes) -> bytes:
        """Send these bytes and return all bytes received until the gateway closes the connection."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), PATIENCE_S)
        finally:
            writer.close()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def log(self) -> list[dict[str, Any]]:
        """Wait until the process has ended and return the lines of its log."""
        await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        return [json.loads(line) for line in text_of(self.log_file).splitlines()]


def settings_of(kind: type[SettingsT], environment: Mapping[str, str], **more: Any) -> SettingsT:
    """Return the settings of one service from an environment that holds those of all services."""
    names: dict[str, Any] = {name.removeprefix("WATERHOLE_").lower(): value for name, value in environment.items()}
    return kind(**{name: value for name, value in names.items() if name in kind.model_fields}, **more)


@asynccontextmanager
async def running_gateway(environment: Mapping[str, str], **settings: Any) -> AsyncIterator[GatewayProcess]:
    """Run the gateway with these settings and yield it with a user of the researcher tier."""
    (port,) = free_ports(1)
    given = {f"WATERHOLE_{name.upper()}": str(value) for name, value in settings.items()}
    full = child_environment({**environment, **given, "WATERHOLE_PORT": str(port)})
    user = await create_user(environment, "researcher", "test")
    # A pipe that nobody reads is full after some hundred requests, and then the gateway blocks for ever.
    with tempfile.TemporaryFile() as log_file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.gateway"), env=full, cwd=REPOSITORY, stderr=log_file
        )
        try:
            await _until_ready(process, f"http://{HOST}:{port}/ready", log_file)
            async with aiohttp.ClientSession() as session:
                yield GatewayProcess(process, port, log_file, session, user["user_id"], user["api_key"])
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def text_of(log_file: BinaryIO) -> str:
    """Return what is in the file so far."""
    log_file.seek(0)
    return log_file.read().decode()


async def _until_ready(process: asyncio.subprocess.Process, url: str, log_file: BinaryIO) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await answers_http(url):
            assert process.returncode is None, text_of(log_file)[-2000:]
            await asyncio.sleep(0.05)


class Relay:
    """Forwards bytes to a server, until a test makes it refuse connections or stop answering."""

    def __init__(self, target_port: int) -> None:
        (self.port,) = free_ports(1)
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def instead_of(self, url: str) -> str:
        """Return the server's URL with this relay's address."""
        return url.replace(f"{HOST}:{self._target_port}", f"{HOST}:{self.port}")

    async def start(self) -> None:
        """Listen and forward bytes."""
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def cut(self) -> None:
        """Close all connections and refuse new ones, like a server that is down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        """Accept connections and never answer, like a server that hangs."""
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(HOST, self._target_port)
        await asyncio.gather(self._pass_on(reader, onward_writer), self._pass_on(onward_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError):
                while data := await reader.read(65_536):
                    await self._open.wait()
                    writer.write(data)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()
