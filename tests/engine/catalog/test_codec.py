from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.codec import decode, encode
from engine.catalog.state import CatalogState, Database, Token
from engine.errors import CatalogEditRefused
from engine.model.trigger import ErrorBehavior, Isolation, Restore, TriggerDefinition, TriggerLimits
from engine.model.trigger_spec import AllTablesSpec, RequestSpec
from tests.support.catalog import HASH, NOON_NS, UUID, a_state, handwritten, states

GOLDEN = Path(__file__).parents[2] / "golden" / "catalog.toml"

HEAD = f'format_version = 1\ncluster_uuid = "{UUID}"\n'
TRIGGER = '[databases.d.triggers.t]\nspec = "all_tables"\nplugin = "p.py"\n'


def test_file_of_a_state_is_the_golden_one() -> None:
    assert encode(a_state()).text == GOLDEN.read_text()


def test_golden_file_is_read() -> None:
    assert decode(GOLDEN.read_bytes(), "catalog.toml").state == a_state()


@given(states())
def test_state_is_read_back(state: CatalogState) -> None:
    assert decode(encode(state).text.encode(), "f").state == state


@given(st.data())
def test_state_is_read_from_what_people_write(data: st.DataObject) -> None:
    state = data.draw(states())
    text = "".join(piece.text for piece in data.draw(handwritten(state)))
    assert decode(text.encode(), "f").state == state


def test_missing_keys_have_defaults_and_missing_ids_are_0() -> None:
    text = f'format_version = 1\n[tokens.x]\nhash = "{HASH.upper()}"\n{TRIGGER}'
    assert decode(text.encode(), "f").state == CatalogState(
        "",
        (Database(0, "d", None, (TriggerDefinition(0, "t", "p.py", AllTablesSpec()),)),),
        (Token(0, "x", HASH, 0),),
    )


def test_trigger_is_read_in_full() -> None:
    text = f"""{HEAD}
[databases.d.triggers.t]
id = 5
spec = "path:hook"
plugin = "p.py"
arguments = {{ a = "1", "b c" = "" }}
error_behavior = "retry"
run_asynchronous = true
enabled = false
timeout = "1m 30s"
max_memory = "512mb"
max_cpu = 10
isolation = "trigger"
restore_state = "values"
"""
    assert decode(text.encode(), "f").state.databases[0].triggers == (
        TriggerDefinition(
            5,
            "t",
            "p.py",
            RequestSpec("hook"),
            {"a": "1", "b c": ""},
            True,
            ErrorBehavior.RETRY,
            False,
            TriggerLimits(timeout_s=90.0, max_memory_bytes=512 * 1024**2, max_cpu_s=10.0),
            Isolation.TRIGGER,
            restore=Restore.VALUES,
        ),
    )


