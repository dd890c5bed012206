"""The reference of SQL functions, as the query engine lists them."""

from typing import Any

from docs.generator.markdown import code, first_sentence, prose, table
from docs.generator.running import running_engine
from engine.query.functions.statement import FUNCTIONS

_SQL = """
SELECT routine_name AS name, lower(function_type) AS kind, max(description) AS text, max(syntax_example) AS syntax
FROM information_schema.routines GROUP BY 1, 2 ORDER BY 2, 1
"""
_KINDS = {"aggregate": "Aggregate functions", "window": "Window functions", "scalar": "Functions of one row"}


def listed() -> list[dict[str, Any]]:
    """Return name, kind, description and syntax of each function that a query may call."""
    with running_engine() as engine:
        engine.tables.create_database("docs")
        with engine.query("docs", _SQL, {}) as result:
            return [row for batch in result.batches for row in batch.to_pylist()]


def markdown() -> str:
    """Return a table for each kind of functions."""
    rows = listed()
    return "\n\n".join(f"## {title}\n\n{_table(rows, kind)}" for kind, title in _KINDS.items())


def _table(rows: list[dict[str, Any]], kind: str) -> str:
    names = {row["name"] for row in rows}
    return table(
        ("Function", "Call", "Meaning"),
        [_row(row, names) for row in rows if row["kind"] == kind and row["name"] not in FUNCTIONS],
    )


def _row(row: dict[str, Any], names: set[str]) -> tuple[str, str, str]:
    call = row["syntax"] or f"{row['name']}(…)"
    called = call.partition("(")[0]
    if called != row["name"] and called in names:
        return code(row["name"]), "", f"Another name of {code(called)}."
    return code(row["name"]), code(call), prose(first_sentence(row["text"] or ""))
