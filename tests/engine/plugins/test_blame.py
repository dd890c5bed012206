"""Who answers for what happens to a plugin host."""

from pathlib import Path

import pytest

from engine.plugins.blame_records import RunFacts
from engine.plugins.orders import Role, StartHost
from engine.plugins.ports import SHARED_HOST, HostPlan
from engine.plugins.usage import Usage
from tests.support.blame import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ---- where runs go


def test_runs_of_all_owners_share_one_host(stage: Stage) -> None:
    stage.admit("a")
    stage.admit("b")
    assert stage.host_of("a") == stage.host_of("b")
    assert stage.role_of("a") == "shared"


def test_packages_that_changed_bring_fresh_hosts_and_what_runs_goes_on(stage: Stage) -> None:
    stage.admit("a", thread="t")
    stage.admit("own", owner="x", plan=HostPlan(is_alone=True))
    stage.admit("other", plan=HostPlan("hash", virtual_env=Path("/env")))
    first, own, other = (stage.host_of(run) for run in ("a", "own", "other"))
    stage.take(stage.blame.renew())
    stage.admit("b")
    stage.admit("c", thread="t")
    assert stage.host_of("a") == first
    assert stage.host_of("b") != first
    assert "c" not in [run for run, _ in stage.sent]
    stage.finish("a")
    assert stage.host_of("c") == stage.host_of("b")
    assert not stage.blame.has_host(first)
    stage.finish("own")
    stage.admit("own again", owner="x", plan=HostPlan(is_alone=True))
    assert stage.host_of("own again") != own
    stage.admit("other again", plan=HostPlan("hash", virtual_env=Path("/env")))
    assert stage.host_of("other again") == other


def test_a_host_without_runs_is_replaced_at_once_when_packages_change(stage: Stage) -> None:
    stage.take(stage.blame.warm_up())
    stage.take(stage.blame.renew())
    assert not stage.blame.has_host(1)
    assert stage.blame.has_host(2)
    stage.admit("a")
    assert stage.host_of("a") == 2


def test_an_end_is_passed_on_once(stage: Stage) -> None:
    stage.admit("a")
    host = stage.host_of("a")
    stage.finish("a")
    stage.take(stage.blame.done(host, "a", stage.now_ns))
    assert stage.passed == ["a"]
    assert stage.blame.unfinished == ()


def test_an_end_told_by_a_host_that_no_longer_counts_is_ignored(stage: Stage) -> None:
    stage.admit("a")
    first = stage.host_of("a")
    stage.die(first)
    stage.take(stage.blame.done(first, "a", stage.now_ns))
    assert stage.passed == []


def test_the_shared_host_can_be_started_before_the_first_run(stage: Stage) -> None:
    stage.take(stage.blame.warm_up())
    assert stage.blame.warm_up() == []
    stage.admit("a")
    assert list(stage.roles) == [stage.host_of("a")]


def test_a_run_waits_for_a_host_that_is_not_ready() -> None:
    stage = Stage(hosts_start=False)
    stage.admit("a")
    assert stage.sent == []
    stage.alive.add(1)
    stage.inside[1] = []
    stage.take(stage.blame.host_ready(1, stage.now_ns))
    assert stage.sent == [("a", 1)]


def test_a_run_id_in_flight_is_not_taken_twice(stage: Stage) -> None:
    stage.admit("a")
    with pytest.raises(ValueError, match="run a is in flight already"):
        stage.admit("a")


# ---- plans


ENVIRONMENT = HostPlan("environment")
ALONE = HostPlan(is_alone=True, max_memory_bytes=1 << 30)


def test_runs_of_one_plan_share_a_host_and_other_plans_have_others(stage: Stage) -> None:
    stage.admit("a", plan=ENVIRONMENT)
    stage.admit("b", plan=ENVIRONMENT)
    stage.admit("c")
    assert stage.host_of("a") == stage.host_of("b") != stage.host_of("c")
    assert stage.plans == {stage.host_of("a"): ENVIRONMENT, stage.host_of("c"): SHARED_HOST}


