"""What holds for every executor of plugin code."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.clock import SystemClock
from engine.columns.rows import table_rows
from engine.errors import QueryError
from engine.host.arrow_message import decode_columns
from engine.host.protocol import ArrowRows, Done, NamespaceSync, RequestData, Response, StateValue
from engine.plugins.executors.embedded import EmbeddedExecutor
from engine.plugins.executors.host import ExecutorConfig, HostExecutor
from engine.plugins.ports import Executor, RunLimits
from tests.support.plugins import (
    WAIT_S,
    Ends,
    FakeDatabase,
    finish,
    plugin_file,
    plugin_folder,
    plugin_run,
    start,
    table_batch,
)

EXECUTORS = [
    pytest.param(lambda: EmbeddedExecutor(SystemClock()), id="embedded"),
    pytest.param(lambda: HostExecutor(ExecutorConfig(), SystemClock()), id="host", marks=pytest.mark.process),
]

COUNTER = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    count = influxdb3_local.cache.get("count", 0) + 1
    influxdb3_local.cache.put("count", count)
    influxdb3_local.info(count)
    if args:
        raise ValueError("told to")
"""

ENDLESS = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("begun")
    while True:
        pass
"""


Factory = Callable[[], Executor]


@pytest.fixture(scope="module", params=EXECUTORS)
def factory(request: pytest.FixtureRequest) -> Factory:
    made: Factory = request.param
    return made


@pytest.fixture(scope="module")
def shared(factory: Factory) -> Iterator[Executor]:
    built = factory()
    yield built
    built.close(0.0)


@pytest.fixture
def executor(shared: Executor) -> Executor:
    """One executor for all tests, for processes take time to start; the cache of their trigger begins empty."""
    shared.forget("trigger")
    return shared


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


def error_of(done: Done) -> tuple[str, str]:
    assert done.error is not None
    return done.error.kind, done.error.text


def test_rows_have_tags_then_fields_then_time(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B3.3, B3.4, B3.5, B3.14."""
    code = """
    def process_writes(influxdb3_local, table_batches, args=None):
        for batch in table_batches:
            for row in batch["rows"]:
                influxdb3_local.info(sorted(batch), batch["table_name"], row, args)
    """
    columns = {"f": "float", "tag1": "tag", "time": "time", "i": "integer", "tag2": "tag", "s": "string"}
    rows = [{"tag1": "a", "tag2": "b", "f": 1.0, "i": 1, "s": "x", "time": 500}], [{"f": 2.0, "tag1": "c", "time": 501}]
    batch = table_batch(tmp_path, columns, *rows)
    done = finish(executor, plugin_run(plugin_file(tmp_path, code), "wal", batches=[batch], args={"k": "v"}), database)
    assert done.error is None
    assert database.logs == [
        "INFO: ['rows', 'table_name'] cpu"
        " {'tag1': 'a', 'tag2': 'b', 'f': 1.0, 'i': 1, 's': 'x', 'time': 500} {'k': 'v'}",
        "INFO: ['rows', 'table_name'] cpu"
        " {'tag1': 'c', 'tag2': None, 'f': 2.0, 'i': None, 's': None, 'time': 501} {'k': 'v'}",
    ]


