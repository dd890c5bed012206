import pytest

from engine.host.protocol import Done, NamespaceChange, StateValue
from engine.triggers.ends import RunEnd, merge_changes
from engine.triggers.records import Origin, RunRecord


def change(namespace: str, clear: bool = False, **values: bytes | None) -> NamespaceChange:
    return NamespaceChange(namespace, clear, [StateValue(key, value) for key, value in values.items()])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([], (), id="none"),
        pytest.param([change("n", a=b"1")], (change("n", a=b"1"),), id="one"),
        pytest.param([change("n", a=b"1"), change("n", a=b"2")], (change("n", a=b"2"),), id="the-later-value-wins"),
        pytest.param([change("n", a=b"1"), change("n", a=None)], (change("n", a=None),), id="a-deletion-is-kept"),
        pytest.param([change("n", a=b"1"), change("m", a=b"2")], (change("n", a=b"1"), change("m", a=b"2")), id="two"),
        pytest.param(
            [change("n", a=b"1"), change("n", clear=True, b=b"2")], (change("n", clear=True, b=b"2"),), id="cleared"
        ),
        pytest.param(
            [change("n", clear=True, a=b"1"), change("n", b=b"2")],
            (change("n", clear=True, a=b"1", b=b"2"),),
            id="cleared-before",
        ),
    ],
)
def test_changes_become_one(changes: list[NamespaceChange], expected: tuple[NamespaceChange, ...]) -> None:
    assert merge_changes(changes) == expected


def effect(*changes: NamespaceChange) -> dict[str, tuple[bool, dict[str, StateValue]]]:
    return {c.namespace: (c.clear, {value.key: value for value in c.values}) for c in merge_changes(changes)}


def end(*changes: NamespaceChange) -> RunEnd:
    return RunEnd(
        Origin("db", 7, "t", "p.py", "r"),
        RunRecord("wal", 0, 0, 0, 0, 1, 1, 1, "success"),
        Done("r", changes=list(changes)),
    )


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [
        pytest.param(change("n", a=b"1", b=b"1"), change("n", a=b"2"), change("n", b=b"1"), id="a-newer-value"),
        pytest.param(change("n", a=b"1"), change("n", a=None), change("n"), id="a-deletion"),
        pytest.param(change("n", a=b"1"), change("m", a=b"2"), change("n", a=b"1"), id="another-namespace"),
        pytest.param(change("n", True, a=b"1"), change("n", True, b=b"2"), change("n", True), id="cleared-later"),
    ],
)
def test_values_that_were_overtaken_are_not_held_twice(
    earlier: NamespaceChange, later: NamespaceChange, kept: NamespaceChange
) -> None:
    pruned = end(earlier).without_values_of(end(later))
    assert pruned.done.changes == [kept]
    assert effect(*pruned.done.changes, later) == effect(earlier, later)
