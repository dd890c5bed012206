import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PluginFailed
from engine.runtime import Engine
from tests.support.engines import create_trigger, open_engine, query, request

ROW = {"table": "alerts", "tags": {"host": "a"}, "fields": {"value": 1, "text": 'x"y', "on": True}, "time": 5}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as engine:
        yield engine


def send(engine: Engine, data: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    response = request(engine, "webhook", body, {name.replace("_", "-"): text for name, text in headers.items()})
    answer: dict[str, Any] = json.loads(response.body)
    return response.status, answer


def tables(engine: Engine) -> set[str]:
    return {row["table_name"] for row in query(engine, "db", "SHOW TABLES") if row["table_schema"] == "iox"}


def test_rows_are_written_before_the_answer(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py")
    assert send(engine, [ROW, ROW | {"time": "1970-01-01T00:00:01Z"}]) == (
        200,
        {"status": "success", "rows_written": 2},
    )
    row = {"host": "a", "value": 1.0, "text": 'x"y', "on": True}
    assert query(engine, "db", "SELECT * FROM alerts ORDER BY time") == [row | {"time": 5}, row | {"time": 10**9}]


def test_a_request_without_body_tells_how_many_rows_came(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py")
    assert send(engine, b"") == (200, {"status": "ready", "rows_written": 0})
    send(engine, [ROW, ROW])
    send(engine, ROW)
    assert send(engine, b"") == (200, {"status": "ready", "rows_written": 3})


def test_any_object_is_a_row_with_its_plain_members(engine: Engine) -> None:
    arguments = {"table": "builds", "tags": "repo branch"}
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py", arguments=arguments)
    data = {"repo": "r", "ok": False, "took": 3, "who": None, "commit": {"id": 1}, "files": [], "time": 7}
    assert send(engine, data)[0] == 200
    assert query(engine, "db", "SELECT * FROM builds") == [{"repo": "r", "ok": False, "took": 3.0, "time": 7}]


def test_only_who_knows_the_secret_may_write(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py", arguments={"secret": "täglich"})
    body = json.dumps(ROW).encode()
    signature = "sha256=" + hmac.new("täglich".encode(), body, hashlib.sha256).hexdigest()
    assert send(engine, body)[0] == 401
    assert send(engine, body, x_webhook_secret="wrong")[0] == 401
    assert send(engine, body + b" ", x_hub_signature_256=signature)[0] == 401
    assert send(engine, b"")[0] == 401
    assert tables(engine) == set()
    assert send(engine, body, x_webhook_secret="täglich")[0] == 200
    assert send(engine, body, x_hub_signature_256=signature)[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param(b"{", 400, "Expecting property name", id="no-json"),
        pytest.param(b"\xff", 400, "decode", id="no-text"),
        pytest.param(b"[" * 100_000, 400, "recursion", id="deep"),
        pytest.param(b"[]", 400, "expected 1 to 3 rows, got 0", id="no-rows"),
        pytest.param(b"[1,2,3,4]", 400, "expected 1 to 3 rows, got 4", id="too-many-rows"),
        pytest.param(b"[1]", 422, "must be a JSON object", id="no-object"),
        pytest.param(b"{}", 422, "at least one field", id="no-fields"),
        pytest.param(b'{"fields": {"v": null}}', 422, "at least one field", id="only-null"),
        pytest.param(b'{"fields": {"v": NaN}}', 422, "not a finite number", id="nan"),
        pytest.param(b'{"fields": {"v": 1e999}}', 422, "not a finite number", id="infinite"),
        pytest.param(b'{"fields": {"v": 1' + b"0" * 400 + b"}}", 422, "too large", id="huge"),
        pytest.param(b'{"fields": {"v": []}}', 422, "a number, a text or a boolean", id="nested"),
        pytest.param(b'{"fields": {"a b": 1}}', 422, "is no name", id="name-with-blank"),
        pytest.param(b'{"fields": {"time": 1}}', 422, "is no name", id="reserved-name"),
        pytest.param(b'{"fields": {"v": "\\ud800"}}', 422, "surrogate", id="half-a-character"),
        pytest.param(b'{"table": "a\\nb", "fields": {"v": 1}}', 422, "is no name", id="table"),
        pytest.param(b'{"tags": {"t": "a\\nb"}, "fields": {"v": 1}}', 422, "on one line", id="tag-with-newline"),
        pytest.param(b'{"tags": {"t": ""}, "fields": {"v": 1}}', 422, "must have text", id="empty-tag"),
        pytest.param(b'{"tags": [1], "fields": {"v": 1}}', 422, "tags must be a JSON object", id="tags"),
        pytest.param(b'{"fields": {"v": 1}, "time": 1.5}', 422, "must be integer nanoseconds", id="time-float"),
        pytest.param(b'{"fields": {"v": 1}, "time": "soon"}', 422, "Invalid isoformat", id="time-text"),
        pytest.param(b'{"fields": {"v": 1}, "time": "9999-01-01"}', 422, "from 1678 to 2262", id="time-far"),
    ],
)
def test_what_is_wrong_is_answered_and_nothing_written(engine: Engine, body: bytes, status: int, message: str) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py", arguments={"most_rows": "3"})
    found, answer = send(engine, body)
    assert (found, message in json.dumps(answer)) == (status, True), answer
    assert tables(engine) == set()
    assert send(engine, b"")[0] == 200


def test_one_bad_row_refuses_all(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py")
    status, answer = send(engine, [ROW, {"fields": 1}, {"fields": {}}])
    assert (status, [error["row"] for error in answer["errors"]]) == (422, [2])
    assert tables(engine) == set()


def test_the_caller_hears_that_a_value_does_not_fit_its_column(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py", error_behavior="disable")
    send(engine, ROW)
    status, answer = send(engine, ROW | {"fields": {"value": "text"}})
    assert (status, "value" in answer["message"]) == (422, True), answer
    assert send(engine, ROW)[0] == 200


def test_an_argument_that_is_no_number_is_named(engine: Engine) -> None:
    create_trigger(engine, "db", "t", "path:webhook", "webhook_handler.py", arguments={"most_rows": "many"})
    with pytest.raises(PluginFailed, match="argument most_rows must be a number, not 'many'"):
        send(engine, ROW)
