import pytest

from engine.query.releases import Releases


def test_what_came_last_goes_first_and_once() -> None:
    released: list[str] = []
    held = Releases()
    held.add(lambda: released.append("a"))
    held.add(lambda: released.append("b"))
    held.close()
    held.close()
    assert released == ["b", "a"]


def test_what_fails_does_not_keep_the_rest() -> None:
    released: list[str] = []
    held = Releases()
    held.add(lambda: released.append("a"))
    held.add(lambda: [].remove("older"))
    held.add(lambda: {}["newer"])
    with pytest.raises(ValueError, match="not in list"):
        held.close()
    assert released == ["a"]
