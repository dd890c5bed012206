"""Splits rows by the time window (chunk) that they belong to."""

import itertools

import numpy as np
import pyarrow as pa

from engine.model.schema import TIME_COLUMN


def split_by_window(batch: pa.RecordBatch, window_ns: int) -> list[tuple[int, pa.RecordBatch]]:
    """Return (start of the window in ns, its rows in their order) for each window that ``batch`` touches."""
    if batch.num_rows == 0:
        return []
    time = batch.column(TIME_COLUMN).cast(pa.int64()).to_numpy(zero_copy_only=False)
    windows = time // window_ns
    low, high = int(windows.min()), int(windows.max())
    if low == high:
        return [(low * window_ns, batch)]
    order = np.argsort(windows, kind="stable")
    ordered = windows[order]
    cuts = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(order)]
    gathered = batch.take(pa.array(order))
    return [
        (int(ordered[start]) * window_ns, gathered.slice(start, end - start)) for start, end in itertools.pairwise(cuts)
    ]
