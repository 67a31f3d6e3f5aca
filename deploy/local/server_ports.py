"""Ports of MongoDB and S3, which stay the same as long as their data folder exists."""

import time
from contextlib import suppress
from pathlib import Path

from deploy.local.data_folder import DataFolder, read_json, write_private
from deploy.local.ports import free_ports, is_free

ADMIN = "admin.port"
# SeaweedFS expects the gRPC port of its admin server at this offset from the admin port; it can't be configured.
ADMIN_GRPC_OFFSET = 10_000
S3_PORT_NAMES = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
OTHER_NAMES = ("mongodb", *S3_PORT_NAMES)
# SeaweedFS always puts sockets there, and leaves them behind when it is killed.
LOCAL_SOCKETS = Path("/tmp")  # noqa: S108
# Servers that were killed a moment ago may still hold their ports.
PATIENCE_S = 2.0


def known_ports(folder: DataFolder) -> dict[str, int]:
    """Return the ports of this data folder's servers: those of the last run if all are free, otherwise new ones.

    Raises
    ------
    NoFreePortError
        Too few ports are free.
    """
    path = folder.path / "ports.json"
    ports: dict[str, int] = read_json(path)
    if set(ports) == {ADMIN, *OTHER_NAMES}:
        if _become_free([*ports.values(), ports[ADMIN] + ADMIN_GRPC_OFFSET]):
            return ports
        remove_local_sockets(ports)
    ports = _new_ports()
    write_private(path, ports)
    return ports


def remove_local_sockets(ports: dict[str, int]) -> None:
    """Remove sockets in /tmp of a SeaweedFS that has ended; sockets of ports in use stay."""
    grpc_ports = {name.removesuffix(".port.grpc"): ports[name] for name in S3_PORT_NAMES if name.endswith(".grpc")}
    grpc_ports["admin"] = ports[ADMIN] + ADMIN_GRPC_OFFSET
    for part, port in grpc_ports.items():
        if is_free(port):
            with suppress(FileNotFoundError):
                (LOCAL_SOCKETS / f"seaweedfs-{part}-grpc-{port}.sock").unlink()


def _become_free(ports: list[int]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not all(map(is_free, ports)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _new_ports() -> dict[str, int]:
    (admin,) = free_ports(1, companions=(0, ADMIN_GRPC_OFFSET))
    while True:
        others = free_ports(len(OTHER_NAMES))
        if not {admin, admin + ADMIN_GRPC_OFFSET} & set(others):
            return {ADMIN: admin, **dict(zip(OTHER_NAMES, others, strict=True))}