def test_call_time_is_naive_utc(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B4.3, B4.8, B3.14."""
    code = "def process_scheduled_call(local, when, args=None): local.info(repr(when), args)"
    run = plugin_run(plugin_file(tmp_path, code), call_time_s=86_401)
    assert finish(executor, run, database).error is None
    assert database.logs == ["INFO: datetime.datetime(1970, 1, 2, 0, 0, 1) None"]


def test_an_answer_goes_out_while_it_is_made(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    code = """
    def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
        def parts():
            influxdb3_local.write(LineBuilder("t").int64_field("f", 1))
            yield "a"
            influxdb3_local.info("asked for more")
            yield b"\\xff"
            influxdb3_local.write(LineBuilder("t").int64_field("f", 2))
        return parts(), 201, {"Content-Type": "a/b"}
    """
    run = plugin_run(plugin_file(tmp_path, code), "request", request=RequestData({}, {}, b""))
    done = finish(executor, run, database)
    assert done.error is None
    assert done.response is not None
    assert database.parts[0] == (Response(201, [("Content-Type", "a/b")], b""), b"a")
    assert b"".join(data for _, data in database.parts) + done.response.body == b"a\xff"
    assert [line.strip() for _, line in done.writes] == ["t f=1i", "t f=2i"]


def test_an_answer_ends_when_its_client_has_gone(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    code = """
    import time
    def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
        while True:
            yield "a"
            time.sleep(0.001)
    """
    database.wants_parts = False
    run = plugin_run(plugin_file(tmp_path, code), "request", request=RequestData({}, {}, b""))
    assert finish(executor, run, database).error is None


def test_a_plugin_gets_method_path_and_query_string(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:  # Annex A
    code = """
    import json
    def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
        h = request_headers
        return f"{h.method} {h.path} {h.query_string} {json.dumps(h)} {isinstance(h, dict)} {dict(h) == h}"
    """
    request = RequestData({"a": "b"}, {"x": "y"}, b"", method="POST", path="/api/v3/engine/%20", query_string="a=%62")
    done = finish(executor, plugin_run(plugin_file(tmp_path, code), "request", request=request), database)
    assert done.response is not None, done.error
    assert done.response.body.decode() == 'POST /api/v3/engine/%20 a=%62 {"x": "y"} True True'


def test_what_a_failed_run_would_have_written_is_shown_not_written(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    code = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.write(LineBuilder("t").int64_field("f", 1))
        raise ValueError("x")
    """
    done = finish(executor, plugin_run(plugin_file(tmp_path, code)), database)
    assert done.writes == []
    assert [line.strip() for _, line in done.unwritten] == ["t f=1i"]


def test_request_is_handed_over_and_its_reply_comes_back(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B5.1, B5.13, B5.14."""
    code = """
    def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
        return {"q": query_parameters, "h": request_headers, "b": request_body.decode()}, 201, {"X-A": "1"}
    """
    request = RequestData({"a": "2", "b": "x y"}, {"x-foo": "1"}, b"body")
    done = finish(executor, plugin_run(plugin_file(tmp_path, code), "request", request=request), database)
    assert done.response is not None
    assert done.response.status == 201
    assert done.response.body == b'{"q": {"a": "2", "b": "x y"}, "h": {"x-foo": "1"}, "b": "body"}'
    assert sorted(done.response.headers) == [("Content-Type", "application/json"), ("X-A", "1")]


def test_plugin_uses_the_database(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B6.2, B6.3, B6.9, B6.15."""
    database.answers["SELECT $host"] = pa.table({"host": ["s2"], "usage": [0.89]})
    code = """
    class Two:
        def build(self):
            return "a f=1\\nb f=2"

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
        influxdb3_local.write_to_db("other", Two())
        influxdb3_local.write_sync(Two(), no_sync=True)
        influxdb3_local.write_sync_to_db("other", Two(), False)
        influxdb3_local.info("i", [{"host": "s2"}], influxdb3_local.query("SELECT $host", {"host": "s2", "n": 5}))
        influxdb3_local.query("SELECT $host", database="elsewhere")
        try:
            influxdb3_local.query("bad")
        except Exception as error:
            influxdb3_local.warn(type(error).__name__, error)
    """
    done = finish(executor, plugin_run(plugin_file(tmp_path, code)), database)
    assert done.error is None
    assert done.writes == [(None, "t n=1i"), ("other", "a f=1\nb f=2")]
    assert database.written == [(None, "a f=1\nb f=2", True), ("other", "a f=1\nb f=2", False)]
    assert database.asked[0] == (None, "SELECT $host", {"host": "s2", "n": 5})
    assert database.asked[1] == ("elsewhere", "SELECT $host", {})
    assert database.logs == [
        "INFO: i [{'host': 's2'}] [{'host': 's2', 'usage': 0.89}]",
        "WARN: QueryError error: no plan executing query on foo: bad",
    ]


def test_refused_immediate_write_raises_a_plain_exception(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B6.14."""
    database.refused = QueryError("error writing line protocol to foo: Cannot write: no")
    code = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 1), False)
    """
    done = finish(executor, plugin_run(plugin_file(tmp_path, code)), database)
    assert error_of(done) == ("call", "Exception: error writing line protocol to foo: Cannot write: no")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("raise ValueError('x')", "ValueError: x"),
        ("raise ValueError", "ValueError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("raise GeneratorExit", "GeneratorExit: "),
        ("raise type('Mine', (BaseException,), {})('m')", "Mine: m"),
        ("f = lambda: f(); f()", "RecursionError: maximum recursion depth exceeded"),
        ("raise ValueError('\\udcff')", "ValueError: \\udcff"),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})", "Odd: <no message: __str__ raised Zero"),
    ],
)
def test_whatever_plugin_code_raises_fails_its_run_only(
    executor: Executor, database: FakeDatabase, tmp_path: Path, statement: str, text: str
) -> None:
    """B5.11, B6.10."""
    code = f"""
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
    if args is None:
        {statement}
"""
    plugin = plugin_file(tmp_path, code)
    done = finish(executor, plugin_run(plugin, thread="t"), database)
    assert error_of(done)[0] == "call"
    assert error_of(done)[1].startswith(text)
    assert done.writes == []
    assert finish(executor, plugin_run(plugin, thread="t", args={}), database).writes == [(None, "t n=1i")]


