"""The host executor with real processes that do what a test says."""

import os
import resource
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.host.protocol import NamespaceSync, PluginSource, StateValue
from engine.plugins.executors.host import ExecutorConfig, HostExecutor
from engine.plugins.ports import HostPlan
from engine.plugins.processes import HostConfig
from tests.support.processes import Watched, is_alive, until
from tests.support.runs import RecordingServices, start_run

pytestmark = pytest.mark.process

FAKE_HOST = (sys.executable, "-m", "tests.support.fake_host")
ROOT = Path(__file__).parents[4]


@pytest.fixture
def executor() -> Iterator[HostExecutor]:
    environ = dict(os.environ, PYTHONPATH=str(ROOT))
    config = ExecutorConfig(HostConfig(environ=environ, command=FAKE_HOST), freeze_timeout_s=1.0)
    executor = HostExecutor(config, SystemClock())
    yield executor
    executor.close(0)


def pid_of_host(executor: HostExecutor) -> int:
    started = start_run(executor, {"do": "pid"})
    started.end()
    return int(started.services.next_log())


def test_a_run_is_entered_logs_and_ends_once(executor: HostExecutor) -> None:
    started = start_run(executor, {"do": "pid"})
    assert started.end().error is None
    assert started.services.entries == 1
    assert is_alive(int(started.services.next_log()))
    assert len(started.ends) == 1


def test_what_a_run_wrote_comes_with_its_end(executor: HostExecutor) -> None:
    assert start_run(executor).end().writes == [(None, "t f=1")]


def test_an_end_of_many_bytes_comes_whole(executor: HostExecutor) -> None:
    done = start_run(executor, {"do": "much", "bytes": "30000000"}).end()
    assert len(done.writes[0][1]) == 30_000_000


def test_a_run_of_many_bytes_is_sent_without_waiting_for_the_host(executor: HostExecutor) -> None:
    start_run(executor).end()
    runs = [start_run(executor, {"do": "nothing", "much": "x" * 5_000_000}) for _ in range(5)]
    assert [started.end().error for started in runs] == [None] * 5


def test_queries_are_answered_as_rows_or_as_text(executor: HostExecutor) -> None:
    texts = []
    for sql in ("SELECT 1", "bad", "bug"):
        started = start_run(executor, {"do": "query", "sql": sql})
        started.end()
        texts.append(started.services.next_log())
    assert texts == [
        """QueryReply(call_id=1, stream=b"None SELECT 1 {'p': 1}", error=None)""",
        "QueryReply(call_id=2, stream=b'', error='error while planning query')",
        "QueryReply(call_id=3, stream=b'', error='ZeroDivisionError: division by zero')",
    ]


def test_immediate_writes_reach_the_services(executor: HostExecutor) -> None:
    started = start_run(executor, {"do": "write", "lines": "t f=1"})
    started.end()
    assert started.services.written == [("other", "t f=1", True)]


def test_a_thread_that_a_run_left_behind_may_still_ask(executor: HostExecutor) -> None:
    started = start_run(executor, {"do": "leave a thread", "sql": "SELECT 2"})
    started.end()
    assert "SELECT 2" in started.services.next_log()


def test_the_kernel_prefers_the_server_to_a_host(executor: HostExecutor) -> None:
    pid = pid_of_host(executor)
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) > 0
    niceness = os.getpriority(os.PRIO_PROCESS, pid)
    assert niceness > os.getpriority(os.PRIO_PROCESS, 0)
    group = Path(f"/proc/{pid}/autogroup")  # not there in every kernel
    assert not group.exists() or group.read_text().strip().endswith(f"nice {niceness}")


def test_the_host_of_a_culprit_has_the_least_priority(executor: HostExecutor) -> None:
    start_run(executor, {"do": "wait for interrupt"}, timeout_s=0.1).end()
    pid = pid_of_host(executor)
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19


# ---- deaths


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param({"do": "die loading"}, "exited with status 3", id="while-loading"),
        pytest.param({"do": "garbage"}, "sent what is no message", id="garbage"),
        pytest.param({"do": "freeze"}, "gave no sign of life for 1 s", id="stopped"),
    ],
)
def test_a_culprit_is_found_and_innocents_run_to_their_end(
    executor: HostExecutor, tmp_path: Path, args: dict[str, str], words: str
) -> None:
    gate = tmp_path / "gate"
    shared = Watched(pid_of_host(executor))
    innocents = [start_run(executor, {"do": "wait for file", "path": str(gate)}, trigger=name) for name in ("i1", "i2")]
    for started in innocents:
        started.wait_entered()
    culprit = start_run(executor, args, trigger="culprit")
    shared.wait_gone()
    gate.touch()
    error = culprit.end().error
    assert error is not None
    assert error.kind == "host"
    assert words in error.text
    assert [started.end().error for started in innocents] == [None, None]
    assert [len(started.ends) for started in [*innocents, culprit]] == [1, 1, 1]


