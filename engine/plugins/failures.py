"""What plugins are told of their queries and writes that fail, in the words that they know from InfluxDB 3."""

from engine.errors import DatabaseNameError, EngineError, QueryError, QueryFailed

_EXECUTION = "error while executing plan: "


def query_failure(cause: EngineError, database: str, sql: str) -> QueryError:
    """Return the error of a query in ``database`` that failed by ``cause``."""
    text = str(cause).removeprefix("query error: ")
    if isinstance(cause, QueryError | QueryFailed) and not text.startswith(_EXECUTION):
        text = f"error while planning query: {text}"
    return QueryError(f"error: {text} executing query on {database}: {sql}")


def write_failure(cause: EngineError) -> str:
    """Return why nothing was written; the name of the database, or what stands in the lines."""
    return f"invalid database name: {cause}" if isinstance(cause, DatabaseNameError) else f"Cannot write: {cause}"