def test_who_wants_to_be_alone_shares_its_host_with_itself_only(stage: Stage) -> None:
    stage.admit("a1", "a@1", plan=ALONE)
    stage.admit("b1", "b@1", plan=ALONE)
    stage.finish("a1")
    stage.admit("a2", "a@1", plan=ALONE)
    assert stage.sent == [("a1", 1), ("b1", 2), ("a2", 1)]
    assert stage.role_of("a2") == "own"
    assert stage.plans[1] == ALONE


def test_a_host_of_who_wants_to_be_alone_stays_without_work(stage: Stage) -> None:
    for number in range(20):
        stage.admit(f"run{number}", plan=ALONE)
        stage.finish(f"run{number}")
    assert len(stage.alive) == 20


def test_the_death_of_a_fresh_host_proves_the_fault_of_who_was_alone_in_it_by_plan(stage: Stage) -> None:
    stage.admit("a", "a@1", plan=ALONE)
    stage.die(stage.host_of("a"))
    assert stage.failed["a"][0] == "host"


def test_a_culprit_that_is_alone_by_plan_keeps_its_host_when_its_file_changes(stage: Stage) -> None:
    stage.admit("a", "a@1", timeout_s=1, plan=ALONE)
    stage.enter("a")
    stage.wait(1.5)
    stage.finish("a")
    stage.admit("b", "a@2", plan=ALONE)
    assert stage.sent == [("a", 1), ("b", 1)]


def test_repetitions_have_the_plan_of_their_run(stage: Stage) -> None:
    stage.admit("a", plan=ENVIRONMENT)
    stage.admit("b", plan=ENVIRONMENT)
    stage.die(stage.host_of("a"))
    assert stage.role_of("a") == "trial"
    assert stage.plans[stage.host_of("a")] == ENVIRONMENT


def test_a_host_goes_when_no_trigger_needs_its_plan_any_more(stage: Stage) -> None:
    stage.admit("a", "a@1", plan=ENVIRONMENT)
    stage.admit("b", "b@1", plan=ENVIRONMENT)
    stage.finish("a")
    stage.finish("b")
    stage.take(stage.blame.forget("a"))
    assert stage.alive == {1}
    stage.take(stage.blame.forget("b"))
    assert stage.alive == set()


def test_a_host_that_nobody_needs_any_more_ends_its_run_first(stage: Stage) -> None:
    stage.admit("a", "a@1", plan=ENVIRONMENT)
    stage.take(stage.blame.forget("a"))
    assert stage.alive == {1}
    stage.finish("a")
    assert stage.alive == set()


@pytest.mark.parametrize("plan", [ENVIRONMENT, ALONE])
def test_a_trigger_whose_plan_changes_leaves_its_host(stage: Stage, plan: HostPlan) -> None:
    stage.admit("a", "a@1", plan=plan)
    stage.admit("b", "a@1", plan=HostPlan("newer", plan.is_alone))
    assert stage.alive == {1, 2}
    stage.finish("a")
    assert stage.alive == {2}


# ---- first proof: past its limit while the heart beat


def test_a_run_past_its_limit_is_interrupted_within_a_beat(stage: Stage) -> None:
    stage.admit("slow", timeout_s=2)
    stage.enter("slow")
    stage.wait(1.9)
    assert stage.interrupted == []
    stage.wait(0.5)
    assert stage.interrupted == [("slow", "timeout")]
    assert stage.failed == {}


def test_a_run_that_ends_in_its_grace_second_passes_its_own_end_on_and_harms_nobody(stage: Stage) -> None:
    stage.admit("slow", timeout_s=2)
    stage.admit("innocent")
    stage.enter("slow", "innocent")
    stage.wait(2.5)
    stage.finish("slow")
    stage.wait(5)
    assert stage.passed == ["slow"]
    assert stage.sent == [("slow", 1), ("innocent", 1)]


def test_after_the_grace_second_the_host_is_ended_and_the_run_fails(stage: Stage) -> None:
    stage.admit("loop", timeout_s=2)
    stage.enter("loop")
    stage.wait(4)
    kind, text = stage.failed["loop"]
    assert kind == "timeout"
    assert text.startswith("the run passed its timeout of 2 s")
    assert stage.alive == set()


