from dataclasses import replace

import pytest

from engine.catalog.changes import CreateDatabase, DeleteDatabase
from engine.catalog.state import CatalogState, Database, TableEntry
from engine.catalog.tables import DeleteTable, ForgetTable, SetRetention
from engine.errors import AlreadyDeleted, DatabaseNotFound, EngineError, InternalDatabase, InvalidRequest
from tests.support.catalog import NOON_NS, a_state, changed

DAY = 86_400
DELETED = "cpu-20261121T120000"
LATER_NS = NOON_NS + 10**9


def sensors(state: CatalogState) -> Database:
    """Return the database ``sensors``."""
    database = state.database("sensors")
    assert database is not None
    return database


@pytest.mark.parametrize(
    ("change", "database_s", "table_s"),
    [
        pytest.param(SetRetention("sensors", 60 * DAY), 60 * DAY, DAY, id="of the database"),
        pytest.param(SetRetention("sensors", None), None, DAY, id="for ever"),
        pytest.param(SetRetention("sensors", 7 * DAY, "cpu"), 30 * DAY, 7 * DAY, id="of a table"),
        pytest.param(SetRetention("sensors", None, "cpu"), 30 * DAY, 30 * DAY, id="a table as its database"),
    ],
)
def test_a_period_of_a_table_comes_before_that_of_its_database(
    change: SetRetention, database_s: int | None, table_s: int
) -> None:
    after = sensors(changed(a_state(), change))
    assert (after.retention_of("mem"), after.retention_of("cpu")) == (database_s, table_s)


def test_a_database_may_begin_with_a_period() -> None:  # facts 110 and 111
    created = changed(a_state(), CreateDatabase("r", retention_s=30 * DAY)).database("r")
    assert created is not None
    assert created.retention_s == 30 * DAY


def test_what_says_the_same_changes_nothing() -> None:
    state = a_state()
    assert changed(state, SetRetention("sensors", 30 * DAY)) is state
    assert changed(state, SetRetention("sensors", None, "mem")) is state
    assert changed(state, ForgetTable(2, 99)) is state


def test_a_deleted_table_takes_its_period_along_and_leaves_its_caches() -> None:
    after = sensors(changed(a_state(), DeleteTable("sensors", "cpu", 51, LATER_NS), now_ns=NOON_NS + 10**10))
    assert after.table("cpu") is None
    assert after.table("cpu-20261121T120010") == TableEntry("cpu-20261121T120010", DAY, 51, NOON_NS + 10**10, LATER_NS)
    assert after.caches == ()


@pytest.mark.parametrize(
    "taken", [pytest.param({"mem-20261121T120000"}, id="by another table"), pytest.param(set(), id="by nobody")]
)
def test_a_name_that_is_taken_gets_the_id_behind_it(taken: set[str]) -> None:
    after = sensors(changed(a_state(), DeleteTable("sensors", "mem", 51, None, frozenset(taken))))
    assert after.table("mem-20261121T120000" + ("-51" if taken else "")) is not None
    again = sensors(changed(a_state(), DeleteTable("sensors", "cpu", 51)))
    assert again.table(f"{DELETED}-51") is not None


def test_another_time_moves_a_hard_deletion() -> None:
    after = sensors(changed(a_state(), DeleteTable("sensors", DELETED, 41, None)))
    deleted = after.table(DELETED)
    assert deleted == TableEntry(DELETED, None, 41, NOON_NS, None)


def test_a_deleted_table_is_forgotten_with_its_period() -> None:
    assert sensors(changed(a_state(), ForgetTable(2, 41))).tables == (TableEntry("cpu", DAY),)


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        pytest.param(
            SetRetention("nope", DAY), DatabaseNotFound, "the requested resource was not found: nope", id="no database"
        ),
        pytest.param(SetRetention("_internal", DAY), InternalDatabase, "cannot modify internal db", id="internal"),
        pytest.param(
            SetRetention("old-20261120T101112", DAY),
            AlreadyDeleted,
            "attempted to modify resource that was already deleted: old-20261120T101112",
            id="deleted database",
        ),
        pytest.param(
            SetRetention("sensors", DAY, DELETED),
            AlreadyDeleted,
            f"attempted to modify resource that was already deleted: {DELETED}",
            id="deleted table",
        ),
        pytest.param(DeleteTable("nope", "t", 1), DatabaseNotFound, "Database not found nope", id="table of nothing"),
        pytest.param(
            DeleteTable("old-20261120T101112", "t", 1),
            AlreadyDeleted,
            "attempted to modify resource that was already deleted: old-20261120T101112",
            id="fact-123",
        ),
        pytest.param(
            DeleteTable("sensors", DELETED, 41, LATER_NS),
            AlreadyDeleted,
            f"attempted to modify resource that was already deleted: {DELETED}",
            id="the same time",
        ),
        pytest.param(
            DeleteTable("sensors", "cpu", 51, 10**21),
            InvalidRequest,
            "invalid configuration provided: hard_delete_at must be in the years 1970 to 9999",
            id="too far",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: SetRetention | DeleteTable, kind: type[EngineError], text: str) -> None:
    with pytest.raises(kind) as refused:
        changed(a_state(), change)
    assert str(refused.value) == text


def test_a_deleted_database_keeps_periods_and_tables() -> None:
    before = sensors(a_state())
    after = changed(a_state(), DeleteDatabase("sensors")).database_by_id(2)
    assert after is not None
    assert replace(after, name="sensors", deleted_ns=None, triggers=before.triggers, caches=before.caches) == before
