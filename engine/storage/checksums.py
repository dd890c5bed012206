"""The checksum of a whole Parquet file, made in steps that let other threads run."""

import google_crc32c

_STEP_BYTES = 1 << 20


def checksum(data: memoryview) -> int:
    """Return the CRC32C of ``data``; no other thread waits for more than a fraction of a millisecond."""
    value: int = 0
    for first in range(0, len(data), _STEP_BYTES):
        value = google_crc32c.extend(value, bytes(data[first : first + _STEP_BYTES]))
    return value
