from collections.abc import Sequence

import pytest

from engine.errors import EngineError
from engine.wal.format import ConsumerRecord, Record, StartedRecord
from engine.wal.gate import Gate
from engine.wal.ports import GenerationClosed, TableGone
from tests.support.wal import (
    GENERATION,
    OTHER_TABLE,
    TABLE,
    TRIGGER,
    closed,
    commit,
    created,
    deleted,
    payload,
    rows,
)

NEW_TABLE = 99
OPENED = ConsumerRecord(TRIGGER, opened=True, start=7)


def started(generation: int) -> StartedRecord:
    return StartedRecord(TRIGGER, generation, "run", 1)


def gate() -> Gate:
    return Gate({TRIGGER: GENERATION}, (TABLE, OTHER_TABLE))


@pytest.mark.parametrize(
    ("before", "records", "refusal"),
    [
        pytest.param([], [rows()], None, id="rows-of-a-table"),
        pytest.param([], [rows(table_id=NEW_TABLE)], TableGone, id="rows-of-no-table"),
        pytest.param([created(NEW_TABLE)], [rows(table_id=NEW_TABLE)], None, id="rows-of-a-new-table"),
        pytest.param([], [created(NEW_TABLE), rows(table_id=NEW_TABLE)], None, id="table-and-rows-in-one-entry"),
        pytest.param([deleted(TABLE)], [rows()], TableGone, id="rows-of-a-deleted-table"),
        pytest.param([deleted(TABLE)], [rows(table_id=OTHER_TABLE)], None, id="rows-of-another-table"),
        pytest.param([], [deleted(TABLE), rows()], TableGone, id="deleted-in-the-same-entry"),
        pytest.param([], [commit()], None, id="commit"),
        pytest.param([], [commit(generation=GENERATION - 1)], GenerationClosed, id="commit-of-an-older-generation"),
        pytest.param([], [commit(payload(), payload(table_id=NEW_TABLE))], TableGone, id="commit-to-no-table"),
        pytest.param([closed()], [commit()], GenerationClosed, id="commit-after-the-end"),
        pytest.param([closed(), OPENED], [commit()], GenerationClosed, id="commit-of-the-generation-before"),
        pytest.param([closed(), OPENED], [commit(generation=101)], None, id="commit-of-the-next-generation"),
        pytest.param([], [closed(), OPENED, commit(generation=101)], None, id="next-generation-in-one-entry"),
        pytest.param([], [started(GENERATION)], None, id="start"),
        pytest.param([closed()], [started(GENERATION)], GenerationClosed, id="start-after-the-end"),
        pytest.param([closed()], [closed()], GenerationClosed, id="ended-twice"),
        pytest.param([], [closed(GENERATION - 1)], GenerationClosed, id="end-of-an-older-generation"),
    ],
)
def test_only_what_is_open_and_there_may_pass(
    before: Sequence[Record], records: Sequence[Record], refusal: type[EngineError] | None
) -> None:
    tested = gate()
    for position, record in enumerate(before, 100):
        tested.admit([record], position)
    if refusal is None:
        tested.admit(records, 100 + len(before))
    else:
        with pytest.raises(refusal):
            tested.admit(records, 100 + len(before))


def test_a_refused_entry_leaves_nothing_behind() -> None:
    tested = gate()
    with pytest.raises(TableGone):
        tested.admit([deleted(OTHER_TABLE), closed(), rows(table_id=NEW_TABLE)], 100)
    tested.admit([rows(table_id=OTHER_TABLE), commit()], 100)


def test_an_objection_of_the_owner_leaves_nothing_behind() -> None:
    def object_to_it() -> None:
        raise ValueError("not like this")

    tested = gate()
    with pytest.raises(ValueError, match="not like this"):
        tested.admit([closed()], 100, object_to_it)
    tested.admit([commit()], 100)


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_the_disk_did_not_take_is_undone(is_kept: bool) -> None:
    tested = gate()
    tested.admit([closed(), deleted(TABLE), created(NEW_TABLE)], 100)
    tested.admit([OPENED, created(TABLE)], 103)
    if is_kept:
        tested.keep()
    tested.undo()
    tested.admit([commit(generation=103 if is_kept else GENERATION), rows()], 110)
    if not is_kept:
        with pytest.raises(TableGone):
            tested.admit([rows(table_id=NEW_TABLE)], 110)


def test_a_refusal_names_what_is_gone() -> None:
    with pytest.raises(GenerationClosed, match="generation 4 of trigger 21 is closed") as refused:
        gate().admit([commit(generation=4)], 1)
    assert (refused.value.trigger_id, refused.value.generation) == (TRIGGER, 4)
    with pytest.raises(TableGone, match="table 99 was deleted") as gone:
        gate().admit([rows(table_id=NEW_TABLE)], 1)
    assert gone.value.table_id == NEW_TABLE
