import socket
from pathlib import Path

import pytest

from engine.server.notify import READY, STOPPING, notify


@pytest.mark.parametrize("is_abstract", [False, True])
def test_whoever_started_the_server_is_told(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@{tmp_path}" if is_abstract else str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        for state in (READY, STOPPING):
            notify(state, {"NOTIFY_SOCKET": name})
            assert listener.recv(100).decode() == state


def test_nobody_need_be_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notify(READY, {})
    assert caplog.text == ""
    notify(READY, {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert f"NOTIFY_SOCKET {tmp_path}/gone cannot be told that READY=1: " in caplog.text
