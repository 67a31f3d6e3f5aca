"""The images of the test servers: the official ones, or stand-ins where images can't be pulled."""

import json
import subprocess
from dataclasses import dataclass

BASE = "waterhole-test-base"


@dataclass(frozen=True)
class Image:
    """The images of a server. `stand_in` has the same settings and port as `official`."""

    server: str
    official: str
    stand_in: str

    def present(self) -> str | None:
        """Return the installed image, preferably the official one, or None."""
        return next((name for name in (self.official, self.stand_in) if is_present(name)), None)


KAFKA = Image("kafka", "apache/kafka:4.1.0", "waterhole-test-kafka:4.1.0")
MONGODB = Image("mongodb", "mongo:8.0", "waterhole-test-mongodb:0.1.1")
SEAWEEDFS = Image("seaweedfs", "chrislusf/seaweedfs:4.48", "waterhole-test-seaweedfs:4.48")
IMAGES = (KAFKA, MONGODB, SEAWEEDFS)


def docker(*arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    """Run the docker command and return its result. A missing command gives status 127, a timeout 124."""
    command = ("docker", *arguments)
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", "the docker command is not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"timed out after {timeout_s:.0f} s")


def is_present(name: str) -> bool:
    """Return whether an image is installed on this machine."""
    return docker("image", "inspect", name, timeout_s=20).returncode == 0


def engine() -> str | None:
    """Return the version of the running Docker engine, or None."""
    answer = docker("version", "--format", "{{json .Server.Version}}", timeout_s=20)
    return str(json.loads(answer.stdout)) if answer.returncode == 0 else None