def test_innocents_in_a_host_ended_for_a_limit_start_again_together_at_once(stage: Stage) -> None:
    stage.admit("loop", timeout_s=2)
    stage.admit("i1")
    stage.admit("i2", timeout_s=60)
    stage.enter("loop", "i1", "i2")
    stage.wait(4)
    assert list(stage.failed) == ["loop"]
    assert stage.role_of("i1") == stage.role_of("i2") == "shared"
    assert stage.host_of("i1") == stage.host_of("i2") != 1


def test_the_owner_keeps_an_own_host_even_if_the_interrupt_was_enough(stage: Stage) -> None:
    stage.admit("slow", "trigger@1", timeout_s=1)
    stage.enter("slow")
    stage.wait(1.5)
    stage.finish("slow")
    stage.admit("next", "trigger@1", timeout_s=1)
    assert stage.role_of("next") == "own"
    assert stage.blame.has_own_host("trigger@1")


@pytest.mark.parametrize(
    ("silence_s", "interrupted"),
    [pytest.param(0.8, True, id="a-late-beat-counts"), pytest.param(9.0, False, id="a-held-gil-counts-for-nobody")],
)
def test_time_without_heartbeat_counts_against_nobodys_limit(stage: Stage, silence_s: float, interrupted: bool) -> None:
    stage.admit("innocent", timeout_s=2)
    stage.enter("innocent")
    stage.wait(1.25)
    stage.silent = {1}
    stage.wait(silence_s)
    stage.silent = set()
    stage.wait(0.25)
    assert (stage.interrupted != []) is interrupted
    stage.wait(1)
    assert stage.interrupted == [("innocent", "timeout")]


def test_the_grace_second_is_one_with_heartbeat(stage: Stage) -> None:
    stage.admit("slow", timeout_s=1)
    stage.enter("slow")
    stage.wait(1.25)
    stage.silent = {1}
    stage.wait(8)
    assert stage.failed == {}
    stage.silent = set()
    stage.wait(0.25)
    stage.finish("slow")
    assert stage.passed == ["slow"]


def test_an_absent_server_proves_nothing(stage: Stage) -> None:
    stage.admit("innocent", timeout_s=5)
    stage.enter("innocent")
    stage.wait(1)
    stage.now_ns += 60 * 1_000_000_000
    stage.wait(3)
    assert stage.interrupted == []
    assert stage.failed == {}
    assert stage.host_of("innocent") == 1


def test_the_limit_counts_from_the_call_and_loading_has_a_minute_more(stage: Stage) -> None:
    stage.admit("importing", timeout_s=2)
    stage.wait(50)
    stage.enter("importing")
    stage.wait(1.5)
    assert stage.interrupted == []
    stage.finish("importing")
    stage.admit("loading for ever", timeout_s=2)
    stage.wait(65)
    kind, text = stage.failed["loading for ever"]
    assert kind == "timeout"
    assert text.startswith("the plugin did not finish loading within its timeout of 2 s and 60 s more")


def test_waiting_for_an_earlier_run_of_the_same_thread_counts_for_nothing(stage: Stage) -> None:
    stage.admit("first", thread="t")
    stage.admit("second", thread="t", timeout_s=1)
    stage.enter("first")
    stage.wait(90)
    assert stage.interrupted == []


def test_a_run_without_limit_may_run_for_ever(stage: Stage) -> None:
    stage.admit("daemon")
    stage.enter("daemon")
    stage.wait(600)
    assert stage.host_of("daemon") == 1


# ---- second proof: alone in a fresh host


def test_after_a_death_everything_in_flight_repeats_one_by_one_alone(stage: Stage) -> None:
    for run_id in ("a", "b", "c"):
        stage.admit(run_id)
    stage.die(1, "was killed by signal 11 (SIGSEGV)")
    assert stage.sent[3:] == [("a", 2)]
    stage.finish("a")
    assert stage.sent[4:] == [("b", 3)]
    stage.finish("b")
    assert stage.sent[5:] == [("c", 4)]
    stage.finish("c")
    assert stage.passed == ["a", "b", "c"]
    assert [stage.roles[host] for host in (2, 3, 4)] == ["trial"] * 3
    assert stage.alive == set()


