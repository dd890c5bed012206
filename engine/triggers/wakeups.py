"""Tells which consumers a record of the log concerns, so that a record costs nothing to all others."""

import logging
import threading
from collections.abc import Container, Sequence

from engine.storage.schemas import Schemas
from engine.storage.store import rows_of
from engine.triggers.consumer import WriteConsumer
from engine.wal.ports import DurableRecord, RowsRef

logger = logging.getLogger(__name__)


class TablesOfTrigger:
    """The ids of the tables that a trigger watches: one by its name, or all of a database; tables may come and go.

    Those that were deleted are not among them.
    """

    def __init__(self, schemas: Schemas, database_id: int, table: str | None) -> None:
        self._schemas = schemas
        self._database_id = database_id
        self._table = table

    def __contains__(self, table_id: object) -> bool:
        schema = self._schemas.by_id(table_id) if isinstance(table_id, int) else None
        if schema is None or schema.is_deleted or schema.database_id != self._database_id:
            return False
        return self._table is None or schema.name == self._table


class WakeUps:
    """The consumers by table; port ``FlushObserver``, called in the order of the log before writers are acknowledged."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._lock = threading.Lock()
        self._consumers: dict[int, tuple[WriteConsumer, Container[int]]] = {}
        self._by_table: dict[int, tuple[WriteConsumer, ...]] = {}
        self.seen_until = 0

    def add(self, trigger_id: int, consumer: WriteConsumer, tables: Container[int]) -> None:
        """Wake ``consumer`` for rows of ``tables`` from now on."""
        with self._lock:
            self._consumers[trigger_id] = (consumer, tables)
            self._by_table = {}

    def remove(self, trigger_id: int) -> None:
        """Wake the consumer of a trigger no more."""
        with self._lock:
            self._consumers.pop(trigger_id, None)
            self._by_table = {}

    def consumer(self, trigger_id: int) -> WriteConsumer | None:
        """Return the consumer of a trigger."""
        found = self._consumers.get(trigger_id)
        return found[0] if found else None

    def on_durable(self, records: Sequence[DurableRecord]) -> None:
        """Wake whom the rows in ``records`` concern, each once."""
        concerned: dict[WriteConsumer, list[RowsRef]] = {}
        for durable in records:
            for rows, location in zip(rows_of(durable.record), durable.locations, strict=True):
                consumers = self._of_table(rows.table_id)
                if consumers:
                    known = (rows.table_id, rows.version, rows.row_count, rows.encoding, rows.chain)
                    ref = RowsRef(durable.position, *known, location)
                    for consumer in consumers:
                        concerned.setdefault(consumer, []).append(ref)
        for consumer, refs in concerned.items():
            try:
                consumer.wake(refs)
            except Exception:  # the others' rows are theirs all the same
                logger.exception("a trigger could not be woken position=%d", refs[0].position)
                consumer.look_again()
        if records:
            self.seen_until = records[-1].position

    def idle_low(self, trigger_id: int) -> int | None:
        """Return how far a consumer got past records that do not concern it; see ``Consumers.checkpoint``."""
        seen_until = self.seen_until
        consumer = self.consumer(trigger_id)
        return consumer.idle_low(seen_until) if consumer else None

    def _of_table(self, table_id: int) -> tuple[WriteConsumer, ...]:
        known = self._by_table.get(table_id)
        if known is None:
            with self._lock:
                known = tuple(c for c, tables in self._consumers.values() if table_id in tables)
                self._by_table[table_id] = known
        return known
