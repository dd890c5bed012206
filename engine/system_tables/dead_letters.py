"""The system table of work that was given up and waits for somebody to retry or delete it."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.columns import compute as pc
from engine.system_tables.ports import SystemSources

TEXT = pa.string()
TIMESTAMP = pa.timestamp("ns")

DEAD_LETTERS = pa.schema(
    [
        ("id", TEXT),
        ("time", TIMESTAMP),
        ("trigger_name", TEXT),
        ("state", TEXT),
        ("kind", TEXT),
        ("table_name", TEXT),
        ("rows", pa.int64()),
        ("attempts", pa.int64()),
        ("error", TEXT),
        ("traceback", TEXT),
        ("input", TEXT),
        ("due", TIMESTAMP),
        ("run_id", TEXT),
        ("plugin_filename", TEXT),
        ("database_name", TEXT),
    ]
)
DONE_WITH = ("retried", "deleted")


def dead_letters(sources: SystemSources, database: Database) -> pa.Table:
    """Return the dead letters that nobody has retried or deleted, the oldest first."""
    stored = sources.internal_rows("processing_engine_dead_letters", None if database.is_internal else database.name)
    if stored is None:
        return DEAD_LETTERS.empty_table()
    ids = stored["time"].cast(TIMESTAMP).cast(pa.int64())
    given = {name: stored[name] for name in stored.column_names} | {"id": ids.cast(TEXT)}
    columns = [given[f.name].cast(f.type) if f.name in given else pa.nulls(len(stored), f.type) for f in DEAD_LETTERS]
    whole = pa.Table.from_arrays(columns, schema=DEAD_LETTERS)
    is_first = pc.is_valid(whole["attempts"])
    is_open = pc.invert(pc.is_in(whole["state"], pa.array(DONE_WITH)))
    letters = whole.filter(pc.and_(is_first, is_open)).sort_by([("time", "ascending")])
    pieces = whole.filter(pc.invert(is_first)).select(["id", "input"])
    return _with_pieces(letters, pieces) if len(pieces) else letters


def _with_pieces(letters: pa.Table, pieces: pa.Table) -> pa.Table:
    """Return ``letters`` with the rest of inputs that were too long for one row: in the rows right behind them."""
    texts = dict(zip((int(i) for i in pieces["id"].to_pylist()), pieces["input"].to_pylist(), strict=True))
    inputs = []
    for letter_id, text in zip(letters["id"].to_pylist(), letters["input"].to_pylist(), strict=True):
        joined, at = [text], int(letter_id) + 1
        while at in texts:
            joined.append(texts[at])
            at += 1
        inputs.append("".join(joined))
    at_column = letters.schema.get_field_index("input")
    return letters.set_column(at_column, DEAD_LETTERS.field("input"), pa.array(inputs, TEXT))
