import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.model.backfill import BackfillRequest, FromNow, FromStored, Span, StartPoint, parse_start_point
from engine.model.times import parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T08:00:00Z", 1_795_248_000_000_000_000),
        ("2026-11-21T08:00:00.000000001Z", 1_795_248_000_000_000_001),
        ("2026-11-21T08:00:00.5", 1_795_248_000_500_000_000),
        ("2026-11-21T10:00:00+02:00", 1_795_248_000_000_000_000),
        (" 2026-11-21 08:00:00 ", 1_795_248_000_000_000_000),
        ("2026-11-21", 1_795_219_200_000_000_000),
        ("1969-12-31T23:59:59.75Z", -250_000_000),
        ("1795248000000000001", 1_795_248_000_000_000_001),
        ("-5", -5),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "99999999999999999999",
        "1e9",
        "9999-01-01",
    ],
)
def test_what_is_no_time_is_quoted(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_time(text)
    assert f"'{text}'" in str(refused.value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_nanoseconds_are_themselves(time_ns: int) -> None:
    assert parse_time(str(time_ns)) == time_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [("now", FromNow()), ("Beginning", FromStored()), ("2026-11-21", FromStored(1_795_219_200_000_000_000))],
)
def test_start_points(text: str, expected: StartPoint) -> None:
    assert parse_start_point(text) == expected


def test_a_point_that_is_none_is_refused() -> None:
    with pytest.raises(
        InvalidRequest, match=r"^'later' is not a point to begin from: expect now, beginning, or a time"
    ):
        parse_start_point("later")


@pytest.mark.parametrize(
    ("span", "inside", "touching"),
    [
        (Span(), True, True),
        (Span(10, 21), True, True),
        (Span(11, 21), False, True),
        (Span(10, 20), False, True),
        (Span(20, 21), False, True),
        (Span(21, 30), False, False),
        (Span(0, 10), False, False),
    ],
)
def test_spans_hold_their_start_and_not_their_end(span: Span, inside: bool, touching: bool) -> None:
    assert (span.holds(10, 20), span.touches(10, 20)) == (inside, touching)


@pytest.mark.parametrize(("span", "rows"), [(Span(5, 5), 1), (Span(6, 5), 1), (Span(), 0), (Span(), 1_000_001)])
def test_requests_for_nothing_are_refused(span: Span, rows: int) -> None:
    with pytest.raises(InvalidRequest):
        BackfillRequest(span, rows)
