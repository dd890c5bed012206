import copy
import pickle
import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.host.cache import FAR_FUTURE_NS, SWEEP_INTERVAL_NS, CacheStore, RunCache
from engine.host.pickling import LARGEST_BYTES, to_bytes
from engine.host.protocol import CacheRules, NamespaceChange, NamespaceSync, PassedRun, Settle, StateValue
from tests.support.clock import ManualClock

SECOND_NS = 10**9


class Caches:
    """A process with caches, and the state that a server would hold."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = CacheStore(self.clock)
        self.logs: list[str] = []
        self.version = 0
        self.committed: dict[str, dict[str, StateValue]] = {}
        self.kept = CacheRules()

    def rules(self, namespace: str = "n") -> dict[str, CacheRules]:
        return {namespace: self.kept, "global": CacheRules(most_bytes=self.kept.most_bytes)}

    def run(self, run_id: str = "r", namespace: str = "n", ttl: float | None = None) -> RunCache:
        return self.store.open(run_id, self.rules(namespace), ttl, lambda level, text: self.logs.append(text))

    def commit(self, run_id: str, changes: list[NamespaceChange]) -> None:
        self.version += 1
        for change in changes:
            if change.clear:
                self.committed[change.namespace] = {}
            values = self.committed.setdefault(change.namespace, {})
            for value in change.values:
                values[value.key] = value
                if value.pickled is None and not value.live:
                    del values[value.key]
        versions = {change.namespace: self.version for change in changes}
        self.store.settle(Settle(run_id, "committed", versions))

    def repeat(self, run_id: str) -> None:
        self.store.settle(Settle(run_id, "repeat"))

    def whole(self, namespace: str = "n") -> NamespaceSync:
        values = list(self.committed.get(namespace, {}).values())
        return NamespaceSync(namespace, self.version, whole=True, values=values)

    def restarted(self) -> bool:
        """Lose all that is in memory; return whether the namespace starts empty."""
        self.store = CacheStore(self.clock)
        return self.store.sync(self.whole(), self.kept)


@pytest.fixture
def caches() -> Caches:
    return Caches()


def get(run: RunCache, key: str, default: Any = None, use_global: bool = False) -> Any:
    return run.get(key, default, use_global=use_global)


def put(run: RunCache, key: str, value: Any, ttl: float | None = None, use_global: bool = False) -> None:
    run.put(key, value, ttl, use_global=use_global)


def plain(changes: list[NamespaceChange]) -> dict[str, Any]:
    """Return the changed values by key; ``"live"`` for one that cannot be pickled, ``"gone"`` for none."""
    return {
        value.key: "live" if value.live else "gone" if value.pickled is None else pickle.loads(value.pickled)
        for change in changes
        for value in change.values
    }


# ---- what plugins see


def test_object_comes_back_itself(caches: Caches) -> None:
    """B8.1, B8.4."""
    lock = threading.Lock()
    put(caches.run(), "k", lock)
    assert get(caches.run(), "k") is lock


def test_stored_none_is_not_the_default(caches: Caches) -> None:
    run = caches.run()
    put(run, "k", None)
    assert get(run, "k", 5) is None
    assert get(run, "other", 5) == 5


def test_namespaces_are_apart(caches: Caches) -> None:
    """B8.3, B8.11."""
    one, two = caches.run("a", "one"), caches.run("b", "two")
    put(one, "k", 1)
    put(one, "k", 2, use_global=True)
    assert (get(two, "k"), get(two, "k", use_global=True), get(one, "k")) == (None, 2, 1)


def test_delete_tells_whether_there_was_something(caches: Caches) -> None:
    """B8.5."""
    run = caches.run()
    put(run, "k", 1)
    assert [run.delete("k", use_global=False) for _ in range(2)] == [True, False]
    assert get(run, "k") is None


def test_value_expires(caches: Caches) -> None:
    """B8.2."""
    run = caches.run()
    put(run, "k", 1, ttl=1.0)
    caches.clock.advance(SECOND_NS - 1)
    assert get(run, "k") == 1
    caches.clock.advance(1)
    assert get(run, "k") is None


def test_zero_expires_at_once_and_a_new_put_has_its_own_ttl(caches: Caches) -> None:
    """B8.10."""
    run = caches.run()
    put(run, "k", 1, ttl=0)
    assert get(run, "k") is None
    put(run, "k", 1, ttl=1)
    put(run, "k", 2)
    caches.clock.advance(10 * SECOND_NS)
    assert get(run, "k") == 2


def test_expired_value_can_be_deleted_until_it_is_swept(caches: Caches) -> None:
    run = caches.run()
    for key in "ab":
        put(run, key, 1, ttl=1)
    caches.clock.advance(2 * SECOND_NS)
    caches.store.sweep()
    assert run.delete("a", use_global=False)
    caches.clock.advance(SWEEP_INTERVAL_NS)
    caches.store.sweep()
    assert not run.delete("b", use_global=False)


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        (-1.0, "cannot convert float seconds to Duration: value is negative"),
        (-1e-9, "cannot convert float seconds to Duration: value is negative"),
        (float("-inf"), "cannot convert float seconds to Duration: value is negative"),
        (float("nan"), "cannot convert float seconds to Duration: value is either too big or NaN"),
        (float("inf"), "cannot convert float seconds to Duration: value is either too big or NaN"),
        (2.0**64, "cannot convert float seconds to Duration: value is either too big or NaN"),
    ],
)
def test_ttl_that_is_no_length_of_time_is_refused(caches: Caches, ttl: float, text: str) -> None:
    """B8.10."""
    with pytest.raises(ValueError, match=f"^{text}$"):
        put(caches.run(), "k", 1, ttl=ttl)


def test_longest_ttl_is_for_ever(caches: Caches) -> None:
    run = caches.run()
    put(run, "k", 1, ttl=2.0**63)
    assert run.changes()[0].values[0].expires_ns == FAR_FUTURE_NS


def test_value_that_uses_the_cache_when_it_dies_does_no_harm(caches: Caches) -> None:
    run = caches.run()

    class Talkative:
        def __del__(self) -> None:
            put(run, "last words", 1)

    put(run, "k", Talkative())
    put(run, "k", 2)
    assert get(run, "last words") == 1


# ---- what is told to be committed


def test_only_changes_are_told(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    put(first, "list", [1])
    put(first, "b", 2, ttl=5, use_global=True)
    changes = first.changes()
    assert plain(changes) == {"a": 1, "list": [1], "b": 2}
    assert [change.namespace for change in changes] == ["n", "global"]
    caches.commit("1", changes)
    second = caches.run("2")
    assert get(second, "list") == [1]
    put(second, "a", 1)
    assert second.changes() == []


def test_value_changed_in_place_is_told(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "queue", deque([1]))
    caches.commit("1", first.changes())
    second = caches.run("2")
    get(second, "queue").append(2)
    assert plain(second.changes()) == {"queue": deque([1, 2])}


def test_deleted_key_is_told_once(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    caches.commit("1", first.changes())
    second = caches.run("2")
    second.delete("a", use_global=False)
    changes = second.changes()
    assert plain(changes) == {"a": "gone"}
    caches.commit("2", changes)
    third = caches.run("3")
    put(third, "a", 1)
    third.delete("a", use_global=False)
    assert third.changes() == []


def test_new_ttl_is_a_change(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    caches.commit("1", first.changes())
    second = caches.run("2")
    put(second, "a", 1, ttl=5)
    assert second.changes()[0].values[0].expires_ns == caches.clock.now_ns() + 5 * SECOND_NS


def test_live_value_is_told_once_and_not_pickled_again(caches: Caches) -> None:
    class Counting:
        tries = 0

        def __reduce__(self) -> Any:
            Counting.tries += 1
            raise TypeError

    first = caches.run("1")
    value = Counting()
    put(first, "a", value)
    changes = first.changes()
    assert changes == [NamespaceChange("n", False, [StateValue("a", None, live=True)])]
    caches.commit("1", changes)
    second = caches.run("2")
    put(second, "a", get(second, "a"))
    assert second.changes() == []
    assert Counting.tries == 1


def test_too_large_a_value_stays_in_memory_with_one_warning(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "big", [b"x" * LARGEST_BYTES])
    assert plain(first.changes()) == {"big": "live"}
    second = caches.run("2")
    get(second, "big")
    second.changes()
    assert caches.logs == [
        "cache value 'big' is too large to be kept across a restart: it stays in memory only",
    ]


def test_class_of_a_single_file_is_live_only(caches: Caches) -> None:
    names: dict[str, Any] = {}
    exec("class Mine: pass", names)
    run = caches.run()
    put(run, "a", names["Mine"]())
    assert plain(run.changes()) == {"a": "live"}


def test_fetched_plain_value_is_not_pickled_again(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", "text")
    caches.commit("1", first.changes())
    second = caches.run("2")
    get(second, "a")
    assert second.changes() == []


def test_change_of_a_thread_that_a_run_left_behind_goes_with_the_next_run(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "list", [1])
    caches.commit("1", first.changes())
    put(first, "late", 1)
    get(first, "list").append(2)
    second = caches.run("2")
    changes = second.changes()
    assert plain(changes) == {"late": 1, "list": [1, 2]}
    caches.repeat("2")
    assert plain(caches.run("3").changes()) == {"late": 1, "list": [1, 2]}


def test_dry_run_commits_nothing(caches: Caches) -> None:
    run = caches.run(ttl=60.0)
    put(run, "a", 1)
    put(run, "b", 1, ttl=100)
    assert run.changes() == []
    caches.clock.advance(60 * SECOND_NS)
    other = caches.run(ttl=60.0)
    assert (get(other, "a"), get(other, "b")) == (None, 1)


# ---- repeating


def test_repeated_run_finds_the_committed_values(caches: Caches) -> None:
    first = caches.run("1")
    for key, value in {"put": 1, "changed": [1], "deleted": 1, "fetched": [9]}.items():
        put(first, key, value)
    caches.commit("1", first.changes())
    second = caches.run("2")
    fetched = get(second, "fetched")
    put(second, "put", 2)
    get(second, "changed").append(2)
    second.delete("deleted", use_global=False)
    put(second, "new", 1)
    second.changes()
    caches.repeat("2")
    third = caches.run("3")
    assert [get(third, key) for key in ("put", "changed", "deleted", "new")] == [1, [1], 1, None]
    assert get(third, "fetched") is fetched


def test_repeated_run_keeps_live_objects(caches: Caches) -> None:
    lock, other = threading.Lock(), threading.Lock()
    first = caches.run("1")
    put(first, "lock", lock)
    put(first, "deleted", other)
    caches.commit("1", first.changes())
    second = caches.run("2")
    put(second, "lock", threading.Lock())
    put(second, "lock", 5)
    second.delete("deleted", use_global=False)
    second.changes()
    caches.repeat("2")
    assert get(caches.run("3"), "lock") is lock
    assert get(caches.run("3"), "deleted") is other


def test_what_another_run_has_put_since_stays(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 0)
    put(first, "b", 0)
    caches.commit("1", first.changes())
    failing, other = caches.run("2"), caches.run("3")
    put(failing, "a", 1)
    put(failing, "b", 1)
    put(other, "a", 2)
    failing.changes()
    caches.repeat("2")
    assert (get(other, "a"), get(other, "b")) == (2, 0)


def test_repeat_goes_back_to_what_is_on_its_way(caches: Caches) -> None:
    first, second = caches.run("1"), caches.run("2")
    put(first, "a", [1])
    changes = first.changes()
    get(second, "a").append(2)
    assert plain(second.changes()) == {"a": [1, 2]}
    caches.repeat("2")
    assert get(caches.run("3"), "a") == [1]
    caches.commit("1", changes)
    assert caches.run("4").changes() == []


@pytest.mark.parametrize("how", ["put", "append"])
def test_repeat_leaves_what_a_run_under_way_has_put(caches: Caches, how: str) -> None:
    first, second = caches.run("1"), caches.run("2")
    value = [0]
    put(first, "a", value)
    if how == "put":
        put(second, "a", [1])
    else:
        get(second, "a").append(1)
    second.changes()
    caches.repeat("2")
    assert get(first, "a") is value
    caches.commit("1", first.changes())
    assert get(caches.run("3"), "a") is value


# ---- several runs at once


def test_later_put_wins_and_is_committed_in_the_end(caches: Caches) -> None:
    first, second = caches.run("1"), caches.run("2")
    put(first, "a", 1)
    put(second, "a", 2)
    later, earlier = second.changes(), first.changes()
    assert (plain(earlier), plain(later)) == ({"a": 1}, {"a": 2})
    caches.commit("2", later)
    caches.commit("1", earlier)
    flush = caches.run("3")
    assert get(flush, "a") == 2
    changes = flush.changes()
    assert plain(changes) == {"a": 2}


def test_deletion_is_told_while_the_put_is_on_its_way(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    put_change = first.changes()
    second = caches.run("2")
    second.delete("a", use_global=False)
    gone = second.changes()
    caches.commit("1", put_change)
    caches.commit("2", gone)
    assert caches.committed["n"] == {}


def test_run_that_is_never_settled_leaves_its_changes_to_the_next(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "shared", 1, use_global=True)
    first.changes()
    caches.store.forget("n")
    assert plain(caches.run("2", "m").changes()) == {"shared": 1}


def test_abandoned_run_leaves_its_changes_to_the_next(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    first.changes()
    first.abandon()
    assert plain(caches.run("2").changes()) == {"a": 1}


def test_run_of_the_same_name_takes_the_place_of_an_unsettled_one(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    first.changes()
    again = caches.run("1")
    put(again, "b", 1)
    caches.commit("1", again.changes())
    assert plain(caches.run("2").changes()) == {"a": 1}


# ---- state from elsewhere, and restarts


def test_committed_values_come_back_when_asked_for(caches: Caches) -> None:
    """B8.12."""
    first = caches.run("1")
    put(first, "a", {"x": [1]})
    caches.commit("1", first.changes())
    assert not caches.restarted()
    assert caches.store.version("n") == 1
    second = caches.run("2")
    assert get(second, "a") == {"x": [1]}
    assert get(second, "a") is get(second, "a")
    assert second.changes() == []


def test_value_nobody_asked_for_can_be_put_deleted_and_expire(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1)
    put(first, "b", 1)
    put(first, "c", 1, ttl=5)
    caches.commit("1", first.changes())
    caches.restarted()
    caches.clock.advance(5 * SECOND_NS)
    second = caches.run("2")
    assert second.delete("a", use_global=False)
    put(second, "b", 2)
    assert get(second, "c") is None
    assert plain(second.changes()) == {"a": "gone", "b": 2}


def test_expired_values_do_not_come_back(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "a", 1, ttl=5)
    caches.commit("1", first.changes())
    caches.clock.advance(5 * SECOND_NS)
    caches.restarted()
    assert not caches.run().delete("a", use_global=False)


# ---- runs of other processes that passed


def passed_elsewhere(caches: Caches, run_id: str, value: Any, key: str = "k") -> PassedRun:
    """A run in a process that is gone by now."""
    run = caches.run(run_id)
    put(run, key, value)
    return PassedRun(run_id, run.changes())


def test_a_run_starts_from_what_a_run_of_another_process_left(caches: Caches) -> None:
    before = caches.run("before")
    put(before, "k", 0)
    caches.commit("before", before.changes())
    passed = passed_elsewhere(caches, "one", 1)
    assert not caches.restarted()
    assert [caches.store.take_passed(passed, caches.rules()) for _ in range(2)] == [[], []]
    failed = caches.run("two")
    assert get(failed, "k") == 1
    put(failed, "k", 2)
    put(failed, "new", 2)
    failed.changes()
    caches.repeat("two")
    again = caches.run("three")
    assert (get(again, "k"), get(again, "new")) == (1, None)
    put(again, "other", 3)
    changes = again.changes()
    assert plain(changes) == {"other": 3}, "what passed before is not told twice"
    caches.commit("one", [*passed.changes, *changes])
    caches.commit("three", [])
    assert plain(caches.run("four").changes()) == {}


def test_what_passed_elsewhere_is_undone_when_all_is_given_up(caches: Caches) -> None:
    before = caches.run("before")
    put(before, "gone", 0)
    caches.commit("before", before.changes())
    passing = caches.run("one")
    put(passing, "k", 1)
    passing.delete("gone", use_global=False)
    passed = PassedRun("one", passing.changes())
    caches.restarted()
    caches.store.take_passed(passed, caches.rules())
    seen = caches.run("two")
    assert (get(seen, "k"), get(seen, "gone")) == (1, None)
    seen.changes()
    caches.repeat("two")
    caches.repeat("one")
    assert (get(caches.run(), "k"), get(caches.run(), "gone")) == (None, 0)


def test_a_live_value_that_a_passed_run_left_elsewhere_empties_the_namespace(caches: Caches) -> None:
    before = caches.run("before")
    put(before, "old", 0)
    caches.commit("before", before.changes())
    passed = passed_elsewhere(caches, "one", threading.Lock())
    caches.restarted()
    assert caches.store.take_passed(passed, caches.rules()) == ["n"]
    run = caches.run("two")
    assert (get(run, "k"), get(run, "old")) == (None, None)
    put(run, "fresh", 1)
    (change,) = run.changes()
    assert (change.clear, plain([change])) == (True, {"fresh": 1})


def test_namespace_with_a_live_value_starts_empty_and_says_so(caches: Caches) -> None:
    """B8.12: whole or not at all."""
    first = caches.run("1")
    put(first, "lock", threading.Lock())
    put(first, "count", 41)
    caches.commit("1", first.changes())
    assert caches.restarted()
    second = caches.run("2")
    assert get(second, "count") is None
    assert second.changes() == []
    third = caches.run("3")
    put(third, "count", 1)
    changes = third.changes()
    assert (plain(changes), changes[0].clear) == ({"count": 1}, True)
    caches.commit("3", changes)
    assert list(caches.committed["n"]) == ["count"]
    fourth = caches.run("4")
    put(fourth, "count", 2)
    assert not fourth.changes()[0].clear


def test_clearing_is_said_again_when_its_run_is_repeated(caches: Caches) -> None:
    caches.committed["n"] = {"lock": StateValue("lock", None, live=True)}
    assert caches.restarted()
    for run_id in ("1", "2"):
        run = caches.run(run_id)
        put(run, "a", 1)
        assert run.changes()[0].clear
        caches.repeat(run_id)


def test_what_was_committed_before_the_clearing_is_committed_again(caches: Caches) -> None:
    caches.committed["n"] = {"lock": StateValue("lock", None, live=True)}
    caches.restarted()
    first, second = caches.run("1"), caches.run("2")
    put(first, "a", 1)
    put(second, "b", 2)
    clearing, other = first.changes(), second.changes()
    caches.commit("2", other)
    caches.commit("1", clearing)
    flush = caches.run("3")
    caches.commit("3", flush.changes())
    assert set(caches.committed["n"]) == {"a", "b"}


def test_second_whole_state_does_not_wipe_what_was_put_since(caches: Caches) -> None:
    caches.committed["n"] = {"lock": StateValue("lock", None, live=True)}
    caches.restarted()
    run = caches.run("1")
    put(run, "a", 1)
    assert not caches.store.sync(caches.whole(), caches.kept)
    changes = run.changes()
    assert not caches.store.sync(caches.whole(), caches.kept)
    caches.commit("1", changes)
    assert get(caches.run("2"), "a") == 1


def test_live_object_that_is_here_stays_when_its_state_comes_back(caches: Caches) -> None:
    lock = threading.Lock()
    first = caches.run("1")
    put(first, "lock", lock)
    put(first, "list", [1])
    caches.commit("1", first.changes())
    kept = get(caches.run("2"), "list")
    assert not caches.store.sync(caches.whole(), caches.kept)
    third = caches.run("3")
    assert get(third, "lock") is lock
    assert get(third, "list") is kept


def test_own_commit_that_comes_back_before_it_is_settled_changes_nothing(caches: Caches) -> None:
    first = caches.run("1")
    put(first, "list", [1])
    changes = first.changes()
    kept = get(caches.run("x"), "list")
    assert not caches.store.sync(NamespaceSync("n", 1, whole=False, values=changes[0].values), caches.kept)
    caches.commit("1", changes)
    second = caches.run("2")
    assert get(second, "list") is kept
    assert second.changes() == []


def test_values_of_other_processes_are_taken_over(caches: Caches) -> None:
    first = caches.run("1")
    for key in ("changed", "deleted", "live", "same"):
        put(first, key, [0])
    caches.commit("1", first.changes())
    same = get(caches.run("2"), "same")
    values = [
        StateValue("changed", to_bytes([1])),
        StateValue("deleted", None),
        StateValue("live", None, live=True),
        StateValue("new", to_bytes([2])),
    ]
    assert not caches.store.sync(NamespaceSync("n", 9, whole=False, values=values), caches.kept)
    assert caches.store.version("n") == 9
    run = caches.run("3")
    assert [get(run, k) for k in ("changed", "deleted", "live", "new")] == [[1], None, None, [2]]
    assert get(run, "same") is same
    assert run.changes() == []


def test_value_put_here_and_not_yet_committed_is_not_overwritten(caches: Caches) -> None:
    run = caches.run("1")
    put(run, "a", 1)
    caches.store.sync(NamespaceSync("n", 5, whole=False, values=[StateValue("a", to_bytes(7))]), caches.kept)
    assert get(run, "a") == 1
    changes = run.changes()
    assert plain(changes) == {"a": 1}
    caches.repeat("1")
    assert get(caches.run("2"), "a") == 7


def test_value_that_cannot_be_read_empties_the_triggers_cache(caches: Caches) -> None:
    values = [StateValue("bad", b"cno_such_module\nX\n."), StateValue("good", to_bytes(1))]
    caches.store.sync(NamespaceSync("n", 5, whole=True, values=values), caches.kept)
    run = caches.run("1")
    put(run, "mine", 1)
    assert get(run, "good") == 1
    assert get(run, "bad", "default") == "default"
    assert get(run, "good") is None
    changes = run.changes()
    assert (plain(changes), changes[0].clear) == ({"mine": 1}, True)
    assert caches.logs == [
        "cache value 'bad' cannot be restored (ModuleNotFoundError: No module named 'no_such_module'):"
        " the cache of this trigger starts empty"
    ]


def test_value_that_cannot_be_read_leaves_the_global_cache_alone(caches: Caches) -> None:
    values = [StateValue("bad", b"cno_such_module\nX\n."), StateValue("good", to_bytes(1))]
    caches.store.sync(NamespaceSync("global", 5, whole=True, values=values), caches.kept)
    run = caches.run("1")
    assert get(run, "bad", "default", use_global=True) == "default"
    assert get(run, "good", use_global=True) == 1
    assert run.changes() == []


def test_forgotten_namespace_is_empty_and_not_brought_back_by_runs_under_way(caches: Caches) -> None:
    """B8.8, B8.9."""
    run = caches.run("1")
    put(run, "a", 1)
    put(run, "g", 1, use_global=True)
    caches.store.forget("n")
    put(run, "b", 1)
    assert run.changes() == []
    fresh = caches.run("2")
    assert (get(fresh, "a"), get(fresh, "b"), get(fresh, "g", use_global=True)) == (None, None, 1)
    assert caches.store.version("n") == 0


# ---- all of it together

KEYS = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("append"), KEYS, st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("delete"), KEYS, st.just(0), st.integers(0, 2)),
        st.tuples(st.just("end"), st.just(""), st.just(0), st.integers(0, 2)),
        st.tuples(st.just("commit"), st.just(""), st.just(0), st.integers(0, 2)),
        st.tuples(st.just("repeat"), st.just(""), st.just(0), st.integers(0, 2)),
    ),
    max_size=40,
)


class Interleaving:
    """Three runs at a time, by number; an ended one is settled before the number begins anew."""

    def __init__(self) -> None:
        self.caches = Caches()
        self.count = 0
        self.open: dict[int, tuple[str, RunCache]] = {}
        self.ended: dict[int, tuple[str, list[NamespaceChange]]] = {}

    def run(self, number: int) -> RunCache:
        if number in self.ended:
            self.settle(number, "commit")
        if number not in self.open:
            self.count += 1
            self.open[number] = (str(self.count), self.caches.run(str(self.count)))
        return self.open[number][1]

    def end(self, number: int) -> None:
        if number in self.open:
            run_id, run = self.open.pop(number)
            self.ended[number] = (run_id, run.changes())

    def settle(self, number: int, how: str) -> None:
        self.end(number)
        if number in self.ended:
            run_id, changes = self.ended.pop(number)
            if how == "commit":
                self.caches.commit(run_id, changes)
            else:
                self.caches.repeat(run_id)

    def step(self, what: str, key: str, value: int, number: int) -> None:
        match what:
            case "put":
                put(self.run(number), key, [value])
            case "append":
                get(self.run(number), key, []).append(value)
            case "delete":
                self.run(number).delete(key, use_global=False)
            case "end":
                self.end(number)
            case _:
                self.settle(number, what)

    def shown(self) -> dict[str, Any]:
        run = self.caches.run("look")
        found = {key: copy.deepcopy(value) for key in "abc" if (value := get(run, key)) is not None}
        self.caches.commit("look", run.changes())
        return found

    def stored(self) -> dict[str, Any]:
        return {k: pickle.loads(v.pickled or b"") for k, v in self.caches.committed.get("n", {}).items()}


@given(STEPS)
def test_when_all_is_settled_what_plugins_see_is_what_is_committed(steps: list[tuple[str, str, int, int]]) -> None:
    runs = Interleaving()
    for step in steps:
        runs.step(*step)
    for number in range(3):
        runs.settle(number, "commit")
    shown = runs.shown()
    assert runs.stored() == shown
    runs.caches.restarted()
    assert runs.shown() == shown


@given(st.lists(STEPS, max_size=4), st.data())
def test_one_run_at_a_time_leaves_all_or_nothing(runs_steps: list[list[tuple[str, str, int, int]]], data: Any) -> None:
    runs = Interleaving()
    for steps in runs_steps:
        before = runs.shown()
        for what, key, value, _ in steps:
            if what in ("put", "append", "delete"):
                runs.step(what, key, value, 0)
        if data.draw(st.booleans()):
            runs.settle(0, "repeat")
            assert runs.shown() == before
        else:
            runs.settle(0, "commit")


# ---- what comes back, and how much of it


def test_what_can_come_back_comes_back_if_the_trigger_says_so(caches: Caches) -> None:
    caches.kept = CacheRules(restore="values")
    run = caches.run()
    put(run, "lock", threading.Lock())
    put(run, "count", 3)
    caches.commit("r", run.changes())
    assert not caches.restarted()
    after = caches.run("r2")
    assert (get(after, "count"), get(after, "lock", "none")) == (3, "none")
    put(after, "count", 4)
    assert plain(after.changes()) == {"count": 4}


def test_a_value_that_cannot_be_read_is_lost_alone_if_the_trigger_says_so(caches: Caches) -> None:
    caches.kept = CacheRules(restore="values")
    caches.committed["n"] = {"bad": StateValue("bad", b"no pickle"), "good": StateValue("good", to_bytes(1))}
    assert not caches.restarted()
    run = caches.run()
    assert (get(run, "bad", "none"), get(run, "good")) == ("none", 1)
    assert any("cannot be restored" in text for text in caches.logs)


def test_nothing_comes_back_if_the_trigger_says_so(caches: Caches) -> None:
    caches.kept = CacheRules(restore="never")
    run = caches.run()
    put(run, "count", 3)
    put(run, "shared", 1, use_global=True)
    caches.commit("r", run.changes())
    assert not caches.restarted()
    caches.store.sync(caches.whole("global"), CacheRules())
    run = caches.run("r2")
    assert (get(run, "count", "none"), get(run, "shared", use_global=True)) == ("none", 1)
    put(run, "other", 1)
    changes = run.changes()
    assert [change.clear for change in changes] == [True]
    caches.commit("r2", changes)
    assert list(caches.committed["n"]) == ["other"]


def test_what_was_not_used_for_longest_goes_first(caches: Caches) -> None:
    size = len(to_bytes(b"x" * 1000))
    caches.kept = CacheRules(most_bytes=3 * size)
    run = caches.run()
    for key in "abc":
        put(run, key, b"x" * 1000)
    caches.commit("r", run.changes())
    run = caches.run("r2")
    get(run, "a")
    for key in "de":
        put(run, key, b"y" * 1000)
    changes = run.changes()
    assert {key for key, value in plain(changes).items() if value == "gone"} == {"b", "c"}
    caches.commit("r2", changes)
    assert sorted(caches.committed["n"]) == ["a", "d", "e"]
    assert [text for text in caches.logs if "limit" in text] == [
        f"the cache of this trigger passed its limit of {3 * size} bytes (--plugin-cache-size): "
        "2 values that were not used for longest are gone: 'b', 'c'"
    ]


def test_eviction_goes_with_the_run(caches: Caches) -> None:
    caches.kept = CacheRules(most_bytes=1500)
    run = caches.run()
    put(run, "a", b"x" * 1000)
    caches.commit("r", run.changes())
    run = caches.run("r2")
    put(run, "b", b"y" * 1000)
    run.changes()
    caches.repeat("r2")
    again = caches.run("r3")
    assert (get(again, "a"), get(again, "b")) == (b"x" * 1000, None)


def test_a_value_that_another_run_has_touched_is_not_evicted(caches: Caches) -> None:
    caches.kept = CacheRules(most_bytes=1500)
    other = caches.run("other")
    put(other, "a", b"x" * 1000)
    run = caches.run()
    put(run, "b", b"y" * 1000)
    assert "a" not in plain(run.changes())
    assert get(caches.run("r2"), "a") == b"x" * 1000


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2000)), max_size=40))
def test_a_namespace_stays_within_its_limit(puts: list[tuple[str, int]]) -> None:
    caches = Caches()
    caches.kept = CacheRules(most_bytes=4000)
    for number, (key, size) in enumerate(puts):
        run = caches.run(f"r{number}")
        put(run, key, b"x" * size)
        caches.commit(f"r{number}", run.changes())
        held = caches.committed["n"]
        assert key in held
        assert sum(len(value.pickled or b"") for value in held.values()) <= 4000