def test_the_run_that_ends_its_fresh_host_alone_is_the_culprit(stage: Stage) -> None:
    for run_id in ("i1", "culprit", "i2"):
        stage.admit(run_id)
    stage.die(1, "exited with status 1")
    stage.finish("i1")
    stage.die(stage.host_of("culprit"), "exited with status 1")
    stage.finish("i2")
    assert stage.passed == ["i1", "i2"]
    expected = ("host", "the plugin host exited with status 1 while this run was alone in it")
    assert stage.failed == {"culprit": expected}
    assert stage.blame.has_own_host("owner of culprit")
    assert not stage.blame.has_own_host("owner of i1")


def test_a_frozen_host_is_ended_and_treated_like_a_dead_one(stage: Stage) -> None:
    stage.admit("innocent", timeout_s=5)
    stage.admit("holds the gil")
    stage.enter("innocent", "holds the gil")
    stage.silent = {1}
    stage.wait(10.1)
    stage.enter("innocent")
    stage.finish("innocent")
    stage.silent = {stage.host_of("holds the gil")}
    stage.wait(10.1)
    assert stage.passed == ["innocent"]
    assert stage.failed["holds the gil"] == (
        "host",
        "the plugin host gave no sign of life for 10 s while this run was alone in it",
    )


def test_one_run_alone_in_the_shared_host_is_no_proof(stage: Stage) -> None:
    stage.admit("a")
    stage.die(1, "was killed by signal 9 (SIGKILL)")
    assert stage.failed == {}
    assert stage.role_of("a") == "trial"


def test_a_host_that_dies_with_nothing_in_flight_blames_nobody(stage: Stage) -> None:
    stage.admit("a")
    stage.finish("a")
    stage.die(1)
    stage.admit("b")
    assert stage.host_of("b") == 2
    assert stage.failed == {}


def test_new_runs_do_not_wait_for_repetitions(stage: Stage) -> None:
    stage.admit("a")
    stage.admit("b")
    stage.die(1)
    stage.admit("new")
    assert stage.role_of("new") == "shared"


def test_a_long_repetition_does_not_hold_up_the_others(stage: Stage) -> None:
    stage.admit("daemon")
    stage.admit("short")
    stage.die(1)
    stage.enter("daemon")
    stage.wait(1.9)
    assert [run for run, _ in stage.sent[2:]] == ["daemon"]
    stage.wait(0.2)
    assert stage.role_of("short") == "trial"
    assert stage.host_of("short") != stage.host_of("daemon")


def test_a_run_past_its_limit_when_its_host_dies_fails_and_the_others_repeat_alone(stage: Stage) -> None:
    stage.admit("slow", timeout_s=1)
    stage.admit("other")
    stage.enter("slow", "other")
    stage.wait(1.5)
    stage.die(1)
    assert stage.failed["slow"][0] == "timeout"
    assert stage.role_of("other") == "trial"


# ---- own hosts


def convict(stage: Stage, owner: str) -> None:
    """Let one run of ``owner`` prove that it ends its host."""
    stage.admit("proof", owner)
    stage.die(stage.host_of("proof"))
    stage.die(stage.host_of("proof"))
    assert stage.failed.pop("proof")[0] == "host"


def test_an_own_host_is_kept_from_run_to_run(stage: Stage) -> None:
    convict(stage, "t@1")
    stage.admit("a", "t@1")
    own = stage.host_of("a")
    stage.finish("a")
    stage.wait(3600)
    stage.admit("b", "t@1")
    assert stage.host_of("b") == own
    assert stage.roles[own] == "own"


def test_the_first_run_of_an_own_host_is_alone_in_a_fresh_host(stage: Stage) -> None:
    convict(stage, "t@1")
    stage.admit("a", "t@1")
    stage.die(stage.host_of("a"))
    assert stage.failed["a"][0] == "host"


