"""What the log takes: only runs of open generations, only rows of tables that are there."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.wal.format import (
    NOBODY,
    BackfillRecord,
    CommitRecord,
    ConsumerRecord,
    Record,
    RowsPayload,
    RowsRecord,
    SchemaRecord,
    SkippedRecord,
    StartedRecord,
)
from engine.wal.ports import GenerationClosed, TableGone


class Gate:
    """Follows the records of the log in their order, one step ahead of the disk; used in the writer's thread alone.

    What an entry changes counts for the entries behind it at once, also in the same frame; ``undo`` takes back everything
    since the last ``keep``.
    """

    def __init__(self, open_generations: Mapping[int, int], live_tables: Iterable[int]) -> None:
        self._open = dict(open_generations)
        self._live = set(live_tables)
        self._undo: list[Callable[[], object]] = []

    def admit(self, records: Sequence[Record], position: int, also: Callable[[], None] | None = None) -> None:
        """Let ``records`` pass, the first of which gets ``position``, if ``also`` does not object either.

        Raises:
            GenerationClosed: a run, or the end of a generation, belongs to one that is not open.
            TableGone: there are rows of a table that is not there.
        """
        before = len(self._undo)
        try:
            for number, record in enumerate(records):
                self._follow(record, position + number)
            if also is not None:
                also()
        except BaseException:
            self._take_back(before)
            raise

    def keep(self) -> None:
        """Note that all that was admitted is durable."""
        self._undo.clear()

    def undo(self) -> None:
        """Forget what was admitted since the last ``keep``."""
        self._take_back(0)

    def _follow(self, record: Record, position: int) -> None:
        match record:
            case RowsRecord(rows):
                self._check_table(rows)
            case CommitRecord():
                self._check_generation(record.trigger_id, record.generation)
                for payload in record.rows:
                    self._check_table(payload)
            case StartedRecord() | SkippedRecord():
                self._check_generation(record.trigger_id, record.generation)
            case BackfillRecord(trigger_id, generation):
                self._check_generation(trigger_id, generation or self._open.get(trigger_id, 0))
            case ConsumerRecord(trigger_id, opened):
                if not opened:
                    self._check_generation(trigger_id, record.generation)
                self._set_generation(trigger_id, position if opened else None)
            case SchemaRecord():
                self._set_table(record.table_id, live=not record.deleted)

    def _check_table(self, rows: RowsPayload) -> None:
        if rows.table_id not in self._live:
            raise TableGone(rows.table_id)

    def _check_generation(self, trigger_id: int, generation: int) -> None:
        if trigger_id != NOBODY and self._open.get(trigger_id) != generation:
            raise GenerationClosed(trigger_id, generation)

    def _set_generation(self, trigger_id: int, generation: int | None) -> None:
        before = self._open.pop(trigger_id, None)
        if generation is not None:
            self._open[trigger_id] = generation

        def undo() -> None:
            self._open.pop(trigger_id, None)
            if before is not None:
                self._open[trigger_id] = before

        self._undo.append(undo)

    def _set_table(self, table_id: int, *, live: bool) -> None:
        if live == (table_id in self._live):
            return
        turn = (self._live.add, self._live.discard)
        turn[not live](table_id)
        self._undo.append(lambda: turn[live](table_id))

    def _take_back(self, length: int) -> None:
        while len(self._undo) > length:
            self._undo.pop()()
