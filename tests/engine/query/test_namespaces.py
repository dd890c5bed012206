from typing import Any

import pytest

from engine.errors import QueryError
from engine.query.namespaces import USER_SCHEMA, Call, Names


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        pytest.param("SELECT 1", [], id="nothing"),
        pytest.param("SELECT * FROM cpu", ["cpu"], id="a table"),
        pytest.param("select * from CPU", ["cpu"], id="names without quotes are small"),
        pytest.param('SELECT * FROM "C p,u" WHERE a = 1', ["C p,u"], id="a quoted name"),
        pytest.param("SELECT * FROM a JOIN b ON a.x = b.x", ["a", "b"], id="a join"),
        pytest.param("SELECT * FROM system.queries", [], id="another schema"),
        pytest.param('SELECT * FROM iox."cpu"', [], id="a schema before quotes"),
        pytest.param("SELECT * FROM last_cache('a', 'b')", [Call("last_cache", "a", "b")], id="a cache by name"),
        pytest.param("SELECT * FROM distinct_cache( 'a' )", [Call("distinct_cache", "a", None)], id="the only cache"),
        pytest.param("SELECT * FROM last_cache(1)", [], id="what is refused anyway"),
    ],
)
def test_names_are_guessed_from_the_text(sql: str, asked: list[Any]) -> None:
    found: list[Any] = []

    def find(schema: str, name: str) -> None:
        assert schema == USER_SCHEMA
        found.append(name)

    def call(wanted: Call) -> Any:
        found.append(wanted)
        return "rows"

    names = Names()
    names.guess(sql, find, call)
    assert found == asked
    assert not names.is_incomplete


def test_a_guess_that_is_refused_is_asked_once_more() -> None:
    def call(wanted: Call) -> Any:
        raise QueryError("no such cache")

    names = Names()
    names.guess("SELECT * FROM cpu -- last_cache('cpu')", lambda schema, name: None, call)
    assert (names.results, names.is_incomplete) == ({}, False)