def test_a_later_death_of_an_own_host_proves_nothing_yet(stage: Stage) -> None:
    convict(stage, "t@1")
    stage.admit("a", "t@1")
    stage.finish("a")
    stage.admit("b", "t@1")
    stage.die(stage.host_of("b"))
    assert stage.failed == {}
    assert stage.role_of("b") == "trial"


def test_an_owner_string_that_changes_goes_back_to_the_shared_host(stage: Stage) -> None:
    convict(stage, "t@1")
    stage.admit("old", "t@1")
    own = stage.host_of("old")
    stage.admit("new", "t@2")
    assert stage.role_of("new") == "shared"
    assert own in stage.alive
    stage.finish("old")
    assert own not in stage.alive


def test_a_forgotten_trigger_gives_its_own_host_back(stage: Stage) -> None:
    convict(stage, "t@1")
    stage.admit("a", "t@1")
    own = stage.host_of("a")
    stage.finish("a")
    stage.take(stage.blame.forget("t"))
    assert own not in stage.alive
    assert not stage.blame.has_own_host("t@1")


def test_few_own_hosts_stay_without_work(stage: Stage) -> None:
    for number in range(12):
        convict(stage, f"t{number}@1")
        stage.admit("a", f"t{number}@1")
        stage.finish("a")
        stage.passed.clear()
    assert len(stage.alive) == 8
    stage.admit("again", "t0@1")
    assert stage.role_of("again") == "own"


# ---- order within a thread


def test_a_thread_keeps_its_order_and_never_overlaps_while_its_host_is_replaced(stage: Stage) -> None:
    stage.admit("first", thread="t")
    stage.admit("second", thread="t")
    stage.admit("other")
    stage.die(1)
    stage.admit("third", thread="t")
    assert [run for run, _ in stage.sent[3:]] == ["first"]
    stage.wait(3)
    assert [run for run, _ in stage.sent[3:]] == ["first", "other"]
    stage.finish("first")
    stage.wait(3)
    assert [run for run, _ in stage.sent[3:]] == ["first", "other", "second"]
    stage.finish("second")
    assert stage.role_of("third") == "shared"


def test_a_thread_moves_to_its_own_host_only_when_its_earlier_runs_have_ended(stage: Stage) -> None:
    stage.admit("slow", "t@1", thread="t", timeout_s=1)
    stage.admit("queued", "t@1", thread="t", timeout_s=1)
    stage.enter("slow")
    stage.wait(1.5)
    stage.admit("later", "t@1", thread="t", timeout_s=1)
    stage.finish("slow")
    assert [run for run, _ in stage.sent] == ["slow", "queued"]
    stage.finish("queued")
    assert stage.role_of("later") == "own"


# ---- cancelling


def test_a_cancelled_run_is_interrupted_and_may_end_by_itself(stage: Stage) -> None:
    stage.admit("a")
    stage.take(stage.blame.cancel("a", stage.now_ns))
    stage.take(stage.blame.cancel("a", stage.now_ns))
    assert stage.interrupted == [("a", "cancelled")]
    stage.finish("a")
    stage.wait(5)
    assert stage.passed == ["a"]
    assert stage.alive == {1}


def test_a_cancelled_run_that_goes_on_ends_its_host_after_a_second_without_harm_to_others(stage: Stage) -> None:
    stage.admit("loop", "t@1")
    stage.admit("innocent")
    stage.take(stage.blame.cancel("loop", stage.now_ns))
    stage.wait(1.1)
    assert stage.failed == {"loop": ("cancelled", "the run was cancelled")}
    assert stage.role_of("innocent") == "shared"
    assert not stage.blame.has_own_host("t@1")


@pytest.mark.parametrize("where", ["starting", "trial queue", "parked"])
def test_a_cancelled_run_that_has_not_begun_ends_at_once(where: str) -> None:
    stage = Stage(hosts_start=where != "starting")
    if where != "starting":
        stage.admit("before", thread="t")
    stage.admit("a", thread="t")
    if where == "parked":
        stage.die(1)
        stage.admit("b", thread="t")
    elif where == "trial queue":
        stage.die(1)
    run_id = "b" if where == "parked" else "a"
    stage.take(stage.blame.cancel(run_id, stage.now_ns))
    assert stage.failed == {run_id: ("cancelled", "the run was cancelled")}
    assert run_id not in stage.blame.unfinished


