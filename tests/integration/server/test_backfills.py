"""Backfills and the point from which a trigger begins, over HTTP, with a real plugin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import eventually
from tests.support.web import TRIGGERS, Web, web

BACKFILL = f"{TRIGGERS}/backfill"
COPY = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.write(LineBuilder("copies").int64_field("v", int(row["v"])).time_ns(row["time"]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Web]:
    with web(tmp_path) as served:
        (served.plugins / "copy.py").write_text(COPY)
        served.engine.tables.create_database("foo")
        served.write("\n".join(f"a v={v} {1_700_000_000_000_000_000 + v}" for v in range(20)))
        settings = {"run_async": False, "error_behavior": "log"}
        body = {"db": "foo", "trigger_name": "t", "plugin_filename": "copy.py", "disabled": False}
        for name, spec in (("t", "table:a"), ("s", "every:1h")):
            named = body | {"trigger_name": name, "trigger_specification": spec, "trigger_settings": settings}
            assert served.post(TRIGGERS, json=named).status_code == 200
        yield served


def copied(server: Web) -> int:
    answer = server.sql("SELECT count(*) AS n FROM copies")
    return int(answer.json()[0]["n"]) if answer.status_code == 200 else 0


def states(server: Web) -> list[dict[str, Any]]:
    return server.rows("SELECT state, rows_done, rows_total FROM system.processing_engine_backfills")


def test_a_backfill_over_http(server: Web) -> None:
    answer = server.post(BACKFILL, json={"db": "foo", "trigger_name": "t", "batch_rows": 3})
    assert answer.status_code == 200
    assert answer.json()["rows"] == 20
    eventually(lambda: states(server) == [{"state": "done", "rows_done": 20, "rows_total": 20}])
    assert copied(server) == 20


def test_times_are_texts_or_nanoseconds(server: Web) -> None:
    body = {
        "db": "foo",
        "trigger_name": "t",
        "start": 1_700_000_000_000_000_005,
        "end": "2023-11-14T22:13:20.000000009Z",
    }
    assert server.post(BACKFILL, json=body).json()["rows"] == 4


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"trigger_name": "none"}, 404, "none"),
        ({"trigger_name": "s"}, 400, "only table: and all_tables triggers have a position and a history"),
        ({"trigger_name": "t", "start": "x"}, 400, "'x' is not a time"),
        ({"trigger_name": "t", "start": 2, "end": 1}, 400, "1970-01-01 00:00:00 UTC) must be before its end"),
        ({"trigger_name": "t", "batch_rows": 0}, 400, "batch_rows is 0; allowed are 1 to 1000000"),
        ({"trigger_name": "t", "batch_rows": "many"}, 400, "serde json error"),
        ({}, 400, "missing field `trigger_name`"),
    ],
)
def test_what_cannot_be_backfilled(server: Web, body: dict[str, Any], status: int, text: str) -> None:
    answer = server.post(BACKFILL, json={"db": "foo"} | body)
    assert answer.status_code == status
    assert text in answer.text


def test_a_disabled_trigger_is_refused_as_a_conflict(server: Web) -> None:
    server.post(f"{TRIGGERS}/disable?db=foo&trigger_name=t")
    assert server.post(BACKFILL, json={"db": "foo", "trigger_name": "t"}).status_code == 409
    refused = server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", "from": "now"})
    assert (refused.status_code, "enable it first" in refused.text) == (409, True)


def test_ending_what_does_not_go_on_is_told(server: Web) -> None:
    answer = server.send("DELETE", BACKFILL, json={"db": "foo", "trigger_name": "t"})
    assert (answer.status_code, "no backfill of trigger t goes on" in answer.text) == (404, True)


def test_a_trigger_begins_from_a_point(server: Web) -> None:
    answer = server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", "from": "beginning"})
    assert answer.status_code == 200
    eventually(lambda: copied(server) == 20)
    for point, text in (("never", "expect now, beginning, or a time"), ([], "serde json error")):
        refused = server.send("PATCH", TRIGGERS, json={"db": "foo", "trigger_name": "t", "from": point})
        assert (refused.status_code, text in refused.text) == (400, True)
