from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.zones import Wall, load_zone


def s(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        pytest.param("Europe/Berlin", "2026-07-01T08:00", "2026-07-01T06:00", id="summer"),
        pytest.param("Europe/Berlin", "2026-12-01T08:00", "2026-12-01T07:00", id="winter"),
        pytest.param("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00", id="left out: right after the gap"),
        pytest.param("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", id="twice: the first"),
        pytest.param("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00", id="after the repeated hour"),
        pytest.param("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", id="half an hour twice"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", id="half an hour left out"),
        pytest.param("Pacific/Apia", "2011-12-30T08:00", "2011-12-30T10:00", id="a whole day left out"),
        pytest.param("Asia/Kathmandu", "2026-01-01T05:45", "2026-01-01T00:00", id="quarters"),
        pytest.param("America/New_York", "2099-07-01T08:00", "2099-07-01T12:00", id="far ahead"),
    ],
)
def test_a_wall_time_is_first_reached_at(zone: str, wall: str, instant: str) -> None:
    assert Wall(load_zone(zone)).first_at(s(wall)) == s(instant)


@pytest.mark.parametrize(
    ("instant", "highest"),
    [
        pytest.param("2026-10-25T00:59:59", "2026-10-25T02:59:59", id="just before it is set back"),
        pytest.param("2026-10-25T01:00", "2026-10-25T02:59:59", id="set back"),
        pytest.param("2026-10-25T01:59:59", "2026-10-25T02:59:59", id="the last repeated second"),
        pytest.param("2026-10-25T02:00", "2026-10-25T03:00", id="after the repeated hour"),
        pytest.param("2026-03-29T01:00", "2026-03-29T03:00", id="set forward"),
    ],
)
def test_the_latest_time_that_was_shown(instant: str, highest: str) -> None:
    assert Wall(load_zone("Europe/Berlin")).highest_shown(s(instant)) == s(highest)


@pytest.mark.parametrize(
    ("after", "until", "change"),
    [
        pytest.param("2026-01-01", "2027-01-01", "2026-03-29T01:00", id="the next"),
        pytest.param("2026-03-29T01:00", "2027-01-01", "2026-10-25T01:00", id="strictly after"),
        pytest.param("2026-01-01", "2026-03-29T01:00", "2026-03-29T01:00", id="the end belongs to it"),
        pytest.param("2026-01-01", "2026-03-29T00:59:59", None, id="none"),
        pytest.param("2026-01-01", "2025-01-01", None, id="nothing to look at"),
    ],
)
def test_the_next_change_of_a_clock(after: str, until: str, change: str | None) -> None:
    found = Wall(load_zone("Europe/Berlin")).next_change(s(after), s(until))
    assert found == (None if change is None else s(change))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("Europe/Berln", "did you mean Europe/Berlin?", id="a slip"),
        pytest.param("europe/berlin", "did you mean Europe/Berlin?", id="lower case"),
        pytest.param("new york", "America/New_York", id="a city"),
        pytest.param("+02:00", "such as Europe/Berlin", id="an offset"),
        pytest.param("../../etc/passwd", "not the IANA name", id="a path out"),
        pytest.param("/etc/localtime", "not the IANA name", id="an absolute path"),
        pytest.param("Europe", "not the IANA name", id="a folder"),
        pytest.param("", "not the IANA name", id="empty"),
        pytest.param("a\x00b", "not the IANA name", id="a zero byte"),
        pytest.param("x" * 5_000, "not the IANA name", id="long"),
    ],
)
def test_what_is_no_zone_is_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match="not the IANA name of a time zone") as refused:
        load_zone(name)
    assert words in str(refused.value)


ZONES = st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"])
TIMES = st.integers(s("1972-01-01"), s("2099-01-01"))


@given(ZONES, TIMES)
def test_a_time_that_is_shown_was_first_reached_then_or_before(zone: str, at_s: int) -> None:
    wall = Wall(load_zone(zone))
    first = wall.first_at(wall.shown(at_s))
    assert first <= at_s
    assert wall.highest_shown(at_s) >= wall.shown(at_s)
    assert wall.first_at(wall.highest_shown(at_s)) <= at_s < wall.first_at(wall.highest_shown(at_s) + 1)
