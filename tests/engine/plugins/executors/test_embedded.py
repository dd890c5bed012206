from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.protocol import Done
from engine.plugins.executors.embedded import EmbeddedExecutor
from engine.plugins.ports import RunLimits
from tests.support.plugins import WAIT_S, FakeDatabase, finish, plugin_file, plugin_run, start

QUICK = "def process_scheduled_call(local, *a): local.info(local.cache.get('k'))"


@pytest.fixture
def executor() -> EmbeddedExecutor:
    return EmbeddedExecutor(SystemClock())


def test_run_after_the_close_is_cancelled(executor: EmbeddedExecutor, tmp_path: Path) -> None:
    executor.close(0.0)
    database = FakeDatabase()
    done = finish(executor, plugin_run(plugin_file(tmp_path, QUICK)), database)
    assert done.error is not None
    assert (done.error.kind, database.entries) == ("cancelled", 0)


def test_closing_waits_for_runs_that_end_by_themselves(executor: EmbeddedExecutor, tmp_path: Path) -> None:
    code = "import time\ndef process_scheduled_call(local, *a):\n    local.info('begun')\n    time.sleep(0.05)"
    database = FakeDatabase()
    end = start(executor, plugin_run(plugin_file(tmp_path, code)), database)
    database.wait_for_log("INFO: begun")
    executor.close(WAIT_S)
    assert end.result(0).error is None


def test_listener_that_raises_holds_up_neither_the_next_run_nor_the_close(
    executor: EmbeddedExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(done: Done) -> None:
        raise ValueError("listener")

    database, plugin = FakeDatabase(), plugin_file(tmp_path, QUICK)
    executor.run(plugin_run(plugin, thread="t"), RunLimits("t@1"), database, fail)
    assert finish(executor, plugin_run(plugin, thread="t"), database).error is None
    executor.close(WAIT_S)
    assert "ValueError: listener" in caplog.text


def test_state_is_asked_for_from_the_version_that_is_known(executor: EmbeddedExecutor, tmp_path: Path) -> None:
    code = "def process_scheduled_call(local, *a): local.cache.put('k', local.cache.get('k', 0) + 1)"
    database, plugin = FakeDatabase(), plugin_file(tmp_path, code)
    asked: list[tuple[str, int]] = []
    answer = database.namespace
    database.namespace = lambda name, since: (asked.append((name, since)), answer(name, since))[1]  # type: ignore[method-assign]
    for _ in range(2):
        run = plugin_run(plugin, thread="t")
        done = finish(executor, run, database)
        executor.settle(run.run_id, committed=True, versions=database.commit(done))
    assert asked == [("trigger", 0), ("global", 0), ("trigger", 1), ("global", 0)]
    executor.close(0.0)
