"""Group commit: a thread that takes everything that waits to the disk as one frame with one sync."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from engine.clock import Clock
from engine.disk import NO_SPACE
from engine.errors import DiskFull, EngineError, SyncFailed, Unavailable
from engine.wal.folder import LogFolder
from engine.wal.format import EncodedRecord, PayloadAt, encode_record, payloads_of, set_position
from engine.wal.gate import Gate
from engine.wal.ports import DurableRecord, Entry, FlushObserver, FramePlanner, PayloadLocation, Source, WalConfig
from engine.wal.reader import WalReader

logger = logging.getLogger(__name__)

Positions = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriterPorts:
    """Whom the writer asks and tells; ``observers`` are told in this order."""

    gate: Gate
    planner: FramePlanner
    observers: Sequence[FlushObserver]


@dataclass(slots=True)
class _Waiting:
    """An entry on its way to the disk."""

    entry: Entry
    records: list[EncodedRecord]
    size: int
    future: "Future[Positions]"
    positions: Positions = ()


@dataclass(slots=True)
class _Late:
    """Stands for what ``source`` has when it comes to be written."""

    source: Source


@dataclass(slots=True)
class _Rotate:
    """Asks the thread to begin a new segment."""

    future: "Future[None]"


class _Stop:
    """Asks the thread to write what waits, and to end."""


@dataclass(slots=True)
class _Group:
    """What becomes one frame: ``records`` in their order, schema records first, and who waits for them."""

    first_position: int
    records: list[EncodedRecord]
    waiting: list[_Waiting]


class Writer:
    """Owns the writer's thread, which begins with ``start``.

    Entries are encoded in the threads that bring them; the writer's thread gives positions, asks planner and gate, writes,
    syncs, tells index and observers, and resolves futures. A position that was given is never given again, also when the
    disk failed.
    """

    def __init__(self, clock: Clock, config: WalConfig, log: LogFolder, reader: WalReader, ports: WriterPorts) -> None:
        self.next_position = 0
        self._clock = clock
        self._config = config
        self._log = log
        self._reader = reader
        self._ports = ports
        self._gate = ports.gate
        self._queue: SimpleQueue[_Waiting | _Late | _Rotate | _Stop] = SimpleQueue()
        self._lock = threading.Lock()  # orders what is queued against the end of the thread
        self._waiting_bytes = 0
        self._refusal: str | None = "the log is not open yet"
        self._current: list[_Waiting] = []
        self._late: list[Source] = []
        self._command: _Rotate | _Stop | None = None
        self._is_full = False
        self._thread = threading.Thread(target=self._run, name="wal-writer", daemon=True)

    def start(self, next_position: int) -> None:
        """Begin a segment, and to take entries; the first record gets ``next_position``. ``OSError`` if that fails."""
        self.next_position = next_position
        self._log.begin(next_position)
        self._refusal = None
        self._thread.start()

    def append(self, entry: Entry) -> "Future[Positions]":
        """See ``Wal.append``."""
        waiting = _waiting(entry, Future())
        waiting.future.set_running_or_notify_cancel()  # what is on its way cannot be called back
        with self._lock:
            self._check_open()
            if self._waiting_bytes and self._waiting_bytes + waiting.size > self._config.waiting_bytes:
                raise Unavailable(f"{self._waiting_bytes} bytes wait for the disk already; try again later")
            self._waiting_bytes += waiting.size
            self._queue.put(waiting)
        return waiting.future

    def append_from(self, source: Source) -> None:
        """See ``Wal.append_from``."""
        with self._lock:
            self._check_open()
            self._queue.put(_Late(source))

    def rotate(self) -> "Future[None]":
        """See ``Wal.rotate``."""
        rotate = _Rotate(Future())
        rotate.future.set_running_or_notify_cancel()
        with self._lock:
            self._check_open()
            self._queue.put(rotate)
        return rotate.future

    def stop(self) -> None:
        """Write what waits, and end the thread; a second call only waits for it."""
        with self._lock:
            if self._refusal is None:
                self._refusal = "the server is going down"
                self._queue.put(_Stop())
        self._thread.join()

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise Unavailable(f"nothing can be written: {self._refusal}")

    # In the writer's thread

    def _run(self) -> None:
        try:
            while self._write_next():
                pass
            self._log.close()
        except BaseException as exc:  # whoever waits must not wait for ever
            logger.critical("the log's writer has ended", exc_info=exc)
            self._refuse_all(f"the log's writer has ended: {exc!r}")

    def _write_next(self) -> bool:
        """Write one group and carry out the command behind it, if any; return whether there is more to come."""
        self._command = self._gather()
        if self._current:
            self._commit(self._current)
            with self._lock:
                self._waiting_bytes -= sum([waiting.size for waiting in self._current])
            self._current = []
        command, self._command = self._command, None
        if isinstance(command, _Rotate):
            self._begin_segment(command.future)
        return not isinstance(command, _Stop)

    def _gather(self) -> _Rotate | _Stop | None:
        """Wait for something that has to be written, and take all that waits with it, up to ``frame_bytes``.

        Sources come last: what they get while others are taken in goes with this group, too.
        """
        size = 0
        timeout_s: float | None = None
        deadline_ns = 0
        command = None
        while size < self._config.frame_bytes:
            try:
                item = self._queue.get(timeout_s != 0, timeout_s)
            except Empty:
                break
            if isinstance(item, _Late):
                self._late.append(item.source)
                timeout_s = 0
                continue
            if not isinstance(item, _Waiting):
                command = item
                break
            self._current.append(item)
            size += item.size
            if not item.entry.lazy:
                timeout_s = 0
            elif timeout_s != 0:
                now_ns = self._clock.monotonic_ns()
                deadline_ns = deadline_ns or now_ns + self._config.lazy_ns
                timeout_s = max(deadline_ns - now_ns, 0) / 1e9
        while self._late:
            self._take(self._late[-1])
            self._late.pop()
        return command

    def _take(self, source: Source) -> None:
        taken = [_waiting(entry, future) for entry, future in source.take()]
        with self._lock:
            self._waiting_bytes += sum([one.size for one in taken])
        self._current += taken

    def _commit(self, waiting: list[_Waiting]) -> None:
        try:
            group = self._admit(waiting)
            start = self._store(group)
        except Exception as exc:  # noqa: BLE001 - whoever waits is told, and so is the server's log
            self._gate.undo()
            self._ports.planner.group_done(False)
            kind, text = self._failure(exc)
            _refuse(waiting, lambda: kind(text))
            return
        if self._is_full:
            self._is_full = False
            logger.warning("the log is written again: there is space in folder=%s", self._log.folder)
        self._gate.keep()
        self._ports.planner.group_done(True)
        self._tell(group, start)
        for one in group.waiting:
            if not one.future.done():
                one.future.set_result(one.positions)

    def _failure(self, exc: Exception) -> tuple[type[SyncFailed], str]:
        """Return what to tell whoever waits; a full disk is told to the log of the server once."""
        if not isinstance(exc, OSError) or exc.errno not in NO_SPACE:
            logger.error("the log could not be written file=%s", self._log.path_text, exc_info=exc)
            return SyncFailed, f"the log could not be written ({exc}); nothing of this is kept"
        free_bytes, folder = self._log.free_bytes, self._log.folder
        if not self._is_full:
            self._is_full = True
            logger.error("the log cannot be written, and each write tries again: %s free_bytes=%s", exc, free_bytes)
        free = "" if free_bytes is None else f", {free_bytes} bytes free"
        return DiskFull, f"the disk is full ({exc.strerror}: {folder}{free}); nothing of this is kept, try again later"

    def _admit(self, waiting: list[_Waiting]) -> _Group:
        """Give positions: first to the schema records that the log lacks, then to every entry that may pass."""
        first = self.next_position
        records = [encode_record(record) for record in self._ports.planner.before_group([w.entry for w in waiting])]
        self._gate.admit([r.record for r in records], first)
        admitted = []
        for one in waiting:
            position = first + len(records)
            try:
                self._gate.admit(one.entry.records, position, one.entry.admit)
            except Exception as exc:  # noqa: BLE001 - whatever objects, it is for this entry's owner
                one.future.set_exception(exc)
                continue
            one.positions = tuple(range(position, position + len(one.records)))
            records += one.records
            admitted.append(one)
        self.next_position = first + len(records)
        return _Group(first, records, admitted)

    def _store(self, group: _Group) -> int:
        """Make the group's frame durable; return where its first record stands in the file."""
        if not group.records:
            return 0
        for number, record in enumerate(group.records):
            set_position(record, group.first_position + number)
        body = b"".join([part for record in group.records for part in record.parts])
        try:
            start = self._log.write(group.first_position, len(group.records), body)
            for one in group.waiting:
                if one.entry.no_sync:
                    one.future.set_result(one.positions)
            self._log.sync()
        except Exception:  # after any failure nobody knows what stands behind the last frame
            self._log.fail()
            raise
        return start

    def _tell(self, group: _Group, start: int) -> None:
        """Let index and observers know what is durable."""
        if not group.records:
            return
        path = self._log.path_text
        durable = []
        payloads: list[PayloadAt] = []
        for position, (record, _, size, spans) in enumerate(group.records, group.first_position):
            locations = []
            for (offset, length), rows in zip(spans, payloads_of(record), strict=True):
                locations.append(PayloadLocation(path, start + offset, length))
                known = (rows.table_id, start + offset, length, rows.version, rows.row_count, rows.encoding, rows.chain)
                payloads.append(PayloadAt(position, *known))
            durable.append(DurableRecord(position, record, tuple(locations)))
            start += size
        self._reader.publish(payloads, durable[-1].position)
        for observer in self._ports.observers:
            try:
                observer.on_durable(durable)
            except Exception:  # the records are durable whatever an observer makes of them
                logger.exception("an observer of the log failed first_position=%d", group.first_position)

    def _begin_segment(self, future: "Future[None]") -> None:
        try:
            if not self._log.is_empty:
                self._log.begin(self.next_position)
        except OSError as exc:
            self.next_position += 1  # the name is taken
            if exc.errno in NO_SPACE:
                future.set_exception(DiskFull(f"no new segment of the log could be begun ({exc})"))
                return
            logger.error("no new segment could be begun error=%s", exc)
            future.set_exception(SyncFailed(f"a new segment of the log could not be begun ({exc})"))
        except BaseException as exc:
            future.set_exception(Unavailable(f"the log's writer has ended: {exc!r}"))
            raise
        else:
            future.set_result(None)

    def _refuse_all(self, text: str) -> None:
        with self._lock:
            self._refusal = text
        _refuse(self._current, lambda: Unavailable(text))
        for source in self._late:
            source.refuse(Unavailable(text))
        if isinstance(self._command, _Rotate):
            self._command.future.set_exception(Unavailable(text))
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if isinstance(item, _Late):
                item.source.refuse(Unavailable(text))
            elif not isinstance(item, _Stop):
                item.future.set_exception(Unavailable(text))


def _waiting(entry: Entry, future: "Future[Positions]") -> _Waiting:
    records = [encode_record(record) for record in entry.records]
    return _Waiting(entry, records, sum([record.size for record in records]), future)


def _refuse(waiting: list[_Waiting], error: Callable[[], EngineError]) -> None:
    for one in waiting:
        if not one.future.done():
            one.future.set_exception(error())
