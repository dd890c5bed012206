"""Every system table stands on its page, with its columns in their order and their types."""

from pathlib import Path

import pyarrow as pa

from engine.system_tables.registry import SYSTEM_TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "system-tables.md").read_text()

WORDS = {
    pa.string(): "text",
    pa.string_view(): "text",
    pa.bool_(): "bool",
    pa.int64(): "i64",
    pa.uint8(): "u8",
    pa.uint32(): "u32",
    pa.uint64(): "u64",
    pa.float64(): "f64",
    pa.list_(pa.string()): "list of text",
    pa.list_(pa.uint16()): "list of u16",
    pa.timestamp("ns"): "time (ns)",
    pa.timestamp("ms"): "time (ms)",
    pa.timestamp("s", "UTC"): "time (s)",
    pa.duration("ns"): "duration (ns)",
}


def line(name: str, schema: pa.Schema, only_internal: bool) -> str:
    columns = ", ".join(f"`{field.name}` {WORDS[field.type]}" for field in schema)
    return f"| `{name}` | {'`_internal`' if only_internal else 'all'} | {columns} |"


def test_each_table_is_told() -> None:
    told = [text for text in PAGE.splitlines() if text.startswith("| `")]
    tables = sorted(SYSTEM_TABLES, key=lambda table: table.name)
    assert told == [line(table.name, table.schema, table.only_internal) for table in tables]
