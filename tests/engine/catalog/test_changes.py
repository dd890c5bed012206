from dataclasses import replace

import pytest

from engine.catalog.changes import (
    Change,
    CreateDatabase,
    CreateToken,
    CreateTrigger,
    DeleteDatabase,
    DeleteToken,
    DeleteTrigger,
    ForgetDatabase,
    ReplaceTokenHash,
    ReplaceTrigger,
    SetTriggerEnabled,
)
from engine.catalog.state import CatalogState, Database
from engine.errors import (
    AlreadyDeleted,
    AlreadyExists,
    DatabaseNotFound,
    EngineError,
    InternalDatabase,
    InvalidRequest,
    NotFound,
    OperatorTokenNeeded,
    StillRunning,
)
from engine.model.trigger import ScheduleOptions, TriggerLimits
from tests.support.catalog import HASH, NOON_NS, OTHER_HASH, UUID, a_state, a_trigger, changed

DELETED = "old-20261120T101112"
SECOND_NS = 10**9


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        pytest.param(
            CreateDatabase("sensors"),
            AlreadyExists,
            "attempted to create a resource that already exists",
            id="fact-109-database-taken",
        ),
        pytest.param(CreateDatabase(""), InvalidRequest, "db name cannot be empty", id="no-name"),
        pytest.param(
            CreateDatabase("_internal"), InvalidRequest, "db name did not start with a number or letter", id="bad-name"
        ),
        pytest.param(
            DeleteDatabase("nope"), DatabaseNotFound, "the requested resource was not found: nope", id="fact-115"
        ),
        pytest.param(DeleteDatabase("_internal"), InternalDatabase, "cannot delete internal db", id="fact-116"),
        pytest.param(
            DeleteDatabase(DELETED, NOON_NS + SECOND_NS),
            AlreadyDeleted,
            f"attempted to modify resource that was already deleted: {DELETED}",
            id="fact-118-same-hard-delete-time",
        ),
        pytest.param(
            DeleteDatabase("sensors", 10**21),
            InvalidRequest,
            "invalid configuration provided: hard_delete_at must be in the years 1970 to 9999",
            id="hard-delete-too-far",
        ),
        pytest.param(ForgetDatabase(2), InvalidRequest, "database sensors is not deleted", id="forget-a-live-one"),
        pytest.param(
            CreateTrigger("nope", a_trigger()),
            DatabaseNotFound,
            "Database not found nope",
            id="trigger-without-database",
        ),
        pytest.param(
            CreateTrigger(DELETED, a_trigger()),
            AlreadyDeleted,
            f"attempted to modify resource that was already deleted: {DELETED}",
            id="trigger-in-deleted-database",
        ),
        pytest.param(
            CreateTrigger("_internal", a_trigger()),
            InternalDatabase,
            "cannot modify internal db",
            id="trigger-in-internal",
        ),
        pytest.param(
            CreateTrigger("sensors", a_trigger("copy")),
            AlreadyExists,
            "attempted to create a resource that already exists",
            id="trigger-taken",
        ),
        pytest.param(
            DeleteTrigger("nope", "copy"), DatabaseNotFound, "Database not found nope", id="delete-no-database"
        ),
        pytest.param(
            DeleteTrigger("sensors", "nope"),
            NotFound,
            "the requested resource was not found: nope",
            id="delete-no-trigger",
        ),
        pytest.param(
            DeleteTrigger("sensors", "copy"),
            StillRunning,
            "Cannot delete running plugin copy. Disable it first or use --force.",
            id="fact-135-enabled",
        ),
        pytest.param(
            SetTriggerEnabled("sensors", "nope", True),
            NotFound,
            "the requested resource was not found: nope",
            id="enable-no-trigger",
        ),
        pytest.param(
            SetTriggerEnabled(DELETED, "gone", True),
            AlreadyDeleted,
            f"attempted to modify resource that was already deleted: {DELETED}",
            id="enable-in-deleted-database",
        ),
        pytest.param(
            SetTriggerEnabled("sensors", "copy", False, trigger_id=99),
            NotFound,
            "the requested resource was not found: copy",
            id="disable-one-that-was-made-anew",
        ),
        pytest.param(
            CreateToken("ci", HASH), AlreadyExists, "token name already exists, ci", id="fact-146-token-taken"
        ),
        pytest.param(CreateToken("_admin", HASH), AlreadyExists, "token name already exists, _admin", id="fact-139"),
        pytest.param(
            CreateToken("x", "AB"),
            InvalidRequest,
            "invalid configuration provided: the hash of a token is 128 hex digits in lower case",
            id="no-hash",
        ),
        pytest.param(
            CreateToken("x", HASH, 10**21),
            InvalidRequest,
            "invalid configuration provided: expiry must be in the years 1970 to 9999",
            id="expiry-too-far",
        ),
        pytest.param(DeleteToken("zz"), NotFound, "the requested resource was not found: zz", id="fact-148-no-token"),
        pytest.param(
            DeleteToken("_admin"), OperatorTokenNeeded, "cannot delete operator token", id="fact-148-operator"
        ),
        pytest.param(
            ReplaceTokenHash("zz", HASH), NotFound, "the requested resource was not found: zz", id="replace-no-token"
        ),
    ],
)
def test_refused_change_says_why(change: Change, error: type[EngineError], text: str) -> None:
    with pytest.raises(error) as caught:
        changed(a_state(), change)
    assert str(caught.value) == text


