import socket
from pathlib import Path

import pytest

from engine.model.bind import Bind
from engine.server.listener import CannotListen, bound_address, open_listener, write_address


def test_port_0_takes_a_free_port() -> None:
    with open_listener(Bind("127.0.0.1", 0)) as listener:
        address = bound_address(listener)
        with socket.create_connection((address.host, address.port)):
            assert address.port > 0


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_addresses_of_ipv6_are_written_so_that_they_read_back() -> None:
    with open_listener(Bind("::1", 0)) as listener:
        assert str(bound_address(listener)).startswith("[::1]:")


def test_an_address_in_use_is_told_with_a_way_out() -> None:
    with open_listener(Bind("127.0.0.1", 0)) as listener:
        address = bound_address(listener)
        with pytest.raises(CannotListen, match=f"^address {address} is in use \\(.*--http-bind\\)$"):
            open_listener(address)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_somebody_else_is_refused(host: str) -> None:
    with pytest.raises(CannotListen, match=f"^Failed to bind address {host}:1: "):
        open_listener(Bind(host, 1))


def test_the_address_is_written_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "address"
    write_address(path, Bind("127.0.0.1", 8181))
    write_address(path, Bind("127.0.0.1", 1))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["127.0.0.1:1"]
