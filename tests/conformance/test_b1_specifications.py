"""Checklist B1: what the specification of a trigger may be, and what is said of one that is none."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conformance.checklist import row
from tests.support.cli import RunCli
from tests.support.scene import CALLS, QUICK, REQUESTS, WRITES, Scene, Timed
from tests.support.scripted_server import Reply, scripted_server
from tests.support.web import told, web

ANY = WRITES + "    pass\n" + CALLS + "    pass\n" + REQUESTS + "    return 'here'\n"
OVER_A_YEAR = "don't support every schedules of over 1 year"
FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', 'cron:<CRON_EXPRESSION>', "
    "'every:<DURATION>', or 'request:<PATH>'"
)


def every(seconds: int) -> str:
    return f'{{"every":{{"duration":{{"secs":{seconds},"nanos":0}}}}}}'


def schedule(text: str) -> str:
    return f'{{"schedule":{{"schedule":"{text}"}}}}'


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        pytest.param("all_tables", '"all_tables_wal_write"', id="B1.1"),
        pytest.param(
            "table:cpu", '{"single_table_wal_write":{"table_name":"cpu"}}', id="B1.2 a table that is not there"
        ),
        pytest.param("  every:90s  ", every(90), id="B1.3 blanks"),
        pytest.param("every:1h30m", every(5400), id="B1.4 two groups"),
        pytest.param("every:1.5h", every(5400), id="B1.4 a fraction"),
        pytest.param("every:1y", every(31_557_600), id="B1.4 a year"),
        pytest.param("every:52w", every(31_449_600), id="B1.4 weeks"),
        pytest.param("cron:0 0 8 * * *", schedule("0 0 8 * * *"), id="B1.8"),
        pytest.param("cron:0 8 * * *", schedule("0 8 * * *"), id="B1.11 as typed"),
        pytest.param("cron:@hourly", schedule("@hourly"), id="B1.12 hourly"),
        pytest.param("cron:0 0 0 30 2 *", schedule("0 0 0 30 2 *"), id="B1.13 the 30th of February"),
        pytest.param("request:/foo", '{"request_path":{"path":"/foo"}}', id="B1.14 as typed"),
    ],
)
def test_accepted(plain: Scene, spec: str, shown: str) -> None:
    answer = plain.ask_trigger(spec, plain.plugin(ANY))
    assert told(answer) == (200, "")
    assert [trigger["trigger_specification"] for trigger in plain.triggers()] == [shown]


@row("B1.2")
def test_a_table_that_exists_is_stored_alike(plain: Scene) -> None:
    plain.write("cpu v=1")
    plain.trigger("table:cpu", ANY)
    assert plain.triggers()[0]["trigger_specification"] == '{"single_table_wal_write":{"table_name":"cpu"}}'


@pytest.mark.parametrize(
    ("spec", "context"),
    [
        pytest.param("every:366d", f": {OVER_A_YEAR}", id="B1.5 days"),
        pytest.param("every:12M", f": {OVER_A_YEAR}", id="B1.5 months"),
        pytest.param("every:abc", ": couldn't parse to duration", id="B1.6"),
        pytest.param("every:0s", ": couldn't parse to duration", id="B1.7 zero"),
        pytest.param("every:999us", ": couldn't parse to duration", id="B1.7 less than a millisecond"),
        pytest.param("cron:@reboot", "", id="B1.12 reboot"),
        pytest.param("foo:bar", f": {FORMS}", id="B1.15 an unknown word A: invalid specification is 400"),
        pytest.param("All_Tables", f": {FORMS}", id="B1.15 in capitals"),
        pytest.param("table:", ": table name is empty", id="B1.16"),
    ],
)
def test_refused(scene: Scene, spec: str, context: str) -> None:
    text = f"failed to parse trigger from {spec}{context}"
    assert told(scene.ask_trigger(spec, scene.plugin(ANY))) == (400, text)
    assert scene.triggers() == []
    assert scene.web.get("/health").status_code == 200
    scene.trigger("all_tables", WRITES + "    influxdb3_local.info('goes on')\n")
    scene.write("m v=1")
    assert scene.logged(1) == ["INFO goes on"]


@pytest.mark.parametrize(
    ("spec", "context"),
    [
        pytest.param("every:366d", f": {OVER_A_YEAR}", id="B1.5 by command"),
        pytest.param("every:abc", ": couldn't parse to duration", id="B1.6 by command"),
        pytest.param("cron:@reboot", "", id="B1.12 by command"),
        pytest.param("foo:bar", f": {FORMS}", id="B1.15 by command"),
        pytest.param("table:", ": table name is empty", id="B1.16 by command"),
    ],
)
def test_refused_by_the_command_itself(cli: RunCli, spec: str, context: str) -> None:
    with scripted_server() as nobody:
        ended = cli(*create(nobody.url), "--trigger-spec", spec)
        assert (ended.code, ended.stdout, nobody.requests) == (2, "", [])
    text = " ".join(ended.stderr.split())  # messages about options are wrapped
    assert f"failed to parse trigger from {spec}{context}" in text


@row("B1.3")
def test_the_command_sends_and_shows_the_canonical_form(cli: RunCli, connected: RunCli, plain: Scene) -> None:
    with scripted_server() as nobody:
        nobody.replies.append(Reply(200))
        assert cli(*create(nobody.url), "--trigger-spec", "  every:90s  ").code == 0
        assert nobody.request.json["trigger_specification"] == "every:1m 30s"
    plugin = plain.plugin(ANY)
    made = connected("create", "trigger", "-d", plain.database, "--path", plugin, "--trigger-spec", " every:90s ", "t")
    assert (made.code, made.stdout) == (0, "Trigger t created successfully\n")
    shown = json.loads(connected("show", "catalog", "--format", "json").stdout)
    (mine,) = [found for found in shown["databases"] if found["name"] == plain.database]
    assert [trigger["trigger_specification"] for trigger in mine["triggers"]] == ["every:1m 30s"]


def create(url: str) -> tuple[str, ...]:
    return ("create", "trigger", "t", "-d", "foo", "-H", url, "--path", "p.py")


FIRED = (
    CALLS
    + """
    import datetime
    seconds = (call_time - datetime.datetime(1970, 1, 1)).total_seconds()
    influxdb3_local.write(LineBuilder("fired").time_ns(int(seconds) * 10**9).bool_field("v", True))
