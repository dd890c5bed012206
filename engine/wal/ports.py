"""What the log is given, what it tells, and what it needs of others."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from engine.errors import EngineError
from engine.wal.format import Record, SchemaRecord


class GenerationClosed(EngineError):
    """The trigger was disabled, deleted or changed meanwhile: nothing of this run is kept."""

    def __init__(self, trigger_id: int, generation: int) -> None:
        super().__init__(f"generation {generation} of trigger {trigger_id} is closed")
        self.trigger_id = trigger_id
        self.generation = generation


class TableGone(EngineError):
    """The table was deleted meanwhile: whoever writes to it has to look it up again."""

    def __init__(self, table_id: int) -> None:
        super().__init__(f"table {table_id} was deleted")
        self.table_id = table_id


@dataclass(frozen=True, slots=True)
class Entry:
    """Records that go to the log together: all of them stand in one frame.

    Attributes:
        admit: called in the writer's thread just before the frame is made; what it raises refuses this entry alone.
        lazy: nobody waits for it; it goes with the next group, at the latest after ``WalConfig.lazy_ns``.
        no_sync: its future resolves as soon as it is written, before the sync.
    """

    records: Sequence[Record]
    admit: Callable[[], None] | None = None
    lazy: bool = False
    no_sync: bool = False


class Source(Protocol):
    """Whoever gathers what it has for the log until the log's writer is ready for the next group."""

    def take(self) -> Sequence[tuple[Entry, "Future[tuple[int, ...]]"]]:
        """Return what waits, each with a running future for what ``Wal.append`` returns; called in the writer's thread.

        It must not raise and not wait for the log.
        """

    def refuse(self, error: EngineError) -> None:
        """Learn that nothing that waits will be taken any more."""


class PayloadLocation(msgspec.Struct, frozen=True, gc=False):
    """Where the data of a row payload stands: ``length`` bytes at ``offset`` of the file ``path``, for whoever maps it."""

    path: str
    offset: int
    length: int


class DurableRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that no crash takes away; ``locations`` has one item per row payload."""

    position: int
    record: Record
    locations: tuple[PayloadLocation, ...]


class RowsRef(msgspec.Struct, frozen=True, gc=False):
    """A row payload as the log's index knows it; fields as in ``RowsPayload``, ``position`` that of its record."""

    position: int
    table_id: int
    version: int
    row_count: int
    encoding: int
    chain: tuple[int, ...]
    location: PayloadLocation


PAYLOADS = np.dtype(
    [
        ("position", "<u8"),
        ("table_id", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("version", "<u4"),
        ("row_count", "<u4"),
        ("encoding", "<u4"),
        ("chain", "<u4"),
    ]
)
"""A row payload as a row, as ``PayloadAt`` is an object; ``offset`` counts from the beginning of the segment."""


@dataclass(frozen=True, slots=True, eq=False)
class RowsBlock:
    """Many row payloads of one table in the order of the log, as a replay finds them.

    Attributes:
        view: the mapped segment.
        payloads: a row for each (``PAYLOADS``); ``chain`` is the length of its chain.
    """

    table_id: int
    view: memoryview
    payloads: npt.NDArray[np.void]

    @property
    def row_count(self) -> int:
        """Return how many rows there are."""
        return int(self.payloads["row_count"].sum())

    @property
    def data_bytes(self) -> int:
        """Return how long the data of all payloads is."""
        return int(self.payloads["length"].sum())

    def behind(self, position: int) -> "RowsBlock":
        """Return those above ``position``."""
        if not len(self.payloads) or int(self.payloads["position"][0]) > position:
            return self
        return RowsBlock(self.table_id, self.view, self.payloads[self.payloads["position"] > position])

    def parts(self) -> Iterator[tuple[int, memoryview, int]]:
        """Yield encoding, data and schema version of each."""
        p, view = self.payloads, self.view
        ends = (p["offset"] + p["length"]).tolist()
        for encoding, start, end, version in zip(
            p["encoding"].tolist(), p["offset"].tolist(), ends, p["version"].tolist(), strict=True
        ):
            yield encoding, view[start:end], version


class FlushObserver(Protocol):
    """Is told what became durable."""

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """Take the records of one frame.

        Called in the writer's thread after the sync, in the order of the log, before the futures of the frame resolve.
        While it runs, nothing is written; it must not wait for the log.
        """


class FramePlanner(Protocol):
    """Knows which schema records the log lacks."""

    def before_group(self, entries: Sequence[Entry]) -> Sequence[SchemaRecord]:
        """Return the schema records that must stand before ``entries``; called in the writer's thread."""

    def group_done(self, ok: bool) -> None:
        """Learn whether what ``before_group`` returned is durable; if not, it is to be planned again."""


class NoPlanner:
    """For a log whose entries bring their schema records themselves."""

    def before_group(self, entries: Sequence[Entry]) -> Sequence[SchemaRecord]:
        """See ``FramePlanner``."""
        return ()

    def group_done(self, ok: bool) -> None:
        """See ``FramePlanner``."""


@dataclass(frozen=True, slots=True)
class WalConfig:
    """How the log is kept.

    Attributes:
        segment_bytes: a segment is sealed before it grows past this; the space is reserved when it is begun.
        frame_bytes: a group that waits is split when it is larger (an entry never is).
        waiting_bytes: more than this does not wait; further entries are refused.
        lazy_ns: how long a lazy entry may wait for company.
        cached_indexes: of how many sealed segments the index stays in memory.
    """

    segment_bytes: int = 64 << 20
    frame_bytes: int = 8 << 20
    waiting_bytes: int = 256 << 20
    lazy_ns: int = 100_000_000
    cached_indexes: int = 8