def test_noon_is_noon() -> None:
    assert datetime.fromtimestamp(NOON_NS // 10**9, UTC) == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("", 1, "the file is empty", id="empty"),
        pytest.param(" \n\n", 1, "the file is empty", id="blank"),
        pytest.param(HEAD + "[databases.d\n", 3, "not valid TOML: ", id="syntax"),
        pytest.param(HEAD + "x = " + "9" * 5000 + "\n", 1, "not valid TOML: ", id="endless-number"),
        pytest.param(HEAD + "x = " + "[" * 100_000 + "\n", 1, "not valid TOML: ", id="endless-brackets"),
        pytest.param(HEAD + "[a]\n[a]\n", 4, "not valid TOML: ", id="header-twice"),
        pytest.param('cluster_uuid = ""\n', 1, "the catalog needs the key 'format_version'", id="no-version"),
        pytest.param(
            "\nformat_version = 2\nnew = 1\n",
            2,
            "the file has format_version 2, this server reads up to 1: use a newer influxdb3",
            id="newer-version",
        ),
        pytest.param("format_version = 0\n", 1, "format_version must be 1", id="older-version"),
        pytest.param("format_version = true\n", 1, "format_version of the catalog must be a whole number", id="flag"),
        pytest.param("format_version = 1\ncluster_uuid = 'x'\n", 2, "cluster_uuid 'x' is not a UUID", id="uuid"),
        pytest.param(
            HEAD + "[databases.d]\nretention_period = '1mo'\n",
            4,
            "retention_period '1mo' of database 'd' is not a period such as 30d: ",
            id="period-of-database",
        ),
        pytest.param(
            HEAD + "[databases.d.tables.t]\nretention_period = '10ms'\n",
            4,
            "retention_period '10ms' of table 't' of database 'd' is not a period such as 30d: ",
            id="period-of-table",
        ),
        pytest.param(
            HEAD + "[databases.d]\nretention_period = 30\n",
            4,
            "retention_period of database 'd' must be a text in quotes",
            id="period-without-unit",
        ),
        pytest.param(
            HEAD + "[databases.d]\ntables = { cpu = { retention_period = '1d' } }\n",
            4,
            "write this below a header of its own: [databases.d.tables.NAME]",
            id="table-without-header",
        ),
        pytest.param(
            HEAD + "[databases._internal]\nretention_period = '1d'\n",
            4,
            "cannot modify internal db",
            id="internal-period",
        ),
        pytest.param(HEAD + "[databases._internal.tables.t]\n", 3, "cannot modify internal db", id="internal-table"),
        pytest.param(
            HEAD + "[databases.d.tables.t]\nid = 7\n",
            4,
            "table 't' of database 'd': a deleted table has the keys id and deleted, another one neither",
            id="table-with-id",
        ),
        pytest.param(
            HEAD + "[databases.d.tables.t]\nhard_delete_at = 2026-11-21T00:00:00Z\n",
            4,
            "table 't' of database 'd' is not deleted",
            id="live-table-with-end",
        ),
        pytest.param(
            HEAD + "[databases.d.tables.t]\nperiod = '1d'\n",
            4,
            "unknown key 'period' in table 't' of database 'd'; allowed are id, retention_period, deleted, hard_delete_at",
            id="unknown-key-of-table",
        ),
        pytest.param(
            HEAD + "[databases.d.last_caches.cpu.c]\ncount = 2\n",
            3,
            "last_cache 'c' of table 'cpu' in database 'd' needs the key 'key_columns'",
            id="cache-without-keys",
        ),
        pytest.param(
            HEAD + "[databases.d.last_caches.cpu.c]\nkey_columns = ['a', 'a']\n",
            4,
            "key_columns of last_cache 'c' of table 'cpu' in database 'd' holds 'a' twice",
            id="cache-key-twice",
        ),
        pytest.param(
            HEAD + "[databases.d.last_caches.cpu.c]\nkey_columns = []\ncount = 0\n",
            5,
            "count 0 of last_cache 'c' of table 'cpu' in database 'd' is not in 1 to 10000",
            id="cache-count",
        ),
        pytest.param(
            HEAD + "[databases.d.distinct_caches.cpu.c]\ncolumns = 'a'\n",
            4,
            "columns of distinct_cache 'c' of table 'cpu' in database 'd' must be a list of texts: [\"host\", \"region\"]",
            id="cache-columns",
        ),
        pytest.param(
            HEAD + "[databases.d.distinct_caches.cpu.c]\ncolumns = []\n",
            4,
            "columns of distinct_cache 'c' of table 'cpu' in database 'd' must name at least one column",
            id="cache-no-columns",
        ),
        pytest.param(
            HEAD + "[databases.d.distinct_caches.cpu.c]\ncolumns = ['a']\nmax_age = '1 fortnight'\n",
            5,
            "max_age '1 fortnight' of distinct_cache 'c' of table 'cpu' in database 'd' is not a duration such as 4h: ",
            id="cache-age",
        ),
        pytest.param(
            HEAD + "[databases._internal.last_caches.cpu.c]\nkey_columns = []\n",
            3,
            "cannot modify internal db",
            id="cache-internal",
        ),
        pytest.param(
            HEAD + "[databases.d.last_caches]\ncpu = 5\n",
            4,
            "write this below a header of its own: [databases.d.last_caches.cpu.NAME]",
            id="cache-without-header",
        ),
        pytest.param(
            HEAD + "[databases.d]\nid = 1\nlast_caches = {}\n",
            5,
            "write this below a header of its own: [databases.d.last_caches.TABLE.NAME]",
            id="caches-without-header",
        ),
        pytest.param(
            HEAD + "[trigger.t]\n",
            3,
            "unknown key 'trigger' in the catalog; allowed are format_version, cluster_uuid, databases, tokens",
            id="unknown-group",
        ),
        pytest.param(
            HEAD + "databases.d.id = 5\n",
            3,
            "write this below a header of its own: [databases.d]",
            id="database-without-header",
        ),
        pytest.param(
            HEAD + "databases = {}\n",
            3,
            "write this below a header of its own: [databases.NAME]",
            id="databases-inline",
        ),
        pytest.param(
            HEAD + "[databases]\nd = {}\n",
            4,
            "write this below a header of its own: [databases.d]",
            id="database-inline",
        ),
        pytest.param(
            HEAD + "[databases.d]\ntriggers = { t = {} }\n",
            4,
            "write this below a header of its own: [databases.d.triggers.NAME]",
            id="triggers-inline",
        ),
        pytest.param(
            HEAD + "[databases.d.triggers]\n't 1'.spec = ''\n",
            4,
            'write this below a header of its own: [databases.d.triggers."t 1"]',
            id="trigger-dotted",
        ),
        pytest.param(
            HEAD + "[[databases.d.triggers.t]]\n",
            3,
            "trigger 't' of database 'd' must be a table with a header of its own: [databases.d.triggers.t]",
            id="trigger-as-list",
        ),
        pytest.param(
            HEAD + "[[databases]]\n", 3, "databases must be tables with headers such as [databases.NAME]", id="list"
        ),
        pytest.param(
            HEAD + "[databases.d]\nname = 'x'\n",
            4,
            "unknown key 'name' in database 'd'; allowed are id, deleted, hard_delete_at, retention_period, "
            "tables, triggers, last_caches, distinct_caches",
            id="unknown-key-of-database",
        ),
        pytest.param(
            HEAD + '\n[databases."a b"]\n',
            4,
            "bad name 'a b': invalid character in database or rp name: must be ASCII, "
            "containing only letters, numbers, underscores, or hyphens",
            id="bad-name",
        ),
        pytest.param(
            HEAD + "[databases.d]\nhard_delete_at = 2026-11-21T00:00:00Z\n",
            4,
            "database 'd' is not deleted",
            id="hard-deletion-of-a-live-database",
        ),
        pytest.param(
            HEAD + "[databases._internal]\ndeleted = 2026-11-21T00:00:00Z\n",
            4,
            "cannot delete internal db",
            id="internal",
        ),
        pytest.param(
            HEAD + "[databases._internal.triggers.t]\n", 3, "cannot modify internal db", id="trigger-in-internal"
        ),
        pytest.param(
            HEAD + "[databases.d]\nid = 0\n",
            4,
            "id 0 of database 'd' is not in 1 to 4503599627370495; leave the line out and the server adds one",
            id="id-0",
        ),
        pytest.param(HEAD + "[databases.d]\nid = '5'\n", 4, "id of database 'd' must be a whole number", id="id-text"),
        pytest.param(
            HEAD + "[databases.d]\ndeleted = 2026-11-21T00:00:00\n",
            4,
            "deleted of database 'd' must be a time with its zone, such as 2026-11-21T03:15:00Z",
            id="time-without-zone",
        ),
        pytest.param(
            HEAD + "[databases.d]\ndeleted = 9999-12-31T23:00:00-02:00\n",
            4,
            "deleted of database 'd' must be in the years 1970 to 9999 UTC",
            id="time-out-of-range",
        ),
        pytest.param(
            HEAD + "[databases.d.triggers.t]\nplugin = 'p'\n",
            3,
            "trigger 't' of database 'd' needs the key 'spec'",
            id="no-spec",
        ),
        pytest.param(
            HEAD + "[databases.d.triggers.t]\nspec = 'all_tables'\n",
            3,
            "trigger 't' of database 'd' needs the key 'plugin'",
            id="no-plugin",
        ),
        pytest.param(
            HEAD + TRIGGER + "plugn = 1\n",
            6,
            "unknown key 'plugn' in trigger 't' of database 'd'; is 'plugin' meant? allowed are "
            "id, spec, plugin, arguments, error_behavior, run_asynchronous, enabled, timeout, max_memory, max_cpu, "
            "max_rows_per_run, isolation, timezone, misfire, misfire_window, jitter, restore_state",
            id="unknown-key-of-trigger",
        ),
        pytest.param(
            HEAD + TRIGGER.replace("all_tables", "every:x"),
            4,
            "failed to parse trigger from every:x: couldn't parse to duration",
            id="bad-spec",
        ),
        pytest.param(
            HEAD + TRIGGER + "enabled = 'yes'\n",
            6,
            "enabled of trigger 't' of database 'd' must be true or false",
            id="flag",
        ),
        pytest.param(
            HEAD + TRIGGER + "error_behavior = 'Log'\n",
            6,
            "error_behavior 'Log' of trigger 't' of database 'd' must be log, retry or disable",
            id="behavior",
        ),
        pytest.param(
            HEAD + TRIGGER + "timeout = true\n",
            6,
            "timeout of trigger 't' of database 'd' must be a text in quotes or a whole number",
            id="30",
        ),
        pytest.param(
            HEAD + TRIGGER + "timeout = '30 x'\n",
            6,
            "timeout '30 x' of trigger 't' of database 'd': not a number of seconds above 0, nor a duration such as 30s: ",
            id="timeout-of-no-unit",
        ),
        pytest.param(
            HEAD + TRIGGER + "timeout = '0s'\n",
            6,
            "timeout '0s' of trigger 't' of database 'd': not a number of seconds above 0 and at most a year",
            id="timeout-0",
        ),
        pytest.param(
            HEAD + TRIGGER + "isolation = 'own'\n",
            6,
            "isolation 'own' of trigger 't' of database 'd': must be shared or trigger",
            id="isolation",
        ),
        pytest.param(
            HEAD + TRIGGER + "jitter = '1s'\n",
            3,
            "trigger 't' of database 'd': invalid configuration provided: jitter_s is for schedule triggers, "
            "and 'all_tables' makes a wal trigger",
            id="option-of-another-kind",
        ),
        pytest.param(
            HEAD + TRIGGER + "\narguments.a = 1\n",
            7,
            "arguments.a of trigger 't' of database 'd' must be a text in quotes: a = \"…\"",
            id="argument-number",
        ),
        pytest.param(
            HEAD + TRIGGER + "[databases.d.triggers.t.arguments]\na = '1'\nb = 1\n",
            8,
            "arguments.b of trigger 't' of database 'd' must be a text in quotes: b = \"…\"",
            id="argument-number-below-a-header",
        ),
        pytest.param(
            HEAD + TRIGGER + "arguments = 'a=1'\n",
            6,
            "arguments of trigger 't' of database 'd' must be a table of texts: { threshold = \"10\" }",
            id="arguments-as-text",
        ),
        pytest.param(
            HEAD + "[databases.d]\ndeleted = 2026-11-21T00:00:00Z\n" + TRIGGER,
            5,
            "database 'd' is deleted, so 't' cannot be enabled",
            id="enabled-in-a-deleted-database",
        ),
        pytest.param(
            HEAD + "[tokens.x]\nhash = 'abc'\n",
            4,
            "hash of token 'x' must be the SHA-512 of its text, 128 hex digits",
            id="bad-hash",
        ),
        pytest.param(HEAD + "[tokens.x]\n", 3, "token 'x' needs the key 'hash'", id="no-hash"),
        pytest.param(
            HEAD + "[databases.z]\nid = 5\n" + TRIGGER + "id = 5\n[databases.a]\n",
            8,
            "id 5 stands there twice; leave the line out of the new entry, and the server adds another",
            id="id-twice",
        ),
    ],
)
def test_bad_file_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(CatalogEditRefused) as caught:
        decode(text.encode(), "catalog.toml")
    told = str(caught.value)
    assert told.startswith(f"catalog.toml, line {line}: {reason}")
    assert reason.endswith(": ") or told.endswith(reason)


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(CatalogEditRefused, match=r"^f, line 2: not valid UTF-8$"):
        decode(b"format_version = 1\n\xff", "f")
