import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TriggerSpecError
from engine.model.trigger_spec import (
    LONGEST_PERIOD_NS,
    SHORTEST_PERIOD_NS,
    AllTablesSpec,
    CronSpec,
    EverySpec,
    RequestSpec,
    TableSpec,
    entry_function,
    format_trigger_spec,
    parse_trigger_spec,
    plugin_type_name,
    reading_note,
    run_kind,
    spec_as_json,
)

SECOND = 10**9
MINUTE = 60 * SECOND

FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', 'cron:<CRON_EXPRESSION>', "
    "'every:<DURATION>', or 'request:<PATH>'"
)


@pytest.mark.parametrize(
    ("text", "spec", "canonical", "stored"),
    [
        pytest.param("all_tables", AllTablesSpec(), "all_tables", '"all_tables_wal_write"', id="B1.1"),
        pytest.param(
            "table:cpu", TableSpec("cpu"), "table:cpu", '{"single_table_wal_write":{"table_name":"cpu"}}', id="B1.2"
        ),
        pytest.param(
            "  every:90s  ",
            EverySpec(90 * SECOND),
            "every:1m 30s",
            '{"every":{"duration":{"secs":90,"nanos":0}}}',
            id="B1.3",
        ),
        pytest.param(
            "cron:0 0 8 * * *",
            CronSpec("0 0 8 * * *"),
            "cron:0 0 8 * * *",
            '{"schedule":{"schedule":"0 0 8 * * *"}}',
            id="B1.8",
        ),
        pytest.param(
            "cron: 0  8 * * * ",
            CronSpec("0  8 * * *"),
            "cron:0  8 * * *",
            '{"schedule":{"schedule":"0  8 * * *"}}',
            id="B1.11 five fields are kept as typed",
        ),
        pytest.param(
            "cron:@hourly", CronSpec("@hourly"), "cron:@hourly", '{"schedule":{"schedule":"@hourly"}}', id="B1.12"
        ),
        pytest.param(
            "cron:0 0 0 30 2 *",
            CronSpec("0 0 0 30 2 *"),
            "cron:0 0 0 30 2 *",
            '{"schedule":{"schedule":"0 0 0 30 2 *"}}',
            id="B1.13",
        ),
        pytest.param(
            "request:/foo", RequestSpec("/foo"), "request:/foo", '{"request_path":{"path":"/foo"}}', id="B1.14"
        ),
        pytest.param(
            "every:1ms500us",
            EverySpec(1_500_000),
            "every:1ms 500us",
            '{"every":{"duration":{"secs":0,"nanos":1500000}}}',
            id="nanoseconds are stored apart",
        ),
        pytest.param(
            "path:webhook", RequestSpec("webhook"), "request:webhook", '{"request_path":{"path":"webhook"}}', id="alias"
        ),
        pytest.param(
            'table:é "x"',
            TableSpec('é "x"'),
            'table:é "x"',
            '{"single_table_wal_write":{"table_name":"é \\"x\\""}}',
            id="text is not escaped to ASCII",
        ),
    ],
)
def test_a_spec_is_read_shown_and_stored(text, spec, canonical, stored):
    assert parse_trigger_spec(text) == spec
    assert format_trigger_spec(spec) == canonical
    assert spec_as_json(spec) == stored


