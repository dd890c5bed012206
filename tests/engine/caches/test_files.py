from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.caches.files import CacheHead, SavedCache, decode_cache, encode_cache
from engine.errors import ManifestCorrupt
from engine.sealed import seal

GOLDEN = Path(__file__).parents[2] / "golden" / "cache-1.hex"
HEAD = CacheHead(11, 22, 33, 44, ("host",), None)
ROWS = pa.table(
    {"host": ["a", "ü"], "f": [1.5, None], "time": pa.array([5, 6], pa.timestamp("ns")), "on": pa.array([None, True])}
)
SAVED = SavedCache(HEAD, ROWS, np.array([7, 8]))


def assert_is_saved(found: SavedCache) -> None:
    assert found.head == HEAD
    assert found.rows.equals(ROWS)
    assert found.came_ns.tolist() == [7, 8]


def test_content_is_read_back() -> None:
    assert_is_saved(decode_cache(encode_cache(SAVED), "f"))


def test_golden_file_is_read() -> None:
    assert_is_saved(decode_cache(bytes.fromhex(GOLDEN.read_text()), "f"))


def test_no_rows_are_read_back() -> None:
    none = SavedCache(HEAD, ROWS.slice(0, 0), np.empty(0, dtype=np.int64))
    assert decode_cache(encode_cache(none), "f").rows.schema == ROWS.schema


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(encode_cache(SAVED)[:-1], id="cut"),
        pytest.param(encode_cache(SAVED)[:40] + b"\xff" + encode_cache(SAVED)[41:], id="flipped"),
        pytest.param(seal(b"I3CC", 1, b"\x90"), id="other-content"),
        pytest.param(encode_cache(SavedCache(HEAD, ROWS, np.array([7]))), id="too-few-times"),
        pytest.param(seal(b"I3CC", 2, b""), id="newer"),
    ],
)
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(ManifestCorrupt, match=r"^f "):
        decode_cache(data, "f")
