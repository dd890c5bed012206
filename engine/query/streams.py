"""The batches of a query's plan as they come, all with the columns that were told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.query.failures import executing, planning
from engine.query.stopping import Stop

if TYPE_CHECKING:
    from datafusion import DataFrame, RecordBatch


class PlanStream:
    """The batches of a plan that runs, all with one ``schema``, for which those of a plan that ``is_mixed`` are looked at.

    The first one is made at once, so that most failures are known before anything is answered.
    """

    def __init__(self, frame: "DataFrame", memory_told: str, stop: Stop, *, is_mixed: bool) -> None:
        self._stop = stop
        self._memory_told = memory_told
        self._is_mixed = is_mixed
        with planning():
            self._batches: Iterator[RecordBatch] = frame.execute_stream()
        self._first = stop.run(self._make)
        self.schema: pa.Schema = frame.schema() if self._first is None else self._first.schema

    def next(self) -> pa.RecordBatch | None:
        """Return the next batch, ``None`` behind the last."""
        batch, self._first = self._first, None
        if batch is None:
            batch = self._stop.run(self._make)
        return as_told(batch, self.schema) if batch is not None and self._is_mixed else batch

    def _make(self) -> pa.RecordBatch | None:
        try:
            batch = next(self._batches, None)
            return batch.to_pyarrow() if batch else None
        except BaseException:
            self._batches = iter(())  # an error that somebody keeps must not keep the plan at work
            with executing(self._memory_told):
                raise


def as_told(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with ``schema``: the sources of a union may differ in metadata."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
