"""Keeps memory, log and files within their limits: snapshots when the buffer is full, lets segments go, compacts files."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from engine.clock import Clock
from engine.errors import DiskFull, EngineError, ObjectStoreAway, OwnershipLost, Unavailable
from engine.storage.compaction import Compaction
from engine.storage.manifest import Manifest
from engine.storage.pace import Pace
from engine.storage.space import DiskSpace, Space
from engine.storage.store import Store
from engine.storage.truncation import LogRetention, Reader, SealedSegment, decide_truncation
from engine.wal.wal import Wal

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
AGAIN_S = 5.0
MAKE_ROOM_EVERY_NS = 10_000_000_000
"""While the disk has little room, rows leave the log as often as this."""

COMPACT_EVERY_S = 2.0
"""So long nobody looks for files to compact after there were none."""

REST_S = 0.05
"""So long a compaction rests at least after each step, otherwise as long as the step took: half a core is left alone."""

FAILED_REST_S = 30.0
"""So long it rests after a step that failed."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MaintenanceConfig:
    """When the store is looked after.

    Attributes:
        buffer_bytes: a buffer of this size is written to Parquet, a smaller one where the disk has little room.
        retention: how much of the log is kept.
        expiry_check_ns: so often files are looked for all of whose rows are too old.
    """

    buffer_bytes: int
    retention: LogRetention
    expiry_check_ns: int = 2**63


@dataclass(frozen=True, slots=True)
class TriggerSide:
    """What the triggers know that storage does not.

    ``idle_low``: see ``Consumers.checkpoint``. ``readers``: the consumers that the log is kept for. ``missed``: is told
    (trigger id, position up to which the log goes) before rows go that a trigger has not read.
    """

    idle_low: Callable[[int], int | None]
    readers: Callable[[], Iterable[Reader]]
    missed: Callable[[int, int], None]


def _nothing() -> None:
    """Have nothing to do."""


