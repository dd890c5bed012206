from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import eventually
from tests.support.web import TRIGGERS, Web, told, web

LETTERS = f"{TRIGGERS}/dead_letters"
SETTINGS = {"run_async": False, "error_behavior": "retry"}
PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            if row["v"] < 0:
                raise ValueError(f"negative: {row['v']}")
            influxdb3_local.write(LineBuilder("out").float64_field("v", row["v"]).time_ns(row["time"]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        served.engine.tables.create_database("foo")
        answer = served.trigger("t", "table:a", "w.py", PLUGIN, trigger_settings=SETTINGS)
        assert told(answer) == (200, "")
        yield served


def letters(server: Web) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.get(f"{LETTERS}?db=foo&format=json").json()
    return listed


def poisoned(server: Web) -> dict[str, Any]:
    server.write("a v=1 1\na v=-2 2\na v=3 3", "db=foo&precision=nanosecond")
    (letter,) = eventually(lambda: letters(server))
    assert [row["v"] for row in server.rows("SELECT v FROM out ORDER BY time")] == [1.0, 3.0]
    return letter


def mended(server: Web) -> None:
    server.engine.write_plugin_file("w.py", PLUGIN.replace("row['v']", "0").replace('row["v"] < 0', "False"))


def test_a_letter_tells_all_that_is_known(server: Web) -> None:
    letter = poisoned(server)
    assert (letter["trigger_name"], letter["state"], letter["kind"], letter["table_name"]) == ("t", "open", "wal", "a")
    assert (letter["rows"], letter["attempts"], letter["error"]) == (1, 7, "ValueError: negative: -2.0")
    assert 'raise ValueError(f"negative: ' in letter["traceback"]
    assert '"rows": [{"v": -2.0, "time": 2}]' in letter["input"]
    assert server.get(f"{LETTERS}?db=foo&trigger_name=other").json() == []
    assert letter["id"] in server.get(f"{LETTERS}?db=foo&format=csv").text


def test_retry_after_the_plugin_was_mended(server: Web) -> None:
    letter = poisoned(server)
    body = {"db": "foo", "trigger_name": "t", "ids": [letter["id"]]}
    failed = server.post(f"{LETTERS}/retry", json=body).json()["results"]
    assert failed == [{"id": letter["id"], "state": "failed", "error": "ValueError: negative: -2.0"}]
    mended(server)
    passed = server.post(f"{LETTERS}/retry", json=body).json()["results"]
    assert passed == [{"id": letter["id"], "state": "retried"}]
    assert [row["v"] for row in server.rows("SELECT v FROM out ORDER BY time")] == [1.0, -2.0, 3.0]
    assert letters(server) == []


@pytest.mark.parametrize("how", ["body", "query"])
def test_delete(server: Web, how: str) -> None:
    letter = poisoned(server)
    if how == "body":
        answer = server.send("DELETE", LETTERS, json={"db": "foo", "ids": [letter["id"]]})
    else:
        answer = server.delete(f"{LETTERS}?db=foo&trigger_name=t&all=true")
    assert told(answer) == (200, '{"deleted":1}')
    assert letters(server) == []


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({}, 400, 'say which dead letters: either "ids", or "all": true', id="neither"),
        pytest.param({"ids": ["1"], "all": True}, 400, "say which dead letters", id="both"),
        pytest.param({"ids": []}, 400, "say which dead letters", id="no ids"),
        pytest.param({"ids": ["5"]}, 404, "trigger 't' has no dead letter 5", id="unknown"),
        pytest.param({"ids": ["five"]}, 400, "'five' is no id of a dead letter", id="not a number"),
        pytest.param({"ids": [5]}, 400, "serde json error: ", id="not a text"),
        pytest.param({"all": True, "trigger_name": "nope"}, 404, "trigger 'nope' was not found", id="trigger"),
        pytest.param({"all": True, "trigger_name": None}, 400, "say of which trigger", id="no trigger"),
        pytest.param({"all": True, "db": "nope"}, 404, "", id="database"),
    ],
)
def test_what_cannot_be_retried(server: Web, changes: dict[str, Any], status: int, text: str) -> None:
    answer = server.post(f"{LETTERS}/retry", json={"db": "foo", "trigger_name": "t"} | changes)
    assert answer.status_code == status, answer.text
    assert text in answer.text
