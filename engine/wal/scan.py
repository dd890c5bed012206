"""Reads a segment by columns: the heads of many frames and records at once, where an object for each would take minutes.

What is not plain – damage, the end of the log, a newer version – is left to ``FrameCodec`` and ``decode_records``.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c
import numpy as np
import numpy.typing as npt

from engine.wal.format import Kind, PayloadAt, check_kind, payloads_at
from engine.wal.frames import CHECKED_FROM, FRAME_ALIGN, FRAME_MAGIC_WORD, VERSION, Frame, FrameCodec
from engine.wal.ports import PAYLOADS, RowsBlock

PIECE_BYTES = 4 << 20
"""About so much is looked through at once."""

Offsets = npt.NDArray[np.int64]
Blocks = npt.NDArray[np.uint64]
Payloads = npt.NDArray[np.void]

_WORDS = FRAME_ALIGN // 8
"""Everything is read as rows of so many little-endian numbers of 64 bits, which is how frames and records are laid out."""

_LOW_32 = np.uint64(0xFFFFFFFF)
_BITS_32 = np.uint64(32)
_BYTE = np.uint64(0xFF)
_KIND_AND_FLAGS = np.uint64(0xFFFF)

_LENGTH = struct.Struct("<Q")
_LENGTH_AT = 24
_FEW = 16


@dataclass(frozen=True, slots=True)
class FrameRun:
    """Good frames that follow each other; ``starts`` and ``ends`` are those of their records."""

    starts: Offsets
    ends: Offsets
    firsts: Offsets
    counts: Offsets

    @property
    def end(self) -> int:
        """Return where the next frame stands."""
        return int(self.ends[-1])

    @property
    def last_position(self) -> int:
        """Return the position of the last record."""
        return int(self.firsts[-1] + self.counts[-1] - 1)


@dataclass(frozen=True, slots=True)
class RecordRun:
    """The records of a run of frames.

    Attributes:
        payloads: all row payloads, those of commits too, in the order of the log (``PAYLOADS``).
        others: (start, end) of each record that is not plain rows.
    """

    payloads: Payloads
    others: Sequence[tuple[int, int]]


def read_frames(codec: FrameCodec, view: memoryview, offset: int, end: int, after: int) -> FrameRun | None:
    """Return the good frames from ``offset`` on, about ``PIECE_BYTES`` of them, none of which goes past ``end``.

    Their positions rise, and are above ``after``. ``None``: whatever stands at ``offset``, it is no such frame.
    """
    blocks = _blocks(view, offset, min(end, offset + PIECE_BYTES))
    places = np.flatnonzero((blocks[:, 0] & _LOW_32) == FRAME_MAGIC_WORD)
    heads, offsets = blocks[places], offset + places * FRAME_ALIGN
    mine = (heads[:, 4] == offsets) & (heads[:, 5] == codec.mark_word) & ((heads[:, 1] & _BYTE) <= VERSION)
    heads, offsets = heads[mine], offsets[mine]
    starts, lengths, firsts = offsets + FRAME_ALIGN, heads[:, 2].astype(np.int64), heads[:, 3].astype(np.int64)
    counts = (heads[:, 1] >> _BITS_32).astype(np.int64)
    ends, lasts = starts + lengths, firsts + counts - 1
    fits = (lengths >= 0) & (lengths <= end - starts)
    follows = np.concatenate(([offset], ends[:-1])) == offsets
    rises = firsts > np.concatenate(([after], lasts[:-1]))
    good = _leading(fits & follows & rises)
    checksums = (heads[:good, 0] >> _BITS_32).astype(np.uint32)
    good = _leading(_checksums(codec, view, offsets[:good], ends[:good]) == checksums)
    if good == 0:
        return None
    return FrameRun(starts[:good], ends[:good], firsts[:good], counts[:good])


def one_frame(frame: Frame) -> FrameRun:
    """Return a single frame as a run."""
    return FrameRun(
        *(np.array([n], np.int64) for n in (frame.start, frame.end, frame.first_position, frame.record_count))
    )


def read_records(view: memoryview, frames: FrameRun, after: int = 0) -> RecordRun:
    """Return the records of ``frames`` above the position ``after``.

    Raises:
        StorageError: a newer version wrote a record of a kind that this one does not know.
    """
    base = int(frames.starts[0])
    blocks = _blocks(view, base, frames.end)
    places = _record_places(view, blocks, frames)
    heads = blocks[places]
    if int(heads[0, 2]) <= after:
        wanted = heads[:, 2] > after
        places, heads = places[wanted], heads[wanted]
    kinds = heads[:, 0] & _KIND_AND_FLAGS
    is_rows = kinds == int(Kind.ROWS)
    if is_rows.all():
        return RecordRun(_plain_payloads(blocks, places, heads, base), ())
    for word in np.unique(kinds).tolist():
        check_kind(word & 0xFF, word >> 8)
    starts = base + places[~is_rows] * FRAME_ALIGN
    others = list(zip(starts.tolist(), (starts + heads[~is_rows, 3].astype(np.int64)).tolist(), strict=True))
    payloads = _plain_payloads(blocks, places[is_rows], heads[is_rows], base)
    return RecordRun(_merged(payloads, [p for start, _ in others for p in payloads_at(view, start)]), others)


def by_table(view: memoryview, payloads: Payloads) -> list[RowsBlock]:
    """Return ``payloads`` of the segment ``view`` as a block for each table, in which they keep their order."""
    if not len(payloads):
        return []
    table_ids = payloads["table_id"]
    if (table_ids == table_ids[0]).all():
        return [RowsBlock(int(table_ids[0]), view, payloads)]
    ordered = payloads[np.argsort(table_ids, kind="stable")]
    cuts = np.flatnonzero(np.diff(ordered["table_id"])) + 1
    return [RowsBlock(int(part["table_id"][0]), view, part) for part in np.split(ordered, cuts)]


def _blocks(view: memoryview, start: int, end: int) -> Blocks:
    count = (end - start) // FRAME_ALIGN
    return np.frombuffer(view, "<u8", count * _WORDS, start).reshape(count, _WORDS)


def _leading(good: npt.NDArray[np.bool_]) -> int:
    """Return how many of ``good`` are true before the first that is not."""
    return len(good) if good.all() else int(np.argmin(good))


def _checksums(codec: FrameCodec, view: memoryview, offsets: Offsets, ends: Offsets) -> npt.NDArray[np.uint32]:
    if not len(offsets):
        return np.empty(0, np.uint32)
    base = int(offsets[0])
    data = bytes(view[base : int(ends[-1])])
    seed, extend = codec.seed, google_crc32c.extend
    spans = zip((offsets - base + CHECKED_FROM).tolist(), (ends - base).tolist(), strict=True)
    return np.array([extend(seed, data[begin:end]) for begin, end in spans], np.uint32)


def _record_places(view: memoryview, blocks: Blocks, frames: FrameRun) -> Offsets:
    """Return in order the number of the block, counted from the first record, in which each record begins.

    Records are found level by level, the first ones of all frames at once, as long as many frames have more.
    """
    base = int(frames.starts[0])
    at, left = frames.starts, frames.counts
    found = [at]
    while (more := left > 1).sum() >= _FEW:
        at, left = at[more], left[more] - 1
        at = at + blocks[(at - base) // FRAME_ALIGN, 3].astype(np.int64)
        found.append(at)
    for start, count in zip(at[more].tolist(), left[more].tolist(), strict=True):
        found.append(_behind(view, start, count - 1))
    offsets = np.sort(np.concatenate(found)) if len(found) > 1 else at
    places: Offsets = (offsets - base) // FRAME_ALIGN
    return places


def _behind(view: memoryview, start: int, count: int) -> Offsets:
    """Return where the ``count`` records behind the one at ``start`` begin."""
    read = _LENGTH.unpack_from
    found = []
    for _ in range(count):
        start += read(view, start + _LENGTH_AT)[0]
        found.append(start)
    return np.array(found, np.int64)


def _plain_payloads(blocks: Blocks, places: Offsets, heads: Blocks, base: int) -> Payloads:
    """Return the payloads of records that are plain rows; the description of each goes on in its second block."""
    rest = blocks[places + 1, 0]
    payloads = np.empty(len(heads), PAYLOADS)
    payloads["position"] = heads[:, 2]
    payloads["table_id"] = heads[:, 4]
    payloads["offset"] = heads[:, 5] + (base + places * FRAME_ALIGN).astype(np.uint64)
    payloads["length"] = heads[:, 6]
    payloads["version"] = heads[:, 7] & _LOW_32
    payloads["row_count"] = heads[:, 7] >> _BITS_32
    payloads["encoding"] = rest & _BYTE
    payloads["chain"] = rest >> _BITS_32
    return payloads


def _merged(payloads: Payloads, more: Sequence[PayloadAt]) -> Payloads:
    """Return the payloads of plain records and those of commits in the order of the log."""
    if not more:
        return payloads
    rows = [
        (p.position, p.table_id, p.offset, p.length, p.version, p.row_count, p.encoding, len(p.chain)) for p in more
    ]
    both = np.concatenate((payloads, np.array(rows, PAYLOADS)))
    return both[np.argsort(both["offset"], kind="stable")]
