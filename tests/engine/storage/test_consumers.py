"""Progress and state as a checkpoint keeps them."""

from pathlib import Path

import pytest

from engine.errors import ManifestCorrupt
from engine.model.progress import Progress
from engine.sealed import seal
from engine.storage.consumers import MAGIC, VERSION, Backfill, Consumer, Consumers
from engine.wal.format import BackfillPlan, BackfillRecord, CommitRecord, ConsumerRecord, Record, SkippedRecord

GOLDEN = Path(__file__).parents[2] / "golden"


def fed(*records: tuple[int, Record]) -> Consumers:
    consumers = Consumers()
    for position, record in records:
        consumers.apply(position, record)
    return consumers


def saved(consumers: Consumers) -> bytes:
    return consumers.checkpoint(0, lambda trigger_id: None)[1]


def loaded(data: bytes) -> Consumers:
    consumers = Consumers()
    consumers.load(data, "file")
    return consumers


def test_a_checkpoint_of_the_first_version_is_read() -> None:
    consumers = loaded(bytes.fromhex((GOLDEN / "checkpoint-1.hex").read_text()))
    assert consumers.open_ones() == [
        Consumer(21, 3, Progress(5, ((8, 8),))),
        Consumer(22, 4, Progress(2), started={"due-7": 7}),
    ]
    assert consumers.version("21:3") == 9


def test_a_checkpoint_is_byte_for_byte_what_it_was() -> None:
    """The golden file changes only together with ``consumers.VERSION``."""
    consumers = fed(
        (3, ConsumerRecord(21, opened=True)),
        (4, SkippedRecord(21, 3, ((5, 9),), 40)),
        (5, BackfillRecord(21, 0, 77, BackfillPlan(-5, 99, 2, 1000, 10, True, 7))),
        (6, BackfillRecord(21, 3, 77, ranges=((1, 10), (31, 40)))),
    )
    expected = [
        Consumer(
            21,
            3,
            Progress(3, ((5, 9),)),
            missed_rows=40,
            backfill=Backfill(77, BackfillPlan(-5, 99, 2, 1000, 10, True, 7), Progress(10, ((31, 40),))),
        )
    ]
    assert consumers.open_ones() == expected
    golden = GOLDEN / f"checkpoint-{VERSION}.hex"
    if not golden.exists():
        golden.write_text(f"{saved(consumers).hex()}\n")
        pytest.fail(f"{golden} was made anew: review it")
    assert saved(consumers).hex() == golden.read_text().strip()
    assert loaded(saved(consumers)).open_ones() == expected


@pytest.mark.parametrize(
    ("record", "rows_done"),
    [
        pytest.param(BackfillRecord(21, 3, 77, ranges=((1, 10),)), 10, id="progress"),
        pytest.param(BackfillRecord(21, 3, 78, ranges=((1, 10),)), 0, id="of another backfill"),
        pytest.param(BackfillRecord(21, 2, 77, ranges=((1, 10),)), 0, id="of another generation"),
        pytest.param(BackfillRecord(21, 3, 77, outcome="done"), None, id="its end"),
        pytest.param(BackfillRecord(21, 3, 78, outcome="done"), 0, id="the end of another"),
        pytest.param(ConsumerRecord(21, opened=False, generation=3), None, id="the end of the generation"),
        pytest.param(BackfillRecord(22, 0, 77, BackfillPlan(None, None, 2, 9, 9, False, 7)), 0, id="another trigger"),
    ],
)
def test_what_a_record_makes_of_a_backfill(record: Record, rows_done: int | None) -> None:
    began = BackfillRecord(21, 0, 77, BackfillPlan(None, None, 2, 1000, 10, False, 7))
    consumers = fed((3, ConsumerRecord(21, opened=True)), (4, began), (5, record))
    consumer = consumers.get(21)
    backfill = consumer.backfill if consumer else None
    assert (backfill.progress.count if backfill else None) == rows_done


def test_a_newer_checkpoint_is_refused_in_one_line() -> None:
    with pytest.raises(ManifestCorrupt, match=r"^file has format 99, .* use a newer influxdb3$"):
        loaded(seal(MAGIC, 99, b""))


def test_what_was_missed_is_finished_and_counted() -> None:
    consumers = fed(
        (3, ConsumerRecord(21, opened=True)),
        (20, CommitRecord(21, 3, "r", ((8, 9),), None, (), (), ())),
        (21, SkippedRecord(21, 3, ((4, 7), (10, 12)), 500)),
        (22, SkippedRecord(21, 3, ((13, 13),), 7)),
        (23, SkippedRecord(21, 2, ((14, 20),), 1)),
    )
    expected = Consumer(21, 3, Progress(13), missed_rows=507)
    assert consumers.get(21) == expected
    assert loaded(saved(consumers)).get(21) == expected


def test_a_new_generation_has_missed_nothing() -> None:
    consumers = fed(
        (3, ConsumerRecord(21, opened=True)),
        (9, SkippedRecord(21, 3, ((4, 7),), 500)),
        (10, ConsumerRecord(21, opened=False, generation=3)),
        (12, ConsumerRecord(21, opened=True)),
    )
    assert consumers.get(21) == Consumer(21, 12, Progress(12))