@pytest.mark.parametrize(
    ("text", "period_ns"),
    [
        pytest.param("every:1h30m", 90 * MINUTE, id="B1.4 two groups"),
        pytest.param("every:1.5h", 90 * MINUTE, id="B1.4 a fraction"),
        pytest.param("every:1y", LONGEST_PERIOD_NS, id="B1.4 a year"),
        pytest.param("every:52w", 52 * 7 * 1440 * MINUTE, id="B1.4 weeks"),
        pytest.param("every:365d", 365 * 1440 * MINUTE, id="days"),
        pytest.param("every:1ms", SHORTEST_PERIOD_NS, id="the shortest"),
    ],
)
def test_periods_from_a_millisecond_to_a_year_are_accepted(text, period_ns):
    assert parse_trigger_spec(text) == EverySpec(period_ns)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("table:table:x", TableSpec("x")),
        ("table: table: x ", TableSpec("x")),
        ("table:cron:x", TableSpec("cron:x")),
        ("request:request:a", RequestSpec("a")),
        ("request:path:a", RequestSpec("path:a")),
        ("path:path:a", RequestSpec("a")),
        ("path:request:a", RequestSpec("a")),
        ("every:every:1m", EverySpec(MINUTE)),
        ("cron:cron:@daily", CronSpec("@daily")),
        ("request:a b/c?d", RequestSpec("a b/c?d")),
    ],
)
def test_a_prefix_is_stripped_as_often_as_it_stands_there(text, spec):
    assert parse_trigger_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "context"),
    [
        pytest.param("every:366d", "don't support every schedules of over 1 year", id="B1.5 days"),
        pytest.param("every:12M", "don't support every schedules of over 1 year", id="B1.5 months"),
        pytest.param("every:53w", "don't support every schedules of over 1 year", id="weeks"),
        pytest.param("every:abc", "couldn't parse to duration", id="B1.6"),
        pytest.param("every:0s", "couldn't parse to duration", id="B1.7"),
        pytest.param("every:0", "couldn't parse to duration", id="B1.7 bare"),
        pytest.param("every:999us", "couldn't parse to duration", id="below a millisecond"),
        pytest.param("every:", "couldn't parse to duration", id="no period"),
        pytest.param("every:-1m", "couldn't parse to duration", id="a sign"),
        pytest.param("cron:@reboot", None, id="B1.12"),
        pytest.param("cron:", None, id="no expression"),
        pytest.param("cron:0 0 0 32 1 *", None, id="a day that no month has"),
        pytest.param("foo:bar", FORMS, id="B1.15"),
        pytest.param("", FORMS, id="empty"),
        pytest.param("all_table", FORMS, id="nearly all_tables"),
        pytest.param("all_tables:", FORMS, id="all_tables takes nothing"),
        pytest.param("All_Tables", FORMS, id="case counts"),
        pytest.param("TABLE:x", FORMS, id="case of prefixes counts"),
        pytest.param("table", FORMS, id="no colon"),
        pytest.param("table:", "table name is empty", id="B1.16"),
        pytest.param("table:table:", "table name is empty", id="only prefixes"),
        pytest.param("request:", None, id="no path"),
        pytest.param("path:", None, id="no path behind the alias"),
    ],
)
def test_other_specs_are_refused_with_the_texts_of_the_product(text, context):
    with pytest.raises(TriggerSpecError) as refused:
        parse_trigger_spec(text)
    assert str(refused.value) == f"failed to parse trigger from {text}" + (f": {context}" if context else "")


def test_the_refusal_quotes_the_spec_without_blanks_around_it():
    with pytest.raises(TriggerSpecError, match=r"^failed to parse trigger from every:abc: "):
        parse_trigger_spec("  every:abc\n")


@pytest.mark.parametrize(
    ("text", "kind", "plugin_type", "function"),
    [
        ("table:a", "wal", "WalRows", "process_writes"),
        ("all_tables", "wal", "WalRows", "process_writes"),
        ("cron:@daily", "schedule", "Schedule", "process_scheduled_call"),
        ("every:1s", "schedule", "Schedule", "process_scheduled_call"),
        ("request:a", "request", "Request", "process_request"),
    ],
)
def test_a_spec_leads_to_one_kind_of_run(text, kind, plugin_type, function):
    spec = parse_trigger_spec(text)
    assert (run_kind(spec), plugin_type_name(spec), entry_function(run_kind(spec))) == (kind, plugin_type, function)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (CronSpec("0 8 * * *"), "0 = Sunday"),
        (CronSpec("0 0 8 * * 1"), "1 = Sunday"),
        (CronSpec("0 0 8 * * mon,2-FRI"), "1 = Sunday"),
        (CronSpec("0 0 8 * * MON-FRI"), None),
        (CronSpec("0 0 8 1 1 ? 2030"), None),
        (CronSpec("@weekly"), None),
        (EverySpec(SECOND), None),
    ],
)
def test_what_may_be_meant_otherwise_is_said(spec, words):
    note = reading_note(spec)
    assert note is None if words is None else words in note


PREFIXES = ["table:", "request:", "path:", "cron:", "every:", "all_tables", " ", ":", "x", "é", "1s", "* * * * *"]


@given(st.lists(st.sampled_from(PREFIXES), max_size=6).map("".join))
def test_whatever_is_accepted_reads_back_as_itself(text):
    try:
        spec = parse_trigger_spec(text)
    except TriggerSpecError:
        return
    assert parse_trigger_spec(format_trigger_spec(spec)) == spec


@given(st.integers(SHORTEST_PERIOD_NS, LONGEST_PERIOD_NS))
def test_every_period_reads_back_as_itself(period_ns):
    assert parse_trigger_spec(format_trigger_spec(EverySpec(period_ns))) == EverySpec(period_ns)
