"""The system table of the tokens, without their texts."""

import pyarrow as pa

from engine.catalog.state import Database
from engine.system_tables.ports import SystemSources

HASH_DIGITS_SHOWN = 9
_NS_PER_MS = 1_000_000

TOKENS = pa.schema(
    [
        ("token_id", pa.uint64()),
        ("name", pa.string_view()),
        ("hash", pa.string_view()),
        ("created_at", pa.timestamp("ms")),
        ("description", pa.string_view()),
        ("created_by_token_id", pa.uint64()),
        ("updated_at", pa.timestamp("ms")),
        ("updated_by_token_id", pa.uint64()),
        ("expiry", pa.timestamp("ms")),
        ("permissions", pa.string_view()),
    ]
)


def tokens(sources: SystemSources, database: Database) -> pa.Table:
    """Return all tokens, of their hashes only the beginning; none has a description."""
    rows = [
        {
            "token_id": t.token_id,
            "name": t.name,
            "hash": t.hash[:HASH_DIGITS_SHOWN],
            "created_at": _ms(t.created_ns),
            "created_by_token_id": t.created_by,
            "updated_at": _ms(t.updated_ns),
            "updated_by_token_id": t.updated_by,
            "expiry": _ms(t.expires_ns),
            "permissions": "*:*:*",
        }
        for t in sources.catalog().tokens
    ]
    return pa.Table.from_pylist(rows, schema=TOKENS)


def _ms(time_ns: int | None) -> int | None:
    return None if time_ns is None else time_ns // _NS_PER_MS
