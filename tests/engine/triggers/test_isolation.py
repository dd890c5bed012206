import math
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.triggers.isolation import MOST_CALLS, MOST_CALLS_WITHOUT_PASS, Part, Search, after, begin


def searched(rows: int, fails: Callable[[range], bool]) -> tuple[Search, list[range]]:
    """Return what is known in the end, and which rows each call was given."""
    search, calls = begin(rows), []
    while (part := search.next_part) is not None:
        calls.append(range(part.first, part.end))
        search = after(search, has_passed=not fails(calls[-1]))
    return search, calls


def with_poison(rows: int, poison: Collection[int]) -> tuple[Search, list[range]]:
    return searched(rows, lambda part: any(row in poison for row in part))


def flat(parts: Collection[Part]) -> list[int]:
    return [row for part in parts for row in range(part.first, part.end)]


@pytest.mark.parametrize(
    ("rows", "poison", "calls", "passed"),
    [
        pytest.param(8, {5}, ["0-3", "4-7", "4-5", "4", "5", "6-7"], ["0-3", "4", "6-7"], id="one-row"),
        pytest.param(4, {0, 3}, ["0-1", "0", "1", "2-3", "2", "3"], ["1", "2"], id="both-ends"),
        pytest.param(3, {1}, ["0", "1-2", "1", "2"], ["0", "2"], id="odd-number"),
        pytest.param(2, {0}, ["0", "1"], ["1"], id="two-rows"),
    ],
)
def test_halves_are_tried_in_the_order_of_rows(
    rows: int, poison: set[int], calls: list[str], passed: list[str]
) -> None:
    def shown(part: range) -> str:
        return f"{part.start}" if len(part) == 1 else f"{part.start}-{part.stop - 1}"

    search, tried = with_poison(rows, poison)
    assert [shown(part) for part in tried] == calls
    assert [shown(range(part.first, part.end)) for part in search.passed] == passed
    assert flat(search.poisonous) == sorted(poison)
    assert not search.is_outage


@pytest.mark.parametrize("rows", [1, 2, 3, 40, 10_000])
def test_when_nothing_passes_it_is_an_outage_and_soon_over(rows: int) -> None:
    search, calls = searched(rows, lambda part: True)
    assert search.is_outage
    assert len(calls) == min(2 * rows - 2, MOST_CALLS_WITHOUT_PASS)


def test_rows_that_only_fail_together_pass_when_they_are_apart() -> None:
    search, _ = searched(16, lambda part: 3 in part and 9 in part)
    assert (flat(search.passed), search.poisonous) == (list(range(16)), ())
    search, _ = searched(16, lambda part: 3 in part and 2 in part)
    assert (flat(search.passed), search.poisonous) == (list(range(16)), ())


def test_an_outage_that_begins_in_the_middle_gives_up_what_is_left_in_a_bounded_number_of_calls() -> None:
    calls = 0

    def fails(part: range) -> bool:
        nonlocal calls
        calls += 1
        return calls > 1

    search, tried = searched(100_000, fails)
    assert flat(search.passed) == list(range(50_000))
    assert flat(search.poisonous) == list(range(50_000, 100_000))
    assert len(tried) <= MOST_CALLS + math.ceil(math.log2(100_000))


def test_a_poisonous_row_knows_how_many_parts_held_it() -> None:
    search, calls = with_poison(1000, {613})
    (poisonous,) = search.poisonous
    assert poisonous.depth == sum(613 in call for call in calls)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=400))))
def test_exactly_the_poisonous_rows_are_given_up(drawn: tuple[int, set[int]]) -> None:
    rows, poison = drawn
    search, calls = with_poison(rows, poison)
    assert len(calls) <= MOST_CALLS + math.ceil(math.log2(rows)) + 1
    assert [row for part in calls for row in part] == [row for part in calls for row in sorted(part)]
    if search.is_outage:
        assert rows == 1 or len(poison) == rows or len(calls) == MOST_CALLS_WITHOUT_PASS
        return
    assert sorted(flat(search.passed) + flat(search.poisonous)) == list(range(rows)), "each row once"
    assert flat(search.passed) == sorted(flat(search.passed)), "in order"
    assert set(flat(search.poisonous)) >= poison
    if len(calls) < MOST_CALLS:
        assert flat(search.poisonous) == sorted(poison)
        assert len(calls) <= 2 * max(1, len(poison)) * (math.ceil(math.log2(rows)) + 1)