def test_a_cancelled_run_whose_host_dies_is_not_repeated(stage: Stage) -> None:
    stage.admit("a")
    stage.take(stage.blame.cancel("a", stage.now_ns))
    stage.die(1)
    assert stage.failed["a"][0] == "cancelled"
    assert stage.alive == set()


def test_cancelling_the_unknown_does_nothing(stage: Stage) -> None:
    assert stage.blame.cancel("x", stage.now_ns) == []


# ---- hosts that do not start


def test_a_host_that_dies_before_it_is_ready_is_started_again_later_and_blames_nobody() -> None:
    stage = Stage(hosts_start=False)
    stage.admit("a")
    for delay_s in (0.1, 0.2, 0.4):
        stage.take(stage.blame.host_died(1, "exited with status 1", stage.now_ns))
        assert stage.reports[-1].endswith(f"the next try is in {delay_s:g} s")
        stage.now_ns += int(delay_s * 1e9) - 1
        assert stage.blame.tick(stage.now_ns) == []
        stage.now_ns += 1
        assert [type(order) for order in stage.blame.tick(stage.now_ns)] == [StartHost]
    stage.alive.add(1)
    stage.inside[1] = []
    stage.take(stage.blame.host_ready(1, stage.now_ns))
    assert stage.host_of("a") == 1
    assert stage.failed == {}


def test_the_wait_between_starts_has_an_end() -> None:
    stage = Stage(hosts_start=False)
    stage.admit("a")
    for _ in range(30):
        stage.take(stage.blame.host_died(1, "exited with status 1", stage.now_ns))
        stage.now_ns += 5_000_000_000
        stage.take(stage.blame.tick(stage.now_ns))
    assert stage.reports[-1].endswith("the next try is in 5 s")


def test_a_host_without_runs_that_does_not_start_is_forgotten() -> None:
    stage = Stage(hosts_start=False)
    stage.take(stage.blame.warm_up())
    stage.take(stage.blame.host_died(1, "exited with status 1", stage.now_ns))
    assert stage.blame.admit(RunFacts("a", "o", "o"), stage.now_ns) == [StartHost(2, Role.SHARED, SHARED_HOST)]


# ---- what hosts use

MB = 1 << 20
LIMITED = HostPlan(is_alone=True, max_memory_bytes=100 * MB)


def usage(
    memory_bytes: int = 0, cpu_s: float = 0.0, processes: int = 1, threads: dict[int, float] | None = None
) -> Usage:
    by_thread = {number: int(seconds * 1e9) for number, seconds in (threads or {}).items()}
    return Usage(memory_bytes, int(cpu_s * 1e9), processes, by_thread)


def test_a_run_that_was_alone_in_a_host_with_too_much_memory_fails_and_the_error_has_the_figures(stage: Stage) -> None:
    stage.admit("a", plan=LIMITED)
    stage.measure(1, usage(100 * MB))
    assert stage.alive == {1}
    stage.measure(1, usage(150 * MB))
    assert stage.failed["a"] == (
        "memory",
        "the plugin host used 150 MB of memory, more than its limit of 100 MB while this run was alone in it",
    )
    assert stage.alive == set()


def test_runs_side_by_side_in_a_host_with_too_much_memory_repeat_one_by_one(stage: Stage) -> None:
    stage.admit("a", "t@1", plan=LIMITED)
    stage.admit("b", "t@1", plan=LIMITED)
    stage.measure(1, usage(150 * MB))
    assert stage.failed == {}
    assert stage.role_of("a") == "trial"
    stage.finish("a")
    stage.measure(stage.host_of("b"), usage(150 * MB))
    assert list(stage.failed) == ["b"]


def test_memory_that_earlier_runs_left_behind_is_not_the_fault_of_the_next(stage: Stage) -> None:
    stage.admit("a", "t@1", plan=LIMITED)
    stage.finish("a")
    stage.admit("b", "t@1", plan=LIMITED)
    stage.measure(1, usage(150 * MB))
    assert stage.failed == {}
    stage.finish("b")
    assert stage.passed == ["a", "b"]