"""
)


@pytest.mark.parametrize(
    ("spec", "hours", "times", "fired"),
    [
        pytest.param(
            "cron:0 0 6 * * 1-5",
            24,
            14,
            ["Sun", "Mon", "Tue", "Wed", "Thu"] * 2,
            id="B1.9 six fields count from Sunday",
        ),
        pytest.param("cron:0 0 0 13 * FRI", 24, 300, ["Fri 2027-08-13"], id="B1.10 Fridays the 13th"),
        pytest.param(
            "cron:0 8 * * *", 24, 2, ["2026-11-22 08:00", "2026-11-23 08:00"], id="B1.11 daily A: five-field cron"
        ),
        pytest.param("cron:0 8 * * 1-5", 24, 14, ["Mon", "Tue", "Wed", "Thu", "Fri"] * 2, id="B1.11 Monday to Friday"),
        pytest.param(
            "cron:0 0 13 * 5", 24, 30, ["11-27", "12-04", "12-11", "12-13", "12-18"], id="B1.11 each 13th, each Friday"
        ),
        pytest.param("cron:@hourly", 1, 3, ["13:00", "14:00", "15:00"], id="B1.12 each hour"),
        pytest.param("cron:0 0 0 30 2 *", 24, 400, [], id="B1.13 never"),
    ],
)
def test_when_it_fires(timed: Timed, spec: str, hours: int, times: int, fired: list[str]) -> None:
    timed.trigger(spec, FIRED)
    for _ in range(times):
        timed.advance(hours * 3600)
    sql = "SELECT time FROM fired ORDER BY time"
    found = timed.rows_when(sql, len(fired)) if fired else timed.rows(sql)
    shown = [datetime.fromisoformat(one["time"]).replace(tzinfo=UTC).strftime("%a %Y-%m-%d %H:%M") for one in found]
    assert len(shown) == len(fired)
    assert [pair for pair in zip(shown, fired, strict=True) if pair[1] not in pair[0]] == []


@row("B1.14")
def test_a_slash_is_part_of_the_path(plain: Scene) -> None:
    path = f"/{plain.database}"
    plain.trigger(f"request:{path}", ANY)
    assert told(plain.web.get(f"/api/v3/engine/{path}")) == (200, "here")
    assert told(plain.web.get(f"/api/v3/engine{path}")) == (404, '{error: "not found"}')


KINDS = [("all_tables", "WalRows"), ("table:a", "WalRows"), ("request:restricted", "Request"), ("every:1h", "Schedule")]


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        pytest.param("schedule", {"WalRows", "Request"}, id="B1.17 schedule"),
        pytest.param("wal", {"Schedule", "Request"}, id="B1.17 wal"),
        pytest.param("request", {"Schedule", "WalRows"}, id="B1.17 request"),
        pytest.param("schedule,wal", {"Request"}, id="B1.17 two kinds"),
        pytest.param(None, set(), id="B1.17 no option"),
    ],
)
def test_a_server_may_refuse_kinds_of_triggers(tmp_path: Path, allowed: str | None, refused: set[str]) -> None:
    kinds = {} if allowed is None else {"restrict_plugin_triggers_to": frozenset(allowed.split(","))}
    with web(tmp_path, **QUICK, **kinds) as served:
        scene = Scene(served)
        plugin = scene.plugin(ANY)
        for number, (spec, kind) in enumerate(KINDS):
            answer = told(scene.ask_trigger(spec, plugin, f"t{number}"))
            text = f"invalid request: server is configured to reject {kind} plugin triggers"
            assert answer == ((400, text) if kind in refused else (200, ""))
