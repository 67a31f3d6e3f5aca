"""The example observation of a local stack: simulated once, then put where the gateway's settings say.

`python -m deploy.local.make_example FOLDER` does that with the settings of a service. `make up` runs it beside the
stack, since the simulation takes some seconds and needs numpy.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.examples import KEY, is_ours
from deploy.local.servers import REPOSITORY, child_environment


@asynccontextmanager
async def example_in_the_making(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Provide the example beside what the context does, unless the environment names other examples."""
    if not is_ours():
        yield
        return
    absolute = str(folder.resolve())  # noqa: ASYNC240 -- a local folder
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local.make_example", absolute),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=child_environment(environment),
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def provide(folder: Path) -> bool:
    """Make the example, and put it into storage unless it is there. Return whether it was put."""
    # Imported here because the stack starts faster without numpy and the S3 client.
    from rich.console import Console

    from deploy.local.demo import made_observation
    from shared.blobs import open_storage
    from shared.settings import ServiceSettings

    content = made_observation(folder, Console(quiet=True)).read_bytes()
    async with open_storage(ServiceSettings()) as storage:
        stored = await storage.uploads.content(KEY)
        # The ETag of an object that was put in one piece is its MD5.
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if stored is not None and stored.size == len(content) and (stored.etag or "").strip('"') == md5:
            return False
        await storage.uploads.put(KEY, content)
        return True


if __name__ == "__main__":
    # The services come first.
    os.nice(10)
    asyncio.run(provide(Path(sys.argv[1])))
