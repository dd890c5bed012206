"""``influxdb3 backup`` as a process, and the servers that are killed, full or started from what it made."""

import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from influxdb3_cli.client import InfluxClient
from influxdb3_cli.errors import CommandFailed
from influxdb3_cli.unpack import unpack
from tests.support.live import Client
from tests.support.serving import PROGRAM, EndedEarly, Serving, clean_environment, serving

pytestmark = pytest.mark.process

WAIT_S = 60
LARGE_BODIES = 12
"""So many that no buffer between server and client holds all of it."""


@pytest.fixture(params=["file", "memory"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    store = () if request.param == "file" else ("--object-store", "memory")
    with serving(tmp_path / "node", *store) as served:
        yield served


@contextmanager
def client_of(server: Serving) -> Iterator[Client]:
    client = Client(server.url, "db")
    yield client
    client.close()


@pytest.fixture
def token(server: Serving) -> str:
    made: str = httpx.post(f"{server.url}/api/v3/configure/token/admin").json()["token"]
    return made


def write(url: str, token: str, lines: str) -> None:
    target = f"{url}/api/v3/write_lp?db=db&precision=nanosecond"
    httpx.post(target, content=lines, headers={"Authorization": f"Bearer {token}"}).raise_for_status()


def backup(
    server: Serving, folder: Path, token: str = "", limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "backup", str(folder), "--host", server.url, *(["--token", token] if token else [])],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=clean_environment(folder.parent),
        check=False,
        preexec_fn=limit,
    )


def test_a_server_starts_from_a_backup_with_its_rows_and_tokens(server: Serving, token: str, tmp_path: Path) -> None:
    refused = backup(server, tmp_path / "refused")
    assert (refused.returncode, "401 Unauthorized" in refused.stderr) == (1, True)
    write(server.url, token, "a v=1 1\na v=2 2")
    made = backup(server, tmp_path / "new" / "data", token)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[-1] == (
        f"Start a server from it: influxdb3 serve --data-dir {tmp_path / 'new' / 'data'} --node-id node0"
    )
    with serving(tmp_path / "new") as restored:
        rows = httpx.get(
            f"{restored.url}/api/v3/query_sql",
            params={"db": "db", "q": "SELECT v FROM a ORDER BY v", "format": "json"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert rows.json() == [{"v": 1.0}, {"v": 2.0}]


def test_a_full_disk_at_the_client_is_told_and_the_rest_is_no_backup(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))

    with serving(tmp_path / "node", "--without-auth") as server, client_of(server) as client:
        client.write("\n".join(f"a,host=h{n} v={n} {n}" for n in range(20_000)))
        made = backup(server, tmp_path / "new" / "data", limit=limit)
        assert made.returncode == 1
        assert made.stderr.startswith("Backup command failed: the backup is unfinished: ")
        assert made.stderr.count("\n") == 1
        assert client.rows("SELECT count(*) AS n FROM a") == [{"n": 20_000}]
    with pytest.raises(EndedEarly, match="is a backup that was not finished"), serving(tmp_path / "new"):
        pass


def test_a_server_that_is_killed_leaves_an_unfinished_backup_and_nothing_pinned(tmp_path: Path) -> None:
    with serving(tmp_path / "node", "--without-auth") as server, client_of(server) as client:
        for body in range(LARGE_BODIES):
            client.write("\n".join(f'a,body=b{body} text="{"x" * 4000}" {n}' for n in range(500)))
        with InfluxClient(server.url, None) as asking, asking.backup() as pieces:

            def killed() -> Iterator[bytes]:
                yield next(pieces)
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
                yield from pieces

            with pytest.raises(CommandFailed, match="the backup is unfinished: the server's answer ended early"):
                unpack(killed(), tmp_path / "new" / "data")
    assert len(list((tmp_path / "node" / "data" / "node0" / "backups").iterdir())) == 1
    with serving(tmp_path / "node", "--without-auth") as again, client_of(again) as client:
        assert client.rows("SELECT count(*) AS n FROM a") == [{"n": LARGE_BODIES * 500}]
        assert not (tmp_path / "node" / "data" / "node0" / "backups").exists()
