"""Rows that queries read from memory."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LiveRows:
    """The rows of a table that queries do not read from files, at one moment.

    While no row comes, all views have the same object, so what somebody makes of it may be kept as long as it lives.
    """

    batches: tuple[pa.RecordBatch, ...]
