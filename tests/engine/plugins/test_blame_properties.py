"""Whatever happens to hosts: no run is lost, each ends once, and only what it did itself counts against a run."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plugins.ports import SHARED_HOST, HostPlan
from tests.support.blame import Stage

NATURES = ("good", "good", "good", "crashes", "freezes", "loops", "stops when interrupted")
PLANS = (SHARED_HOST, HostPlan("other", virtual_env=Path("/other")), HostPlan(is_alone=True))


@dataclass
class World:
    """Runs with a nature, in hosts that do what the nature of their runs demands."""

    stage: Stage = field(default_factory=lambda: Stage(freeze_timeout_s=2))
    natures: dict[str, str] = field(default_factory=dict)
    threads: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    entered: dict[tuple[int, str], int] = field(default_factory=dict)

    def admit(self, nature: str, owner: int, thread: int, plan: HostPlan) -> None:
        run_id = f"{len(self.natures)} {nature}"
        self.natures[run_id] = nature
        self.threads[run_id] = f"thread {thread}" if thread else ""
        limited = nature in ("loops", "stops when interrupted")
        self.stage.admit(
            run_id, f"t{owner} {nature}@1", thread=self.threads[run_id], timeout_s=1 if limited else 60, plan=plan
        )

    def kill_shared(self) -> None:
        for host in [h for h in self.stage.alive if self.stage.roles[h] == "shared"]:
            self.stage.die(host, "was killed by signal 9 (SIGKILL)")

    def cancel(self, which: int) -> None:
        unfinished = self.stage.blame.unfinished
        if unfinished:
            run_id = unfinished[which % len(unfinished)]
            self.cancelled.add(run_id)
            self.stage.take(self.stage.blame.cancel(run_id, self.stage.now_ns))

    def step(self) -> None:
        """A quarter of a second in all hosts."""
        for host in sorted(self.stage.alive - self.stage.silent):
            self._live(host)
        self.stage.wait(0.25)
        self._check_threads()

    def _live(self, host: int) -> None:
        busy: set[str] = set()
        for run_id in list(self.stage.inside.get(host, ())):
            thread = self.threads[run_id]
            if host not in self.stage.alive or host in self.stage.silent or (thread and thread in busy):
                continue
            busy.add(thread)
            if (host, run_id) not in self.entered:
                self.stage.enter(run_id)
            self.entered[host, run_id] = self.entered.get((host, run_id), -1) + 1
            self._act(host, run_id)

    def _act(self, host: int, run_id: str) -> None:
        nature = self.natures[run_id]
        if self.entered[host, run_id] < 2:
            return
        if nature == "crashes":
            self.stage.die(host)
        elif nature == "freezes":
            self.stage.silent.add(host)
        elif nature == "good" or (nature == "stops when interrupted" and (run_id, "timeout") in self.stage.interrupted):
            self.stage.finish(run_id)

    def _check_threads(self) -> None:
        places = {(self.threads[run], host) for host, runs in self.stage.inside.items() for run in runs}
        hosts_of_thread = Counter(thread for thread, _ in places if thread)
        assert all(count == 1 for count in hosts_of_thread.values()), "runs of one thread in two hosts"


ACTIONS = st.one_of(
    st.tuples(st.just("admit"), st.sampled_from(NATURES), st.integers(0, 2), st.integers(0, 3), st.sampled_from(PLANS)),
    st.tuples(st.just("step"), st.integers(1, 12)),
    st.tuples(st.just("kill shared")),
    st.tuples(st.just("renew")),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
)


def play(actions: list[tuple]) -> World:
    world = World()
    for action in actions:
        match action:
            case ("admit", nature, owner, thread, plan):
                world.admit(nature, owner, thread, plan)
            case ("step", times):
                for _ in range(times):
                    world.step()
            case ("kill shared",):
                world.kill_shared()
            case ("renew",):
                world.stage.take(world.stage.blame.renew())
            case ("cancel", which):
                world.cancel(which)
    for _ in range(200 * (1 + len(world.natures))):
        if not world.stage.blame.unfinished:
            return world
        world.step()
    raise AssertionError(f"lost or stuck: {world.stage.blame.unfinished}")


def check(world: World) -> None:
    stage = world.stage
    expected = {"crashes": "host", "freezes": "host", "loops": "timeout"}
    for run_id, nature in world.natures.items():
        assert (run_id in stage.passed) != (run_id in stage.failed)
        if run_id in world.cancelled:
            continue
        if nature in expected:
            assert stage.failed[run_id][0] == expected[nature]
        elif run_id in stage.failed:
            assert nature == "stops when interrupted"
            assert stage.failed[run_id][0] == "timeout", "only a neighbour's end can come in its grace second"
        else:
            assert run_id in stage.passed, f"{run_id} failed: {stage.failed.get(run_id)}"
    assert len(stage.passed) + len(stage.failed) == len(world.natures)
    assert not any(stage.blame.has_own_host(f"t{owner} good@1") for owner in range(3))


@given(st.lists(ACTIONS, max_size=14))
@settings(max_examples=60, deadline=None)
def test_no_run_is_lost_and_no_innocent_fails(actions: list[tuple]) -> None:
    check(play(actions))


@pytest.mark.long
@given(st.lists(ACTIONS, max_size=40))
@settings(max_examples=1500, deadline=None)
def test_no_run_is_lost_and_no_innocent_fails_in_long_stories(actions: list[tuple]) -> None:
    check(play(actions))
