import pytest

from engine.errors import QueryError
from engine.query.sql_text import bind_table_names, check_work, decodes_late, show_target, tokens


@pytest.mark.parametrize(
    ("sql", "texts"),
    [
        ("SELECT a.b, 'it''s' -- no", ["SELECT", "A", ".", "B", ",", "'it''s'"]),
        ('"a""b" /* x /* y */ z */ 1.5e3', ['"a""b"', "1.5e3"]),
        ("$x $1 $$ $y $$ $t$ ' $t$", ["$x", "$1", "$$ $y $$", "$t$ ' $t$"]),
        ("E'\\'' || e'x'", ["E'\\''", "||", "e'x'"]),
        ("a::int /* open", ["A", "::", "INT"]),
        ("'open", ["'open"]),
    ],
)
def test_texts_strings_and_comments_are_told_apart(sql: str, texts: list[str]) -> None:
    assert [token.text for token in tokens(sql)] == texts


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param("SELECT * FROM cpu WHERE host = 'a'", True, id="rows"),
        pytest.param("select * from cpu where host = 'a' order by time desc limit 1", True, id="the newest row"),
        pytest.param("SELECT * FROM cpu", False, id="no filter"),
        pytest.param("SELECT * FROM cpu ORDER  BY time DESC LIMIT 1", False, id="the newest row of all"),
        pytest.param('SELECT * FROM cpu ORDER BY "time" LIMIT 1', False, id="the oldest row of all"),
        pytest.param("SELECT * FROM cpu ORDER BY usage DESC LIMIT 1", True, id="the largest value"),
        pytest.param("SELECT * FROM cpu order by timed LIMIT 1", True, id="another column"),
        pytest.param("SELECT host, max(f) FROM cpu WHERE f > 1 GROUP BY host", False, id="groups"),
        pytest.param(
            "SELECT host, max(f) FROM (SELECT * FROM cpu WHERE f > 1 ORDER BY time DESC LIMIT 9) GROUP\nBY 1",
            True,
            id="both",
        ),
        pytest.param("SELECT somewhere FROM groups", False, id="parts of words"),
    ],
)
def test_when_the_rest_of_a_row_is_decoded_late(sql: str, expected: bool) -> None:
    assert decodes_late(sql, lambda: False) is expected


def test_groups_of_texts_are_decoded_late() -> None:
    grouped = "SELECT host, max(message) FROM logs {} GROUP BY host"
    assert decodes_late(grouped.format("WHERE level = 'error'"), lambda: True)
    assert not decodes_late(grouped.format(""), lambda: True)


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("SELECT $t FROM $t WHERE x = $t", 'SELECT $t FROM "my ""t" WHERE x = $t'),
        (
            "SELECT * FROM $t, $u AS x JOIN $t ON $u = 1, $u",
            'SELECT * FROM "my ""t", "U" AS x JOIN "my ""t" ON $u = 1, "U"',
        ),
        ("SELECT * FROM iox.$u WHERE a IN ($t, $u)", 'SELECT * FROM iox."U" WHERE a IN ($t, $u)'),
        (
            "SELECT extract(hour FROM $t), substring($t FROM $u) FROM $u",
            'SELECT extract(hour FROM $t), substring($t FROM $u) FROM "U"',
        ),
        ("SELECT a IS DISTINCT FROM $t, $u", "SELECT a IS DISTINCT FROM $t, $u"),
        ("SELECT * FROM ($t JOIN $u USING (x))", 'SELECT * FROM ("my ""t" JOIN "U" USING (x))'),
        (
            "SELECT * FROM (SELECT $t, $u FROM $u) GROUP BY $t, $u",
            'SELECT * FROM (SELECT $t, $u FROM "U") GROUP BY $t, $u',
        ),
        ("SELECT * FROM range(1, $u), $u", 'SELECT * FROM range(1, $u), "U"'),
        ("SHOW COLUMNS FROM $u", 'SHOW COLUMNS FROM "U"'),
        ("DESCRIBE $u", 'DESCRIBE "U"'),
        ("SELECT '$u' FROM \"$u\" /* FROM $u */ -- FROM $u", "SELECT '$u' FROM \"$u\" /* FROM $u */ -- FROM $u"),
        ("SELECT * FROM $missing, $number", "SELECT * FROM $missing, $number"),
        ("SELECT 1 FROM $u UNION SELECT $u, $t FROM $t", 'SELECT 1 FROM "U" UNION SELECT $u, $t FROM "my ""t"'),
        ("", ""),
    ],
)
def test_only_names_of_tables_are_bound(sql: str, bound: str) -> None:
    assert bind_table_names(sql, {"t": 'my "t', "u": "U", "number": 3}) == bound


@pytest.mark.parametrize(
    ("sql", "target"),
    [
        ("SHOW TABLES", "TABLES"),
        (" /* x */ show\ncolumns FROM t", "COLUMNS"),
        ("SELECT 1", None),
        ("SHOW", None),
        ("", None),
    ],
)
def test_what_is_shown_is_read_from_the_first_words(sql: str, target: str | None) -> None:
    assert show_target(sql) == target


def many(text: str, times: int, between: str = " ") -> str:
    return between.join(text.replace("#", str(number)) for number in range(times))


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT 1 WHERE {many('1=#', 6000, ' AND ')}", id="conditions"),
        pytest.param(many("SELECT 1", 1100, " UNION ALL "), id="unions"),
        pytest.param(f"SELECT 1 FROM {many('(SELECT 1) t#', 400, ', ')}", id="derived tables"),
        pytest.param(f"SELECT 1 FROM {many('a_long_table_name_#', 400, ' JOIN ')}", id="joins"),
        pytest.param(f"WITH {many('a# AS (SELECT 1)', 1100, ', ')} SELECT 1", id="common table expressions"),
        pytest.param(f"SELECT 1{many('::int', 3100, '')}", id="casts"),
    ],
)
def test_texts_whose_plans_would_be_too_deep_are_refused(sql: str) -> None:
    with pytest.raises(QueryError, match="Error during planning: the statement holds too many"):
        check_work(sql)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT 1 WHERE x IN ({many('#', 50_000, ', ')})", id="a long list"),
        pytest.param(f"VALUES {many('(1, 2)', 10_000, ', ')}", id="many rows"),
        pytest.param(f"SELECT * FROM (VALUES {many('(1, 2)', 10_000, ', ')}) t", id="many rows of a table"),
        pytest.param(f"SELECT {many('column_# AS a#', 1_000, ', ')} FROM t", id="many columns"),
        pytest.param(f"SELECT '{many('x AND', 9_000)}'", id="a long string"),
        pytest.param(f"SELECT 1 WHERE {many('x=#', 1_400, ' OR ')}", id="many conditions"),
    ],
)
def test_long_texts_that_stay_flat_are_accepted(sql: str) -> None:
    check_work(sql)
