from engine.triggers.figures import BOUNDS_S, Distribution, Figures, RunFigures
from engine.triggers.records import RunRecord


def run(outcome: str = "success", duration_ns: int = 2_000_000) -> RunRecord:
    return RunRecord("wal", 1, 5_000_000, duration_ns, 1_000_000, 10, 3, 1, outcome, peak_memory_bytes=7)


def test_runs_are_counted_by_their_ends() -> None:
    figures = Figures()
    for outcome in ("success", "success", "timeout"):
        figures.add(1, run(outcome))
    found = figures.of(1)
    assert found.outcomes == {"success": 2, "timeout": 1}
    assert (found.rows_in, found.lines_out, found.cpu_s, found.peak_memory_bytes) == (30, 9, 0.003, 7)
    assert (found.duration.sum_s, found.delay.sum_s) == (0.006, 0.015)
    assert figures.of(2) == RunFigures()


def test_a_bound_is_part_of_its_range() -> None:
    distribution = Distribution()
    for seconds in (0.0, 0.001, 0.0011, 60.0, 61.0):
        distribution.add(seconds)
    assert distribution.counts[:2] == [2, 1]
    assert distribution.counts[-2:] == [1, 1]
    assert sum(distribution.counts) == 5
    assert len(distribution.counts) == len(BOUNDS_S) + 1


def test_what_was_told_does_not_change_any_more() -> None:
    figures = Figures()
    figures.add(1, run())
    before = figures.of(1)
    figures.add(1, run("error"))
    assert before.outcomes == {"success": 1}


def test_triggers_that_are_gone_are_forgotten() -> None:
    figures = Figures()
    figures.add(1, run())
    figures.add(2, run())
    figures.keep({2})
    assert figures.of(1) == RunFigures()
    assert figures.of(2).outcomes == {"success": 1}
