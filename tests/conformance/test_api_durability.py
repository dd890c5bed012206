"""Server API §12.7: what is left after a kill, a stop, and beside a second server; each row with real processes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving import EndedEarly, Serving, serving

pytestmark = pytest.mark.process

SCHEMA = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'cpu' ORDER BY column_name"
CPU = "SELECT host, v FROM cpu"
PATIENCE_S = 20.0
LAST = "/api/v3/configure/last_cache"


class Talk:
    """What a client with a token says to a server."""

    def __init__(self, server: Serving, token: str | None = None) -> None:
        self.server = server
        self.token = token or httpx.post(f"{server.url}/api/v3/configure/token/admin").json()["token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def write(self, lines: str, **params: str) -> int:
        url = f"{self.server.url}/api/v3/write_lp"
        return httpx.post(url, params={"db": "foo"} | params, content=lines, headers=self.headers).status_code

    def rows(self, sql: str) -> list[dict[str, Any]]:
        params = {"db": "foo", "q": sql, "format": "json"}
        answer = httpx.get(f"{self.server.url}/api/v3/query_sql", params=params, headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def uuid(self) -> str:
        return httpx.get(f"{self.server.url}/ping", headers=self.headers).headers["cluster-uuid"]


def kill(talk: Talk) -> None:
    talk.server.process.kill()
    talk.server.process.wait()


def written_and_killed(folder: Path) -> None:
    with serving(folder) as server:
        talk = Talk(server)
        assert talk.write("cpu,host=a v=1 1") == 204
        before = (talk.rows(SCHEMA), talk.uuid())
        kill(talk)
    with serving(folder) as server:
        again = Talk(server, talk.token)
        assert again.rows(CPU) == [{"host": "a", "v": 1.0}]
        assert (again.rows(SCHEMA), again.uuid()) == before


def written_without_waiting_and_killed(folder: Path) -> None:
    """Ours is stronger: it is killed at once, not after two flush intervals."""
    with serving(folder, "--wal-flush-interval", "100ms") as server:
        talk = Talk(server)
        assert talk.write("cpu,host=a v=1 1", no_sync="true") == 204
        kill(talk)
    with serving(folder) as server:
        assert Talk(server, talk.token).rows(CPU) == [{"host": "a", "v": 1.0}]


def cached_and_restarted(folder: Path) -> None:
    """Ours differs: a cache says after a restart what it said before."""
    with serving(folder) as server:
        talk = Talk(server)
        assert talk.write("cpu,host=a v=1 1") == 204
        made = {"db": "foo", "table": "cpu", "name": "c", "key_columns": ["host"]}
        assert httpx.post(f"{server.url}{LAST}", json=made, headers=talk.headers).status_code == 201
        assert talk.write("cpu,host=a v=2 2") == 204
        before = (talk.rows("SELECT name FROM system.last_caches"), talk.rows("SELECT host, v FROM last_cache('cpu')"))
        kill(talk)
    with serving(folder) as server:
        again = Talk(server, talk.token)
        after = (again.rows("SELECT name FROM system.last_caches"), again.rows("SELECT host, v FROM last_cache('cpu')"))
        assert after == before == ([{"name": "c"}], [{"host": "a", "v": 2.0}])


def stopped_while_it_writes(folder: Path) -> None:
    acknowledged: list[int] = []
    has_begun = threading.Event()
    with serving(folder) as server:
        talk = Talk(server)

        def write() -> None:
            for number in range(100_000):
                try:
                    status = talk.write(f"cpu,host=h{number} v=1 1")
                except httpx.TransportError:
                    return
                if status != 204:
                    assert status == 503
                    return
                acknowledged.append(number)
                if len(acknowledged) == 5:
                    has_begun.set()

        writing = threading.Thread(target=write)
        writing.start()
        assert has_begun.wait(PATIENCE_S)
        server.process.terminate()
        assert server.process.wait(60) == 0
        writing.join()
    with serving(folder) as server:
        stored = {row["host"] for row in Talk(server, talk.token).rows(CPU)}
        assert {f"h{number}" for number in acknowledged} <= stored


def a_second_one_on_the_same_node(folder: Path) -> None:
    """Ours differs: the second one does not start, and the first one goes on."""
    with serving(folder) as server:
        talk = Talk(server)
        assert talk.write("cpu,host=a v=1 1") == 204
        data = str(folder / "data")
        second = serving(folder / "second", "--data-dir", data)
        with pytest.raises(EndedEarly, match="is in use by another influxdb3 server") as ended, second:
            pass
        assert ended.value.code == 1
        assert talk.write("cpu,host=b v=1 1") == 204


STORIES = [
    pytest.param(written_and_killed, id="S167"),
    pytest.param(written_without_waiting_and_killed, id="S168"),
    pytest.param(cached_and_restarted, id="S170"),
    pytest.param(stopped_while_it_writes, id="S171"),
    pytest.param(a_second_one_on_the_same_node, id="S172"),
]


@pytest.mark.parametrize("story", STORIES)
def test_what_was_acknowledged_is_there(story: Callable[[Path], None], tmp_path: Path) -> None:
    story(tmp_path / "node")