def test_a_host_that_closed_its_connection_is_ended(executor: HostExecutor) -> None:
    error = start_run(executor, {"do": "close"}).end().error
    assert error is not None
    assert "closed its connection" in error.text


def test_an_end_told_just_before_the_death_of_its_host_counts(executor: HostExecutor) -> None:
    for _ in range(5):
        assert start_run(executor, {"do": "tell and exit"}).end().error is None


def test_a_host_killed_from_outside_costs_its_runs_nothing(executor: HostExecutor, tmp_path: Path) -> None:
    pid = pid_of_host(executor)
    gate = tmp_path / "gate"
    started = start_run(executor, {"do": "wait for file", "path": str(gate)})
    started.wait_entered()
    gate.touch()
    os.kill(pid, 9)
    assert started.end().error is None
    assert pid_of_host(executor) != pid


def test_a_killed_host_is_replaced_by_the_spare_in_milliseconds(executor: HostExecutor) -> None:
    pid = pid_of_host(executor)
    until(lambda: executor.supervisor.has_spare)
    started = start_run(executor, {"do": "loop"})
    started.wait_entered()
    began = time.perf_counter()
    executor.cancel(started.run.run_id)
    started.end()
    replaced = start_run(executor, {"do": "pid"})
    replaced.end()
    assert time.perf_counter() - began < 1.5
    assert int(replaced.services.next_log()) != pid


# ---- limits


def test_a_run_past_its_limit_gets_an_exception_and_then_loses_its_host(executor: HostExecutor) -> None:
    polite = start_run(executor, {"do": "wait for interrupt"}, trigger="polite", timeout_s=0.2)
    error = polite.end().error
    assert error is not None
    assert (error.kind, error.text) == ("timeout", "the run passed its timeout of 0.2 s")
    rude = start_run(executor, {"do": "loop"}, trigger="rude", timeout_s=0.2)
    error = rude.end().error
    assert error is not None
    assert error.kind == "timeout"


def test_a_culprit_gets_a_host_of_its_own_until_its_file_changes(executor: HostExecutor) -> None:
    start_run(executor, {"do": "wait for interrupt"}, trigger="slow", timeout_s=0.2).end()
    pids = []
    for version in (1, 1, 2):
        started = start_run(executor, {"do": "pid"}, trigger="slow", version=version)
        started.end()
        pids.append(int(started.services.next_log()))
    shared = pid_of_host(executor)
    assert pids[0] == pids[1] != shared
    assert pids[2] == shared


def test_a_cancelled_run_ends_as_cancelled(executor: HostExecutor) -> None:
    polite = start_run(executor, {"do": "wait for interrupt"})
    rude = start_run(executor, {"do": "loop"})
    for started in (polite, rude):
        started.wait_entered()
        executor.cancel(started.run.run_id)
    for started in (polite, rude):
        error = started.end().error
        assert error is not None
        assert error.kind == "cancelled"


# ---- state


def commits(store: dict[str, int]) -> RecordingServices:
    services = RecordingServices()

    def lacking(namespace: str, since: int) -> NamespaceSync | None:
        version = store.get(namespace, 0)
        return NamespaceSync(namespace, version, since == 0, [StateValue("k", b"")]) if version > since else None

    services.state = lacking
    return services


def test_a_host_is_told_once_what_it_lacks_of_a_namespace(executor: HostExecutor) -> None:
    store = {"t": 7}
    seen = []
    for _ in range(2):
        started = start_run(executor, {"do": "state"}, services=commits(store))
        started.end()
        seen.append(started.services.next_log())
    assert seen == ["[('t', 7, True)]", "[]"]


def test_a_host_is_not_told_what_was_committed_in_it(executor: HostExecutor) -> None:
    store = {"t": 7}
    first = start_run(executor, {"do": "state"}, services=commits(store))
    first.end()
    store["t"] = 8
    executor.settle(first.run.run_id, committed=True, versions={"t": 8})
    second = start_run(executor, {"do": "state"}, services=commits(store))
    second.end()
    assert second.services.next_log() == "[]"
    assert first.services.next_log() == "[('t', 7, True)]"
    assert "Settle(run_id=" in first.services.next_log()


