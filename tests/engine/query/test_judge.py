import pytest
from datafusion import SessionContext

from engine.query.judge import holds_memory, is_tireless, mixes_sources

A, B = "generate_series(1, 9) a(v)", "generate_series(1, 9) b(v)"


@pytest.fixture(scope="module")
def context() -> SessionContext:
    return SessionContext()


def judged(context: SessionContext, sql: str) -> bool:
    return is_tireless(context.sql(sql).logical_plan().display_indent())


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM {A} CROSS JOIN {B}",
        f"SELECT count(*) FROM {A}, {B}",
        f"SELECT count(*) FROM {A} JOIN {B} ON a.v = b.v",
        f"SELECT count(*) FROM {A} LEFT JOIN {B} ON a.v < b.v",
        f"SELECT count(*) FROM {A} FULL JOIN {B} ON a.v < b.v",
        f"SELECT v FROM {A} WHERE EXISTS (SELECT 1 FROM {B} WHERE a.v < b.v)",
        f"SELECT v FROM {A} WHERE v IN (SELECT v FROM {B})",
        f"SELECT v FROM {A} INTERSECT SELECT v FROM {B}",
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t",
        f"SELECT unnest([1, 2, v]) FROM {A}",
        f"SELECT repeat('a', v) FROM {A}",
        f"SELECT rpad('a', v) FROM {A}",
        f"SELECT array_length(range(1, v)) FROM {A}",
        f"SELECT array_length(generate_series(1, v)) FROM {A}",
        f"SELECT array_length(array_resize([1], v)) FROM {A}",
        f"SELECT median(v) OVER (ORDER BY v ROWS BETWEEN 10 PRECEDING AND 10 FOLLOWING) FROM {A}",
        f"SELECT array_agg(v) OVER (ORDER BY v) FROM {A}",
        f"EXPLAIN ANALYZE SELECT count(*) FROM {A} CROSS JOIN {B}",
    ],
)
def test_what_may_never_pause(context: SessionContext, sql: str) -> None:
    assert judged(context, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        f"SELECT v, count(*) FROM {A} WHERE v > 3 GROUP BY v ORDER BY v LIMIT 3",
        f"SELECT v FROM {A} UNION ALL SELECT v FROM {B}",
        f"SELECT lag(v) OVER (ORDER BY v), sum(v) OVER (PARTITION BY v % 2) FROM {A}",
        f"SELECT regexp_like(CAST(v AS VARCHAR), '(a*)*x$') FROM {A}",
        f"SELECT 'Cross Join:' FROM {A}",
        f"SELECT last_value(v ORDER BY v) FROM {A}",
    ],
)
def test_what_pauses(context: SessionContext, sql: str) -> None:
    assert not judged(context, sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT v FROM {A} WHERE v > 3", False),
        (f"SELECT count(*), max(v), avg(v) FROM {A}", False),
        (f"SELECT v FROM {A} UNION ALL SELECT v FROM {B} LIMIT 3", False),
        (f"SELECT v FROM {A} ORDER BY v", True),
        (f"SELECT v, count(*) FROM {A} GROUP BY v", True),
        (f"SELECT count(DISTINCT v) FROM {A}", True),
        (f"SELECT DISTINCT v FROM {A}", True),
        (f"SELECT median(v) FROM {A}", True),
        (f"SELECT lag(v) OVER (ORDER BY v) FROM {A}", True),
        (f"SELECT count(*) FROM {A}, {B}", True),
    ],
)
def test_what_holds_memory(context: SessionContext, sql: str, expected: bool) -> None:
    assert holds_memory(context.sql(sql).logical_plan().display_indent()) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"SELECT v FROM {A} UNION ALL SELECT v FROM {B}", True),
        (f"SELECT v FROM {A} WHERE v IN (SELECT v FROM {B} UNION SELECT 1)", True),
        ("WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT count(*) FROM t", True),
        (f"SELECT a.v FROM {A} JOIN {B} ON a.v = b.v", False),
        (f'SELECT v AS "Union" FROM {A}', False),
    ],
)
def test_what_mixes_sources(context: SessionContext, sql: str, expected: bool) -> None:
    assert mixes_sources(context.sql(sql).logical_plan().display_indent()) == expected
