import pytest

from engine.host.protocol import NamespaceChange, StateValue
from engine.triggers.ends import merge_changes


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