def test_a_host_that_ran_out_of_memory_is_replaced(stage: Stage) -> None:
    stage.admit("a", "t@1", plan=LIMITED)
    stage.inside[1].remove("a")
    stage.take(stage.blame.done(1, "a", stage.now_ns, is_out_of_memory=True))
    assert stage.alive == set()
    stage.admit("b", "t@1", plan=LIMITED)
    assert stage.host_of("b") == 2


def test_a_shared_host_overrun_by_processes_is_ended_and_the_culprit_found(stage: Stage) -> None:
    stage.admit("bomb")
    stage.admit("innocent")
    stage.measure(1, usage(processes=129))
    stage.measure(stage.host_of("bomb"), usage(processes=129))
    stage.finish("innocent")
    assert stage.passed == ["innocent"]
    assert stage.failed["bomb"][0] == "processes"
    assert "129 processes" in stage.failed["bomb"][1]


def test_a_run_that_used_up_its_cpu_time_is_interrupted_and_ended_after_the_grace_second(stage: Stage) -> None:
    stage.admit("a", max_cpu_s=2, plan=HostPlan(is_alone=True))
    stage.enter("a")
    stage.measure(1, usage(cpu_s=5.0))
    stage.measure(1, usage(cpu_s=6.9))
    assert stage.interrupted == []
    stage.measure(1, usage(cpu_s=7.25))
    assert stage.interrupted == [("a", "cpu")]
    stage.wait(1.1)
    assert stage.failed["a"] == (
        "cpu",
        "the run used 2.25 s of CPU time, more than its limit of 2 s and had not stopped when its plugin host ended",
    )


def test_a_held_cpu_limit_needs_no_heartbeat(stage: Stage) -> None:
    stage.admit("a", max_cpu_s=1, plan=HostPlan(is_alone=True))
    stage.enter("a")
    stage.silent.add(1)
    stage.measure(1, usage())
    stage.measure(1, usage(cpu_s=1.5))
    stage.wait(1.1)
    assert stage.failed["a"][0] == "cpu"


def test_of_runs_side_by_side_each_is_charged_with_its_own_thread(stage: Stage) -> None:
    for run_id, thread_id in (("a", 11), ("b", 12)):
        stage.admit(run_id, "t@1", max_cpu_s=1, plan=HostPlan(is_alone=True))
        stage.enter(run_id, thread_id=thread_id)
    stage.measure(1, usage(cpu_s=0, threads={11: 0.0, 12: 3.0}))
    stage.measure(1, usage(cpu_s=9, threads={11: 1.5, 12: 3.5}))
    assert stage.interrupted == [("a", "cpu")]


@pytest.mark.parametrize(
    ("plan", "max_cpu_s", "waits_s", "expected"),
    [
        pytest.param(SHARED_HOST, None, 0.0, [(1, False)], id="first-look"),
        pytest.param(SHARED_HOST, None, 0.05, [], id="no-limit-is-looked-at-now-and-then"),
        pytest.param(SHARED_HOST, None, 0.25, [(1, False)], id="no-limit-is-looked-at"),
        pytest.param(LIMITED, None, 0.05, [(1, False)], id="memory-at-each-tick"),
        pytest.param(HostPlan(is_alone=True), 1.0, 0.05, [(1, True)], id="cpu-at-each-tick-with-threads"),
    ],
)
def test_hosts_are_measured_as_often_as_their_limits_need(
    stage: Stage, plan: HostPlan, max_cpu_s: float | None, waits_s: float, expected: list[tuple[int, bool]]
) -> None:
    stage.admit("a", max_cpu_s=max_cpu_s, plan=plan)
    if waits_s:
        stage.blame.to_measure(stage.now_ns)
    stage.wait(waits_s)
    assert stage.blame.to_measure(stage.now_ns) == expected


def test_a_host_without_work_is_not_measured(stage: Stage) -> None:
    stage.admit("a")
    stage.finish("a")
    assert stage.blame.to_measure(stage.now_ns) == []


# ---- what comes from outside, and what comes later


