"""The ports that servers keep between runs, and which leftovers are removed."""

import random
import socket

import pytest

from deploy.local import server_ports
from deploy.local.data_folder import DataFolder
from deploy.local.ports import HOST
from deploy.local.server_ports import ADMIN, ADMIN_GRPC_OFFSET, known_ports, remove_local_sockets


@pytest.fixture
def sockets(tmp_path, monkeypatch):
    monkeypatch.setattr(server_ports, "LOCAL_SOCKETS", tmp_path)
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    folder = DataFolder(tmp_path / "data")
    with folder.locked():
        yield folder


def test_ports_are_distinct_and_kept(folder):
    ports = known_ports(folder)
    assert len({*ports.values(), ports[ADMIN] + ADMIN_GRPC_OFFSET}) == len(ports) + 1
    assert known_ports(folder) == ports


def test_taken_ports_are_replaced_and_their_leftovers_removed(folder, sockets, monkeypatch):
    monkeypatch.setattr(server_ports, "PATIENCE_S", 0.0)
    # Ports are drawn at random. Sometimes the second draw would repeat a port of the first.
    random.seed(1)
    ports = known_ports(folder)
    random.seed(2)
    stale = sockets / f"seaweedfs-filer-grpc-{ports['filer.port.grpc']}.sock"
    of_another = sockets / f"seaweedfs-master-grpc-{ports['master.port.grpc']}.sock"
    stale.touch()
    of_another.touch()
    with socket.socket() as other:
        other.bind((HOST, ports["master.port.grpc"]))
        other.listen()
        assert set(known_ports(folder).values()).isdisjoint(ports.values())
    assert (stale.exists(), of_another.exists()) == (False, True)


def test_only_its_own_sockets_are_removed(folder, sockets):
    ports = known_ports(folder)
    own = [sockets / f"seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock" for part in ("s3", "volume")]
    own.append(sockets / f"seaweedfs-admin-grpc-{ports[ADMIN] + ADMIN_GRPC_OFFSET}.sock")
    other = sockets / f"seaweedfs-s3-grpc-{ports['s3.port']}.sock"
    for path in [*own, other]:
        path.touch()
    remove_local_sockets(ports)
    assert [path.exists() for path in [*own, other]] == [False, False, False, True]
