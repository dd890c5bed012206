from typing import Any, cast

from engine.storage.schemas import Schemas
from engine.triggers.consumer import WriteConsumer
from engine.triggers.wakeups import WakeUps
from engine.wal.format import RowsPayload, RowsRecord
from engine.wal.ports import DurableRecord, PayloadLocation, RowsRef
from tests.support.batches import table_schema

SCHEMA = table_schema({"host": "tag", "v": "float", "time": "time"}, name="a")


class Sleeper:
    """Stands for a trigger's consumer; ``fault`` is raised when it is woken."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.woken: list[int] = []
        self.looks = 0

    def wake(self, rows: list[RowsRef]) -> None:
        if self.fault is not None:
            raise self.fault
        self.woken += [ref.position for ref in rows]

    def look_again(self) -> None:
        self.looks += 1


def durable(position: int) -> DurableRecord:
    rows = RowsPayload(SCHEMA.table_id, SCHEMA.version, 1, 0, (), b"")
    return DurableRecord(position, RowsRecord(rows), (PayloadLocation("segment", 0, 0),))


def test_a_trigger_that_cannot_be_woken_keeps_no_other_asleep(caplog: Any) -> None:
    wake_ups = WakeUps(Schemas())
    bad, good = Sleeper(RuntimeError("no thread left")), Sleeper()
    for trigger_id, sleeper in enumerate((bad, good), 1):
        wake_ups.add(trigger_id, cast("WriteConsumer", sleeper), {SCHEMA.table_id})
    wake_ups.on_durable([durable(5), durable(6)])
    assert (good.woken, good.looks) == ([5, 6], 0)
    assert (bad.woken, bad.looks) == ([], 1)
    assert wake_ups.seen_until == 6
    assert "could not be woken position=5" in caplog.text
