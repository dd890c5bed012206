"""How much a trigger may log."""

from engine.host.allowance import BURST_BYTES, BYTES_PER_S, LINE_BYTES, MOST_LINE_BYTES, Allowance, cut_line

SECOND_NS = 1_000_000_000
LINE = 900


def spent() -> tuple[Allowance, int]:
    """An allowance that was used up at the time 0, and how many lines it took."""
    allowance, lines = Allowance(0), 0
    while allowance.take(LINE, 0):
        lines += 1
    return allowance, lines


def test_a_burst_passes_at_once_and_no_more() -> None:
    _, lines = spent()
    assert lines == BURST_BYTES // (LINE + LINE_BYTES)


def test_so_much_a_second_passes_after_it() -> None:
    allowance, _ = spent()
    assert sum(allowance.take(LINE, SECOND_NS) for _ in range(1000)) in (65, 66)
    assert BYTES_PER_S // (LINE + LINE_BYTES) == 65


def test_it_never_saves_up_more_than_a_burst() -> None:
    allowance, lines = spent()
    assert sum(allowance.take(LINE, 10**6 * SECOND_NS) for _ in range(3000)) == lines


def test_what_was_dropped_is_told_once_a_second() -> None:
    allowance, _ = spent()
    text = "1 log lines (0.0 MB) were dropped: at most 1 MB at once and 64 KB a second are kept"
    assert allowance.notice(0) == text
    allowance.drop(3, 5 << 20)
    assert allowance.notice(SECOND_NS - 1) is None
    assert allowance.notice(SECOND_NS) == text.replace("1 log lines (0.0 MB)", "3 log lines (5.0 MB)")
    assert allowance.notice(9 * SECOND_NS) is None


def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    allowance = Allowance(SECOND_NS)
    assert allowance.take(LINE, 0)


def test_a_long_line_is_cut_and_costs_no_more_than_what_is_left() -> None:
    allowance = Allowance(0)
    assert sum(allowance.take(50 << 20, 0) for _ in range(100)) == BURST_BYTES // (MOST_LINE_BYTES + LINE_BYTES)
    assert len(cut_line("x" * (50 << 20))) == MOST_LINE_BYTES + len(" … (cut)")
    assert cut_line("x") == "x"


def test_it_says_when_it_is_spent() -> None:
    allowance, _ = spent()
    assert allowance.is_spent(0)
    assert not allowance.is_spent(SECOND_NS)
