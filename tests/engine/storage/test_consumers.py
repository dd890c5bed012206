"""Progress and state as a checkpoint keeps them."""

from pathlib import Path

import pytest

from engine.errors import ManifestCorrupt
from engine.model.progress import Progress
from engine.storage.consumers import MAGIC, Consumer, Consumers
from engine.storage.sealed import seal
from engine.wal.format import CommitRecord, ConsumerRecord, Record, SkippedRecord

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
