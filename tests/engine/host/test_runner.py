import random
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.protocol import Done, Interrupt, PayloadRef, PluginSource, Run, TableBatch
from engine.host.runner import Runner
from tests.support.plugins import WAIT_S, FakeDatabase, plugin_file, plugin_folder, plugin_run, table_batch


@pytest.fixture
def runner() -> Iterator[Runner]:
    built = Runner(SystemClock())
    yield built
    built.close()


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


def start(runner: Runner, run: Run, database: FakeDatabase) -> "Future[Done]":
    end: Future[Done] = Future()
    runner.start(run, database, end.set_result)
    return end


def finish(runner: Runner, run: Run, database: FakeDatabase) -> Done:
    return start(runner, run, database).result(WAIT_S)


def scheduled(folder: Path, body: str, name: str = "p.py") -> PluginSource:
    code = "import threading, time\ndef process_scheduled_call(local, call_time, args=None):\n"
    return plugin_file(folder, code + textwrap.indent(textwrap.dedent(body), "    "), name)


def test_interruption_at_any_time_ends_one_run_only(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    """The exception must reach neither the next run in the thread nor the code that reports the end."""
    plugin = scheduled(tmp_path, "local.cache.put('k', [int(args['n'])])\nfor _ in range(int(args['n'])): pass")
    dice = random.Random(5)
    pairs = []
    for _ in range(300):
        struck = plugin_run(plugin, thread="t", args={"n": str(dice.randrange(3000))})
        spared = plugin_run(plugin, thread="t", args={"n": "1"})
        pairs.append((start(runner, struck, database), start(runner, spared, database)))
        for _ in range(dice.randrange(2000)):
            pass
        runner.interrupt(Interrupt(struck.run_id, "cancelled", "no longer wanted"))
        assert pairs[-1][1].result(WAIT_S).error is None
    errors = [first.result(WAIT_S).error for first, _ in pairs]
    assert {(e.kind, e.text) for e in errors if e} == {("cancelled", "no longer wanted")}
    assert not runner.running()


def test_interruption_passes_except_exception_and_finally(
    runner: Runner, database: FakeDatabase, tmp_path: Path
) -> None:
    body = """
    try:
        local.info("begun")
        while True:
            try:
                time.sleep(0.0001)
            except Exception:
                pass
    finally:
        local.cache.put("cleaned", True)
    """
    run = plugin_run(scheduled(tmp_path, body))
    end = start(runner, run, database)
    database.wait_for_log("INFO: begun")
    runner.interrupt(Interrupt(run.run_id, "timeout", "too long"))
    done = end.result(WAIT_S)
    assert done.error is not None
    assert (done.error.kind, done.error.text) == ("timeout", "too long")
    assert "time.sleep(0.0001)" in done.error.details
    assert [value.key for change in done.changes for value in change.values] == ["cleaned"]


def test_interrupted_run_fails_even_if_it_swallows_the_exception(
    runner: Runner, database: FakeDatabase, tmp_path: Path
) -> None:
    body = """
    local.write(LineBuilder("t").int64_field("n", 1))
    try:
        local.info("begun")
        while True:
            time.sleep(0.0001)
    except BaseException:
        return "as if nothing had happened"
    """
    run = plugin_run(scheduled(tmp_path, body))
    end = start(runner, run, database)
    database.wait_for_log("INFO: begun")
    runner.interrupt(Interrupt(run.run_id, "timeout", "too long"))
    done = end.result(WAIT_S)
    assert done.error is not None
    assert (done.error.kind, done.writes) == ("timeout", [])


def test_interruption_while_a_value_is_pickled_ends_the_run(
    runner: Runner, database: FakeDatabase, tmp_path: Path
) -> None:
    source = """
    import time
    class Slow:
        def __init__(self, log): self.log = log
        def __reduce__(self):
            self.log("pickling")
            while True: time.sleep(0.0001)
    def process_scheduled_call(local, call_time, args=None):
        local.cache.put("slow", Slow(local.info))
    """
    plugin = plugin_folder(tmp_path, {"__init__.py": source})
    run = plugin_run(plugin)
    end = start(runner, run, database)
    database.wait_for_log("INFO: pickling")
    runner.interrupt(Interrupt(run.run_id, "timeout", "too long"))
    done = end.result(WAIT_S)
    assert done.error is not None
    assert (done.error.kind, done.changes) == ("timeout", [])


def test_late_and_unknown_interruptions_do_nothing(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    run = plugin_run(scheduled(tmp_path, "pass"), thread="t")
    assert finish(runner, run, database).error is None
    runner.interrupt(Interrupt(run.run_id, "cancelled", "late"))
    runner.interrupt(Interrupt("nobody", "cancelled", "unknown"))
    runner.leave(run.run_id)
    assert finish(runner, plugin_run(scheduled(tmp_path, "pass"), thread="t"), database).error is None


def test_run_that_was_left_has_no_further_effect(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    body = """
    go = threading.Event()
    local.cache.put("go", go)
    local.info("begun")
    try:
        go.wait(20)
    finally:
        local.cache.put("ended", True)
    """
    plugin = scheduled(tmp_path, body)
    run = plugin_run(plugin, thread="t")
    end = start(runner, run, database)
    database.wait_for_log("INFO: begun")
    runner.interrupt(Interrupt(run.run_id, "cancelled", "no longer wanted"))
    assert not end.done()
    runner.leave(run.run_id)
    assert end.result(0).error is not None
    other = scheduled(tmp_path, "local.cache.get('go').set()", "other.py")
    assert finish(runner, plugin_run(other, thread="t"), database).error is None
    while run.run_id in runner.running():
        assert finish(runner, plugin_run(other, thread="t"), database).error is None


def test_cpu_time_of_the_run_is_told(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    busy = finish(runner, plugin_run(scheduled(tmp_path, "sum(range(2_000_000))")), database)
    idle = finish(runner, plugin_run(scheduled(tmp_path, "time.sleep(0.02)", "idle.py")), database)
    assert busy.cpu_ns > 5_000_000
    assert 0 < idle.cpu_ns < 20_000_000


def test_asynchronous_function_has_no_effect_but_a_warning(
    runner: Runner, database: FakeDatabase, tmp_path: Path
) -> None:
    """B6.16, processing-engine §3.8."""
    code = "async def process_scheduled_call(*a): 1 / 0\nasync def process_request(*a): return 'x'"
    plugin = plugin_file(tmp_path, code)
    assert finish(runner, plugin_run(plugin), database).error is None
    done = finish(runner, plugin_run(plugin, "request"), database)
    assert done.error is not None
    assert done.error.text == "Unsupported return type from Python function"
    assert database.logs == ["WARN: the plugin's function is asynchronous: nobody awaits its result"] * 2


def test_plugin_may_run_an_event_loop_of_its_own(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    """Processing-engine §3.8, §11."""
    body = """
    import asyncio
    async def work():
        await asyncio.sleep(0)
        return 5
    local.info(asyncio.run(work()))
    """
    assert finish(runner, plugin_run(scheduled(tmp_path, body)), database).error is None
    assert database.logs == ["INFO: 5"]


def test_payload_that_is_gone_is_no_fault_of_the_plugin(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = plugin_file(tmp_path, "def process_writes(*a): pass")
    batch = TableBatch("cpu", [("time", "time")], [PayloadRef(str(tmp_path / "gone"), 0, 1, 1, 1, 1)])
    done = finish(runner, plugin_run(plugin, "wal", batches=[batch]), database)
    assert done.error is not None
    assert done.error.kind == "host"
    assert database.entries == 0


def test_json_error_of_a_reply_is_told_without_prefix(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = plugin_file(tmp_path, "def process_request(*a): return {'a': {1}}")
    done = finish(runner, plugin_run(plugin, "request"), database)
    assert done.error is not None
    assert (done.error.kind, done.error.text) == (
        "response",
        "TypeError: Object of type set is not JSON serializable",
    )


def test_package_installed_meanwhile_is_found_by_the_next_run(
    runner: Runner, database: FakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B10.15."""
    packages = tmp_path / "packages"
    monkeypatch.syspath_prepend(str(packages))
    plugin = scheduled(tmp_path, "import late_package_for_runner\nlocal.info(late_package_for_runner.value)")
    done = finish(runner, plugin_run(plugin), database)
    assert done.error is not None
    assert done.error.text == "ModuleNotFoundError: No module named 'late_package_for_runner'"
    packages.mkdir()
    (packages / "late_package_for_runner.py").write_text("value = 5")
    assert finish(runner, plugin_run(plugin), database).error is None
    assert database.logs == ["INFO: 5"]


def test_errors_of_a_folder_speak_of_the_folder(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    code = "class Mine(Exception): pass\ndef process_scheduled_call(*a): raise Mine(__name__)"
    done = finish(runner, plugin_run(plugin_folder(tmp_path, {"__init__.py": code})), database)
    assert done.error is not None
    assert done.error.text == "Mine: pack"
    assert "_plugin_" not in done.error.details


def test_what_a_plugin_changes_is_its_own_copy(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    run = plugin_run(scheduled(tmp_path, "args['k'] = 'changed'"), args={"k": "v"})
    assert finish(runner, run, database).error is None
    assert run.args == {"k": "v"}


def test_idle_threads_are_used_again(runner: Runner, database: FakeDatabase, tmp_path: Path) -> None:
    plugin = scheduled(tmp_path, "local.info(threading.get_ident())")
    for _ in range(20):
        assert finish(runner, plugin_run(plugin), database).error is None
        while runner.running():
            threading.Event().wait(0.001)
    assert len(set(database.logs)) < 20


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        pytest.param("", "UnreadRows", id="standard-library-only"),
        pytest.param("import msgspec", "list", id="a-package"),
        pytest.param("import msgspec # knows to_arrow", "UnreadRows", id="a-package-and-columns"),
    ],
)
@pytest.mark.parametrize("is_folder", [False, True])
def test_rows_wait_until_they_are_asked_for_unless_c_code_could_look_for_them(
    runner: Runner, database: FakeDatabase, tmp_path: Path, statement: str, expected: str, is_folder: bool
) -> None:
    code = f"{statement}\ndef process_writes(local, batches, args=None):\n"
    code += "    local.info(type(dict.get(batches[0], 'rows')).__name__, batches[0]['rows'])\n"
    plugin = plugin_folder(tmp_path, {"__init__.py": code}) if is_folder else plugin_file(tmp_path, code)
    batch = table_batch(tmp_path, {"v": "integer", "time": "time"}, [{"v": 1, "time": 5}])
    assert finish(runner, plugin_run(plugin, "wal", batches=[batch]), database).error is None
    assert database.logs == [f"INFO: {expected} [{{'v': 1, 'time': 5}}]"]


def test_library_that_reads_dicts_in_memory_sees_the_rows(
    runner: Runner, database: FakeDatabase, tmp_path: Path
) -> None:
    code = """
    import msgspec
    def process_writes(local, batches, args=None):
        local.info(msgspec.json.encode(batches).decode())
    """
    batch = table_batch(tmp_path, {"v": "integer", "time": "time"}, [{"v": 1, "time": 5}])
    run = plugin_run(plugin_file(tmp_path, code), "wal", batches=[batch])
    assert finish(runner, run, database).error is None
    assert database.logs == ['INFO: [{"table_name":"cpu","rows":[{"v":1,"time":5}]}]']
