"""Huge pages: refused to the server and what it starts, allowed to plugins."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.live import Client
from tests.support.serving import serving

pytestmark = pytest.mark.process

SHOW = "from pathlib import Path; print('THP_enabled:\\t0' in Path('/proc/self/status').read_text())"


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_process_and_its_children_have_them_or_not(is_allowed: bool) -> None:
    program = (
        "import subprocess, sys; from engine.huge_pages import allow_huge_pages;"
        f"assert allow_huge_pages({is_allowed}); subprocess.run([sys.executable, '-c', {SHOW!r}], check=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout == f"{not is_allowed}\n"


PLUGIN = """
from pathlib import Path

def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return Path("/proc/self/status").read_text()
"""


def test_the_server_refuses_them_and_plugins_have_them(tmp_path: Path) -> None:
    (tmp_path / "status.py").write_text(PLUGIN)
    with (
        serving(tmp_path / "server", "--without-auth", "--plugin-dir", str(tmp_path)) as server,
        closing(Client(server.url, "home")) as client,
    ):
        assert client.write("room temp=21 1")
        client.create_trigger("status", "request:status", "status.py")
        assert "THP_enabled:\t0" in Path(f"/proc/{server.process.pid}/status").read_text()
        assert "THP_enabled:\t1" in httpx.get(f"{server.url}/api/v3/engine/status").text