def test_error_carries_the_traceback_of_the_plugin_alone(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    code = """
    def helper():
        raise ValueError("deep")

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        helper()
    """
    done = finish(executor, plugin_run(plugin_file(tmp_path, code)), database)
    assert done.error is not None
    assert done.error.details == (
        "Traceback (most recent call last):\n"
        '  File "<string>", line 6, in process_scheduled_call\n    helper()\n'
        '  File "<string>", line 3, in helper\n    raise ValueError("deep")\n'
        "ValueError: deep\n"
    )


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        pytest.param(
            "wal",
            "x = 1",
            (
                "entry_point",
                "the process_writes function is not present in the plugin."
                " Should be defined as: process_writes(influxdb3_local, table_batches, args=None)",
            ),
            id="B9.14-missing-function",
        ),
        pytest.param(
            "wal",
            "def process_writes(a, b): pass",
            ("call", "TypeError: process_writes() takes 2 positional arguments but 3 were given"),
            id="B9.15-wrong-arity",
        ),
        pytest.param(
            "wal",
            "def process_writes(a, args=None): pass",
            ("call", "TypeError: process_writes() takes from 1 to 2 positional arguments but 3 were given"),
            id="B9.15-wrong-arity-with-default",
        ),
        pytest.param(
            "wal",
            "x = 1\n  y = 2",
            ("load", "IndentationError: unexpected indent (<string>, line 2)"),
            id="B9.16-indentation",
        ),
        pytest.param("wal", "raise ValueError('top')", ("load", "ValueError: top"), id="module-level"),
        pytest.param(
            "request",
            "def process_request(*a): return 5",
            ("response", "Unsupported return type from Python function"),
            id="B5.10-unsupported-reply",
        ),
    ],
)
def test_reason_of_a_failure_is_told(
    executor: Executor, database: FakeDatabase, tmp_path: Path, kind: Any, code: str, expected: tuple[str, str]
) -> None:
    assert error_of(finish(executor, plugin_run(plugin_file(tmp_path, code), kind), database)) == expected


