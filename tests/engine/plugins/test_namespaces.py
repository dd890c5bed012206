"""What a host has to be told of a cache namespace."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.protocol import NamespaceSync
from engine.plugins.namespaces import NamespaceKnowledge


def sync(version: int) -> NamespaceSync:
    return NamespaceSync("n", version, False, [])


@pytest.mark.parametrize(
    ("events", "since"),
    [
        pytest.param([], 0, id="nothing-known"),
        pytest.param([("sync", 5)], 5, id="told"),
        pytest.param([("sync", 5), ("here", 8)], 8, id="own-commits-need-not-be-told"),
        pytest.param([("sync", 5), ("elsewhere", 8)], 5, id="foreign-commits-are-missing"),
        pytest.param([("sync", 5), ("elsewhere", 8), ("here", 9)], 7, id="also-below-own-ones"),
        pytest.param([("sync", 5), ("here", 9), ("elsewhere", 8)], 7, id="also-when-heard-of-late"),
        pytest.param([("sync", 9), ("elsewhere", 8)], 9, id="unless-a-sync-had-them"),
        pytest.param([("sync", 5), ("elsewhere", 8), ("elsewhere", 7), ("sync", 8)], 8, id="a-sync-brings-all"),
        pytest.param([("elsewhere", 8)], 0, id="nothing-known-and-nothing-missing"),
        pytest.param([("sync", 5), ("forget", 0)], 0, id="forgotten"),
        pytest.param([("run", 0), ("here", 5), ("forget", 0), ("here", 8)], 0, id="forgotten-before-its-last-commit"),
        pytest.param(
            [("sync", 5), ("forget", 0), ("elsewhere", 7), ("here", 8)], 0, id="forgotten-before-the-last-commits"
        ),
        pytest.param([("sync", 5), ("forget", 0), ("run", 0), ("here", 8)], 8, id="forgotten-and-used-again"),
    ],
)
def test_from_which_version_on_a_host_is_told(events: list[tuple[str, int]], since: int) -> None:
    knowledge = NamespaceKnowledge()
    if events[:1] != [("run", 0)]:
        knowledge.note_run("n")
    changes = 0
    for event, version in events:
        changes += event != "run"
        match event:
            case "run":
                knowledge.note_run("n")
            case "sync":
                knowledge.note_sync(sync(version))
            case "here":
                knowledge.committed_here("n", version)
            case "elsewhere":
                knowledge.committed_elsewhere("n", version)
            case _:
                knowledge.forget("n")
        assert knowledge.changes == changes
    assert knowledge.since("n") == since
    assert knowledge.since("other") == 0


@dataclass
class Model:
    """Two hosts, each with a run that nothing was committed before, and which commits each has really seen."""

    hosts: list[NamespaceKnowledge] = field(default_factory=lambda: [NamespaceKnowledge(), NamespaceKnowledge()])
    seen: list[set[int]] = field(default_factory=lambda: [set(), set()])
    commits: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for knowledge in self.hosts:
            knowledge.note_run("n")

    def run(self, host: int) -> None:
        since = self.hosts[host].since("n")
        assert {v for v, _ in self.commits if v <= since} <= self.seen[host], "a commit would never be told"
        latest = max((v for v, _ in self.commits), default=0)
        if latest > since:
            self.hosts[host].note_sync(sync(latest))
            self.seen[host] |= {v for v, _ in self.commits if v > since}

    def commit(self, host: int) -> tuple[int, int]:
        entry = (len(self.commits) * 3 + 1, host)
        self.commits.append(entry)
        self.seen[host].add(entry[0])
        return entry

    def settle(self, entry: tuple[int, int]) -> None:
        version, owner = entry
        for host, knowledge in enumerate(self.hosts):
            (knowledge.committed_here if host == owner else knowledge.committed_elsewhere)("n", version)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=30))
def test_once_all_is_settled_no_host_lacks_a_commit_that_it_will_not_be_told(steps: list[tuple[int, int]]) -> None:
    model = Model()
    unsettled: list[tuple[int, int]] = []
    for host, step in steps:
        if step == 0 and unsettled:
            model.settle(unsettled.pop(host % len(unsettled)))
        elif step == 1 and not unsettled:
            model.run(host)
        else:
            unsettled.append(model.commit(host))
    for entry in unsettled:
        model.settle(entry)
    for host in (0, 1):
        model.run(host)
        assert model.seen[host] >= {version for version, _ in model.commits}
