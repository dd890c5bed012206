import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.server.service_manager import ServiceManager, encode_state


@pytest.fixture(params=["path", "name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """What a service manager offers: a datagram socket at a path, or at a name that only Linux has."""
    path = str(tmp_path / "notify")
    address, bound = (path, path) if request.param == "path" else (f"@{path}", f"\0{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(bound)
        sock.settimeout(10)
        yield address, sock


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"status": "up", "is_ready": True}, b"STATUS=up\nREADY=1", id="ready"),
        pytest.param(
            {"status": "reading", "silence_s": 60}, b"STATUS=reading\nEXTEND_TIMEOUT_USEC=60000000", id="goes-on"
        ),
        pytest.param({"status": "end", "is_stopping": True}, b"STATUS=end\nSTOPPING=1", id="stopping"),
    ],
)
def test_states_are_lines(facts: dict[str, object], expected: bytes) -> None:
    assert encode_state(**facts) == expected  # type: ignore[arg-type]


def test_each_step_of_a_server_is_told(manager: tuple[str, socket.socket]) -> None:
    address, sock = manager
    told = ServiceManager(address)

    async def start() -> None:
        starting = asyncio.create_task(told.wait_for_start(lambda: "reading the log: 1 of 9 MiB"))
        await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting

    asyncio.run(start())
    told.ready("127.0.0.1:8181")
    told.stopping(30.0)
    assert [sock.recv(1_000) for _ in range(3)] == [
        b"STATUS=reading the log: 1 of 9 MiB\nEXTEND_TIMEOUT_USEC=60000000",
        b"STATUS=listening at 127.0.0.1:8181\nREADY=1",
        b"STATUS=stopping\nSTOPPING=1\nEXTEND_TIMEOUT_USEC=90000000",
    ]


def test_a_server_without_manager_tells_nobody() -> None:
    told = ServiceManager(None)
    asyncio.run(told.wait_for_start(lambda: "starting"))
    told.ready("127.0.0.1:8181")
    told.stopping(30.0)


def test_a_manager_that_is_gone_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready("127.0.0.1:8181")
    assert "could not be told" in caplog.text
