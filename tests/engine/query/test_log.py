import pytest

from engine.errors import QueryCancelled
from engine.model.queries import QueryRecord
from engine.query.log import CUT, MOST_TEXT, QueryLog
from tests.support.clock import ManualClock

CPU = 7


def log(most: int = 10) -> tuple[QueryLog, ManualClock]:
    clock = ManualClock()
    return QueryLog(clock, most), clock


def only(queries: QueryLog) -> QueryRecord:
    (record,) = queries.records(CPU)
    return record


def test_a_query_tells_how_far_it_is_and_how_long_that_took() -> None:
    queries, clock = log()
    issued_ns = clock.now_ns()
    with queries.watching(CPU, "SELECT 1") as watch:
        assert (only(queries).phase, only(queries).is_running) == ("received", True)
        clock.advance(5)
        watch.planned()
        assert (only(queries).phase, only(queries).plan_ns, only(queries).execute_ns) == ("physically_planned", 5, None)
        clock.advance(7)
    watch.ended("success")
    record = only(queries)
    assert (record.phase, record.is_running, record.issue_time_ns) == ("success", False, issued_ns)
    assert (record.plan_ns, record.execute_ns, record.end2end_ns) == (5, 7, 12)


def test_only_the_first_end_counts() -> None:
    queries, clock = log()
    with queries.watching(CPU, "SELECT 1") as watch:
        watch.ended("success")
    clock.advance(1)
    watch.ended("cancel")
    assert (only(queries).phase, only(queries).end2end_ns) == ("success", 0)


@pytest.mark.parametrize(("error", "phase"), [(ValueError("no"), "fail"), (QueryCancelled("no"), "cancel")])
def test_what_is_raised_is_a_failure_or_that_somebody_ended_it(error: Exception, phase: str) -> None:
    queries, _ = log()
    with pytest.raises(type(error)), queries.watching(CPU, "SELECT"):
        raise error
    assert only(queries).phase == phase


def test_the_last_ones_are_kept_each_for_its_database() -> None:
    queries, _ = log(most=2)
    for number, database in enumerate((CPU, 8, CPU)):
        with queries.watching(database, f"SELECT {number}"):
            pass
    assert [r.query_text for r in queries.records(CPU)] == ["SELECT 2"]
    assert [r.query_text for r in queries.records(8)] == ["SELECT 1"]


def test_texts_are_kept_as_their_kind_shows_them_and_not_without_bound() -> None:
    queries, _ = log()
    for text in ("SELECT 1", "x" * MOST_TEXT, "x" * MOST_TEXT + "y"):
        with queries.watching(CPU, text, "flightsql"):
            pass
    texts = [r.query_text.removeprefix("CommandStatementQuery ") for r in queries.records(CPU)]
    assert texts == ["SELECT 1", "x" * MOST_TEXT, "x" * MOST_TEXT + CUT]


def test_names_of_queries_differ() -> None:
    queries, _ = log()
    for _ in range(3):
        with queries.watching(CPU, "SELECT 1"):
            pass
    assert len({r.query_id for r in queries.records(CPU)}) == 3


def test_figures_tell_where_queries_are_and_how_long_they_took() -> None:
    queries, clock = log()
    with queries.watching(CPU, "SELECT 1") as watch:
        clock.advance(2_000_000)
        watch.planned()
        assert queries.figures.current() == [("physically_planned", 1), ("received", 0)]
        clock.advance(20_000_000)
    watch.ended("success")
    with pytest.raises(ValueError, match="no plan"), queries.watching(CPU, "SELEC"):
        raise ValueError("no plan")
    with queries.watching(CPU, "SELECT 2"):
        assert queries.figures.current() == [("physically_planned", 0), ("received", 1)]
    assert queries.figures.entered() == [("fail", 1), ("physically_planned", 1), ("received", 3), ("success", 1)]
    took = {name: (sum(durations.counts), durations.sum_ns) for name, durations in queries.figures.durations()}
    assert took == {"plan": (1, 2_000_000), "execute": (1, 20_000_000), "end2end": (2, 22_000_000)}