class Maintenance:
    """Snapshots and truncates; ``tick`` decides, a thread calls it.

    ``look_after`` is called with each tick, for what else has its time. ``before_snapshot`` is called before each snapshot:
    others too may hold what the log need not hold any more.
    """

    def __init__(
        self,
        store: Store,
        wal: Wal,
        config: MaintenanceConfig,
        side: TriggerSide,
        clock: Clock,
        *,
        space: DiskSpace,
        look_after: Callable[[], None] = _nothing,
        before_snapshot: Callable[[], None] = _nothing,
    ) -> None:
        self._space = space
        self._made_room_ns = -MAKE_ROOM_EVERY_NS
        self._look_after = look_after
        self._next_expiry_ns = clock.monotonic_ns()
        self._before_snapshot = before_snapshot
        self._store = store
        self._wal = wal
        self._config = config
        self._side = side
        self._clock = clock
        self._pace = Pace()
        self._has_failed = False  # the last snapshot, or it is under way
        self._lock = threading.Lock()
        self.compaction = Compaction(store, clock, self._lock)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)
        self._compactor = threading.Thread(target=self._compact, name="compaction", daemon=True)

    def start(self) -> None:
        """Begin to look after the store."""
        self._thread.start()
        self._compactor.start()

    def stop(self) -> None:
        """Return when the threads have ended; what a process compacts is given up."""
        self._stopping.set()
        self._store.rewriter.close()
        self._thread.join()
        self._compactor.join()

    def tick(self) -> None:
        """Snapshot if the buffer is full, files have expired, or the log could make room; then look after the rest."""
        self._pace.look(self._store.came_bytes, self._clock.monotonic_ns())
        has_room = self._space.look() is Space.ENOUGH
        is_due = self._store.buffered_bytes >= self._config.buffer_bytes or (
            self._has_failed and not self._lock.locked()
        )
        if is_due or (not has_room and self._may_make_room()):
            self.snapshot(seals_log=not has_room)
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._next_expiry_ns:
            if self._store.has_expired_files():
                self.snapshot()
            self._next_expiry_ns = now_ns + self._config.expiry_check_ns
        self._look_after()

    def compact(self) -> bool:
        """Do one step of compaction, which takes room; return whether there was something to do."""
        self._store.objects.check()
        return self._space.now is not Space.NONE and self.compaction.step()

    def snapshot(self, *, seals_log: bool = True) -> None:
        """Move the buffer to Parquet and let go of what the log need not hold any more.

        ``seals_log``: also of the segment that is written. A write that comes just then waits for some syncs more.
        """
        with self._lock:
            self._snapshot(seals_log=seals_log)

    @property
    def is_all_stored(self) -> bool:
        """Return whether the log holds nothing that files and checkpoint lack, and nothing that a trigger has not read."""
        manifest = self._store.manifest
        stored_until = min(manifest.rows_until, manifest.state_until)
        return stored_until >= self._wal.next_position - 1 and not self._wal.sealed_segments()

    def finish(self) -> None:
        """Make a last snapshot; one that fails is told, for the log holds everything."""
        try:
            self.snapshot()
        except OwnershipLost:
            logger.warning("no last snapshot, for the data belongs to another server")
        except (EngineError, OSError):
            logger.exception("the last snapshot failed; the log holds everything")

    def with_all_stored(self, use: Callable[[int], T]) -> T:
        """Return what ``use`` makes of the position up to which all rows are in Parquet files, after a snapshot.

        Until it returns, none of these files goes, and nothing of the log behind that position.
        """
        with self._lock:
            self._snapshot()
            return use(self._store.manifest.rows_until)

    def _may_make_room(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._made_room_ns < MAKE_ROOM_EVERY_NS:
            return False
        self._made_room_ns = now_ns
        return self._store.unstored_bytes > 0 or bool(self._wal.sealed_segments())

    def while_still(self, use: Callable[[Manifest], T]) -> T:
        """See ``engine.storage.backup.Stillness``; writes go on meanwhile, snapshots wait."""
        with self._lock:
            return self._store.while_still(use)

    def _snapshot(self, *, seals_log: bool = True) -> None:
        began_ns = self._clock.monotonic_ns()
        self._has_failed = True
        self._store.objects.check()
        if self._space.now is not Space.ENOUGH:
            before = self._store.manifest
            self._truncate(min(before.rows_until, before.state_until))
        if seals_log:
            self._seal_log()
        self._before_snapshot()  # what it saves covers at least the segments that may go after this snapshot
        manifest = self._store.snapshot(self._side.idle_low, self._pace.bytes_per_s)
        self._has_failed = False
        removed = self._truncate(min(manifest.rows_until, manifest.state_until))
        took_ms = (self._clock.monotonic_ns() - began_ns) // 1_000_000
        logger.info(
            "snapshot: files=%d rows_until=%d segments_removed=%d took_ms=%d",
            len(manifest.files),
            manifest.rows_until,
            removed,
            took_ms,
        )

    def _seal_log(self) -> None:
        try:
            self._wal.rotate().result()
        except DiskFull as full:  # what is written goes with a later snapshot
            logger.warning("the newest segment of the log stays: %s", full)

    def _truncate(self, stored_until: int) -> int:
        segments = [
            SealedSegment(s.last_position, s.size_bytes, s.sealed_ns, frozenset(self._wal.tables_in(s)))
            for s in self._wal.sealed_segments()
            if s.last_position <= stored_until  # others stay anyway, and need not be read for their tables
        ]
        retention = self._config.retention
        if self._space.now in (Space.SCARCE, Space.NONE):
            retention = LogRetention(0, retention.most_age_ns)
        decision = decide_truncation(segments, stored_until, self._side.readers(), retention, self._clock.now_ns())
        for trigger_id in decision.missed:
            self._side.missed(trigger_id, decision.until)
        return self._wal.remove_before(decision.until + 1)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self.tick()
            except (ObjectStoreAway, OwnershipLost):  # which was told
                self._stopping.wait(AGAIN_S)
            except (DiskFull, OSError) as error:
                logger.error("a snapshot failed; the log keeps everything, and it is tried again: %s", error)
                self._stopping.wait(AGAIN_S)
            except Exception:  # whatever it is, nobody else would look after the store
                logger.exception("a snapshot failed; the log keeps everything, and it is tried again")
                self._stopping.wait(AGAIN_S)

    def _compact(self) -> None:
        rest_s = LOOK_EVERY_S
        while not self._stopping.wait(rest_s):
            began_ns = self._clock.monotonic_ns()
            try:
                is_busy = self.compact()
            except (Unavailable, OwnershipLost):  # which was told, or the server goes down
                rest_s = AGAIN_S
                continue
            except (DiskFull, OSError) as error:
                logger.error(
                    "a step of compaction failed; the files are as they were, and it is tried again: %s", error
                )
                rest_s = FAILED_REST_S
                continue
            except Exception:  # as above
                logger.exception("a step of compaction failed; the files are as they were, and it is tried again")
                rest_s = FAILED_REST_S
                continue
            took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            rest_s = max(took_s, REST_S) if is_busy else COMPACT_EVERY_S
