"""How free ports are chosen."""

import socket

import pytest

from deploy.local import ports
from deploy.local.ports import HOST, NoFreePortError, free_ports, is_free, preferred_or_free


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_listening_port_is_not_free(taken_port):
    assert not is_free(taken_port)


def test_ports_are_distinct_and_free():
    chosen = free_ports(50)
    assert len(set(chosen)) == 50
    assert all(is_free(port) for port in chosen)


def test_companions_are_free_and_never_shared(monkeypatch):
    # The range is so narrow that ports and companions overlap all the time.
    monkeypatch.setattr(ports, "LOWEST_PORT", 15_000)
    monkeypatch.setattr(ports, "HIGHEST_PORT", 15_020)
    chosen = free_ports(5, companions=(0, 1))
    everything = [port + companion for port in chosen for companion in (0, 1)]
    assert len(set(everything)) == 10


def test_a_taken_companion_rules_a_port_out(monkeypatch, taken_port):
    monkeypatch.setattr(ports, "LOWEST_PORT", taken_port - 7)
    monkeypatch.setattr(ports, "HIGHEST_PORT", taken_port - 7)
    with pytest.raises(NoFreePortError, match="0 of 1 free ports"):
        free_ports(1, companions=(0, 7))


def test_preferred_port_is_taken_if_free(taken_port):
    (free,) = free_ports(1)
    assert preferred_or_free(free) == free
    assert preferred_or_free(taken_port) != taken_port