def test_another_host_is_told_what_was_committed_elsewhere(executor: HostExecutor) -> None:
    store = {"global": 3}
    start_run(executor, {"do": "state"}, services=commits(store)).end()
    start_run(executor, {"do": "wait for interrupt"}, trigger="slow", timeout_s=0.2).end()
    own = start_run(executor, {"do": "state"}, trigger="slow", services=commits(store))
    own.end()
    assert own.services.next_log() == "[('global', 3, True)]"
    store["global"] = 4
    executor.settle(own.run.run_id, committed=True, versions={"global": 4})
    shared = start_run(executor, {"do": "state"}, services=commits(store))
    shared.end()
    assert shared.services.next_log() == "[('global', 4, False)]"


def test_a_forgotten_namespace_is_dropped_in_every_host(executor: HostExecutor) -> None:
    store = {"t": 7}
    first = start_run(executor, {"do": "state"}, services=commits(store))
    first.end()
    first.services.next_log()
    executor.forget("t")
    assert first.services.next_log() == "Forget(namespace='t')"
    again = start_run(executor, {"do": "state"}, services=commits(store))
    again.end()
    assert again.services.next_log() == "[('t', 7, True)]"


def test_a_commit_that_was_on_its_way_when_its_namespace_was_forgotten_is_told(executor: HostExecutor) -> None:
    store = {"t": 7}
    first = start_run(executor, {"do": "state"}, services=commits(store))
    first.end()
    first.services.next_log()
    executor.forget("t")
    store["t"] = 8
    executor.settle(first.run.run_id, committed=True, versions={"t": 8})
    assert first.services.next_log() == "Forget(namespace='t')"
    again = start_run(executor, {"do": "state"}, services=commits(store))
    again.end()
    assert again.services.next_log() == "[('t', 8, True)]"


def test_a_run_that_cannot_be_sent_fails_alone(executor: HostExecutor) -> None:
    services = RecordingServices()

    def broken(namespace: str, since: int) -> NamespaceSync | None:
        raise LookupError("no store")

    services.state = broken
    error = start_run(executor, services=services).end().error
    assert error is not None
    assert error.text == "the run could not be handed to a plugin host: LookupError: no store"
    assert start_run(executor).end().error is None


# ---- the end


def test_close_waits_for_runs_then_cancels_the_rest(executor: HostExecutor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    good = start_run(executor, {"do": "wait for file", "path": str(gate)})
    endless = start_run(executor, {"do": "loop"})
    good.wait_entered()
    endless.wait_entered()
    gate.touch()
    pids = executor.supervisor.pids
    executor.close(0.3)
    assert good.ends[0].error is None
    assert endless.ends[0].error is not None
    assert endless.ends[0].error.kind == "cancelled"
    assert not any(is_alive(pid) for pid in pids)


def test_a_run_after_the_end_is_cancelled(executor: HostExecutor) -> None:
    executor.close(0)
    error = start_run(executor).end().error
    assert error is not None
    assert error.kind == "cancelled"


def test_an_executor_that_never_ran_anything_starts_nothing(executor: HostExecutor) -> None:
    assert executor.supervisor.pids == []


# ---- plans


def test_a_spare_takes_over_a_plan_with_its_memory_limit(executor: HostExecutor) -> None:
    pid_of_host(executor)
    until(lambda: executor.supervisor.has_spare)
    before = set(executor.supervisor.pids)
    started = start_run(executor, {"do": "pid"}, plan=HostPlan(is_alone=True, max_memory_bytes=1 << 30))
    started.end()
    pid = int(started.services.next_log())
    assert pid in before
    assert 1 << 29 < resource.prlimit(pid, resource.RLIMIT_DATA)[0] < 1 << 31


ENVIRONMENT_PLUGIN = """
import sys
import of_the_environment

def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info(sys.executable, sys.prefix, of_the_environment.__file__)
"""


def test_a_host_can_have_a_python_and_packages_of_its_own(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    (package,) = environment.glob("lib/python*/site-packages")
    (package / "of_the_environment.py").touch()
    (tmp_path / "p.py").write_text(ENVIRONMENT_PLUGIN)
    executor = HostExecutor(ExecutorConfig(HostConfig()), SystemClock())
    plan = HostPlan("hash of the environment", virtual_env=environment)
    started = start_run(executor, source=PluginSource("p.py", str(tmp_path / "p.py")), plan=plan)
    assert started.end().error is None
    python = environment / "bin" / "python"
    assert started.services.next_log() == f"{python} {environment} {package}/of_the_environment.py"
    executor.close(0)
