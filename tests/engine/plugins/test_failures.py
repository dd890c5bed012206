import pytest

from engine.errors import DatabaseNameError, DatabaseNotFound, EngineError, InvalidRequest, QueryError, QueryFailed
from engine.plugins.failures import query_failure, write_failure


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        pytest.param(
            QueryError("Error during planning: table 'x' not found"),
            "error while planning query: Error during planning: table 'x' not found",
            id="B6.7",
        ),
        pytest.param(
            QueryFailed("Schema error: No field named x"),
            "error while planning query: Schema error: No field named x",
            id="a column",
        ),
        pytest.param(
            QueryFailed("query error: error while executing plan: Divide by zero"),
            "error while executing plan: Divide by zero",
            id="a plan that runs",
        ),
        pytest.param(DatabaseNotFound("database not found: foo"), "database not found: foo", id="4.4"),
    ],
)
def test_a_failed_query_names_its_step_its_database_and_itself(cause: EngineError, text: str) -> None:
    assert str(query_failure(cause, "foo", "SELECT 1")) == f"error: {text} executing query on foo: SELECT 1"


def test_a_failed_write_says_whether_the_name_or_the_lines_are_wrong() -> None:
    assert write_failure(DatabaseNameError("no such name")) == "invalid database name: no such name"
    assert write_failure(InvalidRequest("incoming write was empty")) == "Cannot write: incoming write was empty"