def test_regenerating_a_missing_operator_token_says_so() -> None:
    with pytest.raises(NotFound, match=r"^missing admin token, cannot update$"):
        changed(CatalogState(UUID), ReplaceTokenHash("_admin", HASH))


def test_trigger_needs_options_that_suit_its_kind() -> None:
    watch = replace(a_trigger("new"), schedule=ScheduleOptions(jitter_s=1.0))
    with pytest.raises(InvalidRequest, match="jitter_s is for schedule triggers, and 'table:cpu' makes a wal trigger"):
        changed(a_state(), CreateTrigger("sensors", watch))


def test_replaced_trigger_keeps_name_and_id() -> None:
    before = a_trigger("copy", 11)
    after = replace(before, trigger_id=0, name="other", plugin_filename="new.py", arguments={"a": "1"})
    found = changed(a_state(), ReplaceTrigger("sensors", before, after)).databases[2].trigger("copy")
    assert found == replace(after, trigger_id=11, name="copy")


def test_trigger_that_was_changed_meanwhile_is_not_replaced() -> None:
    before = a_trigger("copy", 11)
    with pytest.raises(AlreadyExists, match="trigger copy was changed by somebody else"):
        changed(a_state(), ReplaceTrigger("sensors", replace(before, enabled=False), before))


def test_replacing_by_the_same_changes_nothing() -> None:
    state, same = a_state(), a_trigger("copy", 11)
    assert changed(state, ReplaceTrigger("sensors", same, same)) is state


def test_created_things_have_ids_of_their_own_and_stand_by_name() -> None:
    state = changed(
        a_state(),
        CreateDatabase("alpha"),
        CreateTrigger("sensors", replace(a_trigger("between", trigger_id=12), limits=TriggerLimits(timeout_s=1.5))),
        CreateToken("bot", OTHER_HASH, NOON_NS + 5),
    )
    assert [d.name for d in state.databases] == ["_internal", "alpha", DELETED, "sensors"]
    assert [t.name for t in state.databases[3].triggers] == ["between", "copy", "watch"]
    assert [t.name for t in state.tokens] == ["_admin", "bot", "ci"]
    assert len({101, 102, 103} & state.known_ids) == 3
    made = state.databases[3].trigger("between")
    assert made is not None
    assert made.limits.timeout_s == 1.5
    token = state.token("bot")
    assert token is not None
    assert (token.created_ns, token.expires_ns) == (NOON_NS, NOON_NS)


def test_deleted_database_is_renamed_and_its_triggers_are_disabled() -> None:
    state = changed(a_state(), DeleteDatabase("sensors", NOON_NS + SECOND_NS), CreateDatabase("sensors"))
    deleted = state.database("sensors-20261121T120000")
    assert deleted is not None
    assert (deleted.database_id, deleted.deleted_ns, deleted.hard_delete_ns) == (2, NOON_NS, NOON_NS + SECOND_NS)
    assert [(t.trigger_id, t.enabled) for t in deleted.triggers] == [(11, False), (12, False)]
    anew = state.database("sensors")
    assert anew == Database(101, "sensors")


def test_second_deletion_in_one_second_gets_the_id_behind_its_name() -> None:
    state = changed(a_state(), DeleteDatabase("sensors"), CreateDatabase("sensors"), DeleteDatabase("sensors"))
    assert [d.name for d in state.databases if d.name.startswith("sensors")] == [
        "sensors-20261121T120000",
        "sensors-20261121T120000-101",
    ]


def test_deleting_a_deleted_database_moves_its_hard_deletion() -> None:
    # fact 118
    state = changed(a_state(), DeleteDatabase(DELETED, None))
    database = state.database(DELETED)
    assert database is not None
    assert database.hard_delete_ns is None
    assert database.deleted_ns == NOON_NS


def test_forgotten_database_is_gone_and_can_be_forgotten_again() -> None:
    state = changed(a_state(), ForgetDatabase(3))
    assert state.database_by_id(3) is None
    assert state.trigger_by_id(13) is None
    assert changed(state, ForgetDatabase(3)) is state


def test_enabling_twice_changes_nothing() -> None:
    # fact 134
    state = a_state()
    assert changed(state, SetTriggerEnabled("sensors", "copy", True, trigger_id=11)) is state
    off = changed(state, SetTriggerEnabled("sensors", "copy", False))
    found = off.trigger_by_id(11)
    assert found is not None
    assert not found[1].enabled
    assert changed(off, SetTriggerEnabled("sensors", "copy", True)) == state


def test_enabled_trigger_is_deleted_by_force_only() -> None:
    assert changed(a_state(), DeleteTrigger("sensors", "copy", force=True)).trigger_by_id(11) is None
    assert changed(a_state(), DeleteTrigger("sensors", "watch")).trigger_by_id(12) is None


def test_replaced_token_keeps_its_id_and_the_others_stay() -> None:
    # fact 149
    state = changed(a_state(), ReplaceTokenHash("_admin", OTHER_HASH), now_ns=NOON_NS + SECOND_NS)
    operator, other = state.tokens
    assert (operator.token_id, operator.hash, operator.updated_ns) == (21, OTHER_HASH, NOON_NS + SECOND_NS)
    assert other == a_state().tokens[1]
    assert changed(a_state(), DeleteToken("ci")).token("ci") is None