def test_a_fresh_host_that_is_killed_proves_nothing_the_first_time(stage: Stage) -> None:
    stage.admit("a")
    stage.die(1, was_killed=True)
    stage.die(stage.host_of("a"), was_killed=True)
    assert stage.failed == {}
    stage.finish("a")
    assert stage.passed == ["a"]


def test_a_run_whose_fresh_hosts_are_killed_twice_is_the_culprit(stage: Stage) -> None:
    stage.admit("a")
    for _ in range(3):
        stage.die(stage.host_of("a"), was_killed=True)
    assert stage.failed["a"] == (
        "host",
        "the plugin host was killed by signal 9 (SIGKILL) while this run was alone in it",
    )


def test_who_was_there_each_time_a_host_died_for_nothing_gets_a_host_of_its_own(stage: Stage) -> None:
    for round_ in range(3):
        for name in (f"innocent{round_}", "mine-layer"):
            stage.admit(f"{name} {round_}", f"{name}@1")
            stage.finish(f"{name} {round_}")
        stage.die(max(stage.alive))
    stage.admit("later", "mine-layer@1")
    stage.admit("other", "innocent2@1")
    assert stage.role_of("later") == "own"
    assert stage.role_of("other") == "shared"
    assert stage.failed == {}
    assert not stage.blame.has_own_host("mine-layer@1"), "nothing is proven"


def test_repetitions_that_go_on_and_on_make_the_next_wait_longer(stage: Stage) -> None:
    for number in range(9):
        stage.admit(f"run{number}")
    stage.die(1)
    stage.wait(9.5)
    assert len(stage.alive) == 4
    stage.wait(1)
    assert len(stage.alive) == 5
    stage.wait(3)
    assert len(stage.alive) == 5
    stage.wait(1)
    assert len(stage.alive) == 6


# ---- clients that take their time


def test_time_that_a_run_waits_for_its_client_counts_not(stage: Stage) -> None:
    stage.admit("a", timeout_s=2)
    stage.enter("a")
    stage.wait(1)
    stage.blame.pause(stage.host_of("a"), "a", stage.now_ns)
    stage.wait(10)
    stage.blame.resume(stage.host_of("a"), "a", stage.now_ns)
    stage.wait(0.5)
    assert stage.interrupted == []
    stage.wait(1)
    assert stage.interrupted == [("a", "timeout")]


def test_a_run_that_is_repeated_waits_for_nobody(stage: Stage) -> None:
    stage.admit("a", timeout_s=2)
    stage.enter("a")
    first = stage.host_of("a")
    stage.blame.pause(first, "a", stage.now_ns)
    stage.die(first)
    stage.blame.resume(first, "a", stage.now_ns)
    stage.enter("a")
    stage.wait(2.5)
    assert stage.interrupted == [("a", "timeout")]


def test_hosts_of_culprits_are_suspect_and_others_are_not(stage: Stage) -> None:
    stage.admit("a", plan=ALONE)
    stage.admit("culprit", "c@1", timeout_s=1)
    stage.enter("culprit")
    stage.wait(1.5)
    stage.finish("culprit")
    stage.admit("again", "c@1")
    stage.admit("b")
    stage.die(stage.host_of("b"))
    assert stage.suspects == {stage.host_of("again")}


@pytest.mark.parametrize(
    ("wants_cpu", "cpu_share", "frozen"),
    [
        pytest.param(True, 0.01, False, id="waits-for-a-core"),
        pytest.param(True, 1.0, True, id="computes-all-the-time"),
        pytest.param(False, 0.0, True, id="sleeps"),
    ],
)
def test_a_host_that_is_silent_for_want_of_a_core_is_not_frozen(
    stage: Stage, wants_cpu: bool, cpu_share: float, frozen: bool
) -> None:
    stage.admit("a", "a@1", plan=ALONE)
    stage.silent.add(1)
    for tick in range(1, 16 * 20):
        stage.wait(0.05)
        if 1 in stage.alive:
            stage.measure(1, Usage(0, int(tick * 0.05 * cpu_share * 1e9), 1, wants_cpu=wants_cpu))
    assert ("a" in stage.failed) == frozen