def test_missing_plugin_fails_the_run(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = plugin_file(tmp_path, "")
    (tmp_path / "plugin.py").unlink()
    kind, text = error_of(finish(executor, plugin_run(plugin), database))
    assert (kind, text) == ("load", f"reading plugin file: Plugin not found: {plugin.path}")


def test_changed_file_and_changed_folder_are_used_by_the_next_run(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B2.14, B2.15, B2.16."""
    call = "def process_scheduled_call(influxdb3_local, call_time, args=None): influxdb3_local.info(word)"
    for word in ("one", "two", "six"):
        file = plugin_file(tmp_path, f"word = {word!r}\n{call}")
        folder = plugin_folder(
            tmp_path, {"__init__.py": f"from .words import word\n{call}", "words.py": f"word = {word!r}"}
        )
        assert finish(executor, plugin_run(file), database).error is None
        assert finish(executor, plugin_run(folder), database).error is None
    (tmp_path / "plugin.py").unlink()
    assert finish(executor, plugin_run(file), database).error is None
    assert database.logs == [f"INFO: {w}" for w in ("one", "one", "two", "two", "six", "six", "six")]


def test_function_is_announced_once_before_it_is_called(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    finish(executor, plugin_run(plugin_file(tmp_path, "raise ValueError")), database)
    assert database.entries == 0
    finish(executor, plugin_run(plugin_file(tmp_path, COUNTER, "counter.py")), database)
    assert database.entries == 1


def test_end_is_reported_exactly_once(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    run, ends = plugin_run(plugin_file(tmp_path, COUNTER), thread="t"), Ends()
    future = ends.expect(run)
    executor.run(run, RunLimits(run.plugin.path, timeout_s=600.0), database, ends)
    future.result(WAIT_S)
    executor.cancel(run.run_id)
    finish(executor, plugin_run(plugin_file(tmp_path, COUNTER), thread="t"), database)
    assert len(ends.all) == 1


def test_runs_of_one_thread_follow_one_another(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B3.16."""
    code = """
    import threading
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info("in", args["n"])
        threading.Event().wait(0.002)
        influxdb3_local.info("out", args["n"])
    """
    plugin = plugin_file(tmp_path, code)
    ends = [start(executor, plugin_run(plugin, thread="t", args={"n": str(n)}), database) for n in range(8)]
    assert [end.result(WAIT_S).error for end in ends] == [None] * 8
    assert database.logs == [f"INFO: {what} {n}" for n in range(8) for what in ("in", "out")]


def test_runs_without_thread_run_side_by_side(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    code = """
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        import threading
        influxdb3_local.cache.put(args["me"], threading.Event())
        influxdb3_local.info("waiting", args["me"])
        while influxdb3_local.cache.get(args["other"]) is None:
            pass
        influxdb3_local.cache.get(args["other"]).set()
        assert influxdb3_local.cache.get(args["me"]).wait(20)
    """
    plugin = plugin_file(tmp_path, code)
    pairs = ({"me": "a", "other": "b"}, {"me": "b", "other": "a"})
    ends = [start(executor, plugin_run(plugin, args=pair), database) for pair in pairs]
    assert [end.result(WAIT_S).error for end in ends] == [None, None]


def test_cache_keeps_values_between_runs_and_tells_changes(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B8.7."""
    plugin = plugin_file(tmp_path, COUNTER)
    for _ in range(3):
        run = plugin_run(plugin, thread="t")
        done = finish(executor, run, database)
        executor.settle(run.run_id, committed=True, versions=database.commit(done))
    assert database.logs == ["INFO: 1", "INFO: 2", "INFO: 3"]
    assert list(database.stored("trigger")) == ["count"]


def test_cache_holds_the_very_object(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B8.4."""
    code = """
    import threading
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        lock = influxdb3_local.cache.get("lock")
        if lock is None:
            influxdb3_local.cache.put("lock", threading.Lock())
            influxdb3_local.cache.get("lock").acquire()
        else:
            influxdb3_local.info(lock.locked())
    """
    plugin = plugin_file(tmp_path, code)
    run = plugin_run(plugin, thread="t")
    done = finish(executor, run, database)
    executor.settle(run.run_id, committed=True, versions=database.commit(done))
    assert finish(executor, plugin_run(plugin, thread="t"), database).changes == []
    assert database.logs == ["INFO: True"]
    assert database.stored("trigger") == {"lock": StateValue("lock", None, live=True)}


def test_repeated_run_starts_from_the_last_committed_values(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    plugin = plugin_file(tmp_path, COUNTER)
    first = plugin_run(plugin, thread="t")
    executor.settle(first.run_id, committed=True, versions=database.commit(finish(executor, first, database)))
    failing = plugin_run(plugin, thread="t", args={})
    assert finish(executor, failing, database).error is None
    executor.settle(failing.run_id, committed=False, versions={})
    failed = plugin_run(plugin, thread="t", args={"fail": "yes"})
    assert error_of(finish(executor, failed, database)) == ("call", "ValueError: told to")
    assert database.logs == ["INFO: 1", "INFO: 2", "INFO: 2"]


def test_failed_run_still_tells_what_it_changed(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    done = finish(executor, plugin_run(plugin_file(tmp_path, COUNTER), args={"fail": "yes"}), database)
    assert [[value.key for value in change.values] for change in done.changes] == [["count"]]


def test_committed_state_is_there_after_a_restart(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B8.12."""
    database.values["trigger"] = {"count": (1, StateValue("count", b"\x80\x05K).", expires_ns=None))}
    database.version = 1
    assert finish(executor, plugin_run(plugin_file(tmp_path, COUNTER), thread="t"), database).error is None
    assert database.logs == ["INFO: 42"]


def test_namespace_with_a_value_that_is_gone_starts_empty(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B8.12."""
    database.values["trigger"] = {
        "count": (1, StateValue("count", b"\x80\x05K).")),
        "lock": (1, StateValue("lock", None, live=True)),
    }
    database.version = 1
    done = finish(executor, plugin_run(plugin_file(tmp_path, COUNTER), thread="t"), database)
    assert database.logs == [
        "WARN: the cache of this trigger held values that cannot survive a restart: it starts empty",
        "INFO: 1",
    ]
    assert [change.clear for change in done.changes] == [True]


def test_forgotten_namespace_is_empty(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    """B8.8."""
    plugin = plugin_file(tmp_path, COUNTER)
    for _ in range(2):
        finish(executor, plugin_run(plugin, thread="t"), database)
        executor.forget("trigger")
    assert database.logs == ["INFO: 1", "INFO: 1"]


def test_dry_run_keeps_its_cache_and_commits_nothing(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    """B8.6, B8.7."""
    plugin = plugin_file(tmp_path, COUNTER)
    for namespace in ("test", "test", "test2"):
        run = plugin_run(plugin, thread="t", namespace=namespace, global_namespace=f"{namespace}g", default_ttl_s=60.0)
        assert finish(executor, run, database).changes == []
    assert database.logs == ["INFO: 1", "INFO: 2", "INFO: 1"]


def test_run_past_its_limit_is_ended_and_the_next_one_runs(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    plugin = plugin_file(tmp_path, ENDLESS)
    done = finish(executor, plugin_run(plugin, thread="t"), database, timeout_s=0.05)
    assert error_of(done) == ("timeout", "the run passed its timeout of 0.05 s")
    assert done.error is not None
    assert "while True" in done.error.details
    assert finish(executor, plugin_run(plugin_file(tmp_path, COUNTER), thread="t"), database).error is None


def test_cancelled_run_is_ended(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    run = plugin_run(plugin_file(tmp_path, ENDLESS), thread="t")
    end = start(executor, run, database)
    database.wait_for_log("INFO: begun")
    executor.cancel(run.run_id)
    assert error_of(end.result(WAIT_S)) == ("cancelled", "the run was cancelled")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("threading.Event().wait(4)", id="waits-in-c-code"),
        pytest.param(
            "for _ in range(400):\n        try: time.sleep(0.01)\n        except BaseException: pass", id="catches-all"
        ),
    ],
)
def test_run_that_cannot_be_interrupted_is_over_after_the_grace_second(
    executor: Executor, database: FakeDatabase, tmp_path: Path, body: str
) -> None:
    code = f"""
import threading, time
def process_scheduled_call(influxdb3_local, call_time, args=None):
    if args is None:
        threading.Timer(0.1, influxdb3_local.info, ["begun"]).start()
        {body.replace("        ", "            ")}
"""
    plugin = plugin_file(tmp_path, code)
    run = plugin_run(plugin, thread="t")
    end = start(executor, run, database)
    behind = start(executor, plugin_run(plugin, thread="t", args={}), database)
    database.wait_for_log("INFO: begun")
    executor.cancel(run.run_id)
    assert error_of(end.result(WAIT_S))[0] == "cancelled"
    assert behind.result(WAIT_S).error is None


def test_waiting_run_can_be_cancelled(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = plugin_file(tmp_path, ENDLESS)
    first, second = plugin_run(plugin, thread="t"), plugin_run(plugin, thread="t")
    first_end = start(executor, first, database)
    database.wait_for_log("INFO: begun")
    second_end = start(executor, second, database)
    executor.cancel(second.run_id)
    assert error_of(second_end.result(WAIT_S))[0] == "cancelled"
    assert not first_end.done()
    executor.cancel(first.run_id)
    assert error_of(first_end.result(WAIT_S))[0] == "cancelled"
    assert database.entries == 1


def test_closing_cancels_what_does_not_end_by_itself(factory: Factory, database: FakeDatabase, tmp_path: Path) -> None:
    executor = factory()
    end = start(executor, plugin_run(plugin_file(tmp_path, ENDLESS)), database)
    database.wait_for_log("INFO: begun")
    executor.close(0.05)
    assert error_of(end.result(WAIT_S))[0] == "cancelled"


def test_threads_that_a_run_left_behind_may_use_the_database(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    code = """
    import threading
    def later(influxdb3_local, go):
        go.wait(20)
        influxdb3_local.info("late", influxdb3_local.cache.get("count"))

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        if args is None:
            go = threading.Event()
            influxdb3_local.cache.put("go", go)
            influxdb3_local.cache.put("count", 7)
            threading.Thread(target=later, args=(influxdb3_local, go), daemon=True).start()
        else:
            influxdb3_local.cache.get("go").set()
    """
    plugin = plugin_file(tmp_path, code)
    assert finish(executor, plugin_run(plugin, thread="t"), database).error is None
    assert finish(executor, plugin_run(plugin, thread="t", args={}), database).error is None
    database.wait_for_log("INFO: late 7")


def test_committed_values_of_elsewhere_arrive_before_the_run(
    executor: Executor, database: FakeDatabase, tmp_path: Path
) -> None:
    plugin = plugin_file(tmp_path, COUNTER)
    first = plugin_run(plugin, thread="t")
    executor.settle(first.run_id, committed=True, versions=database.commit(finish(executor, first, database)))
    database.version += 1
    database.values["trigger"]["count"] = (database.version, StateValue("count", b"\x80\x05K)."))
    assert isinstance(database.namespace("trigger", 1), NamespaceSync)
    assert finish(executor, plugin_run(plugin, thread="t"), database).error is None
    assert database.logs == ["INFO: 1", "INFO: 42"]


def test_many_runs_at_once_all_end(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = plugin_file(tmp_path, COUNTER)
    barrier = threading.Barrier(4)
    ends: list[Any] = []

    def send() -> None:
        barrier.wait(WAIT_S)
        ends.extend([start(executor, plugin_run(plugin, namespace=f"n{n}"), database) for n in range(25)])

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert [end.result(WAIT_S).error for end in ends] == [None] * 100


def test_columns_come_in_and_go_out(executor: Executor, database: FakeDatabase, tmp_path: Path) -> None:
    code = """
    import influxdb3_plugin
    def process_writes(local, batches, args=None):
        assert isinstance(batches[0], influxdb3_plugin.TableBatch)
        local.write_arrow("copy", batches[0].to_arrow())
        local.write(LineBuilder("line").int64_field("n", 1))
        local.write_arrow("answer", local.query_arrow("SELECT v"), time_column=None, database="other")
    """
    database.answers["SELECT v"] = pa.table({"v": [1.5, 2.5]})
    rows = [{"host": "a", "v": 1, "time": 5}, {"v": 2, "time": 6}]
    batch = table_batch(tmp_path, {"host": "tag", "v": "integer", "time": "time"}, rows)
    done = finish(executor, plugin_run(plugin_file(tmp_path, code), "wal", batches=[batch]), database)
    assert done.error is None
    (first, copy), (second, line), (third, answer) = done.writes
    assert (first, second, third) == (None, None, "other")
    assert line == "line n=1i"
    assert isinstance(copy, ArrowRows)
    assert isinstance(answer, ArrowRows)
    assert (copy.table, copy.row_count, table_rows(decode_columns(copy)[1])) == (
        "copy",
        2,
        [{"host": None} | r for r in rows],
    )
    assert (answer.table, table_rows(decode_columns(answer)[1])) == ("answer", [{"v": 1.5}, {"v": 2.5}])
