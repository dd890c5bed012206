"""Each option of each client command in ``--help`` has a test that gives it, and what it asks of the server is held.

``serve`` and its options are rows of the table of settings: tests/engine/test_every_setting.py.
"""

import importlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from influxdb3_cli.app import _command_line
from tests.influxdb3_cli.test_rows import ROWS
from tests.support.certificates import Certificates, certificates
from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer, scripted_server

TRIGGER = "/api/v3/configure/processing_engine_trigger"
REFUSED = Reply(401, b'{"error": "the request was not authenticated"}')
UNTRUSTED = "the certificate of the server is not to be trusted; --tls-ca FILE names its authority"
THERE = Reply(body=b'[{"trigger_name":"t"}]')
MADE = Reply(201, b'{"catalog_batch":{}}')
DONE = Reply(body=b'{"errors":[]}')
STORIES = ("databases", "data", "triggers", "tokens", "root")


@dataclass(frozen=True)
class Sent:
    """A command and what its last request holds, among other things; texts in ``sql`` stand in its query.

    Attributes:
        path: stands in that of the request that is meant, if that is not the last one.
        replies: what the server answers; nothing is 204.
        files: texts of files in the folder of the command.
        stdout, written: texts in the output, and in files that the command makes.
    """

    words: str
    path: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    sql: Sequence[str] = ()
    replies: Sequence[Reply] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    stdout: str = ""
    written: Mapping[str, str] = field(default_factory=dict)


def settings(**members: Any) -> dict[str, Any]:
    return {"trigger_settings": members}


CREATE = "create trigger t -d foo --path p.py --trigger-spec"
UPDATE = "update trigger t -d foo"
USUAL = {"run_async": False, "error_behavior": "log"}
TRIGGER_OPTIONS = [
    ("every:1h", "--timeout 2m", {"timeout_s": 120.0}),
    ("every:1h", "--max-memory 1gb", {"max_memory_bytes": 1024**3}),
    ("every:1h", "--max-cpu 5", {"max_cpu_s": 5.0}),
    ("all_tables", "--max-rows-per-run 100", {"max_rows_per_run": 100}),
    ("every:1h", "--isolation trigger", {"isolation": "trigger"}),
    ("'cron:0 8 * * *'", "--timezone Europe/Berlin", {"timezone": "Europe/Berlin"}),
    ("every:1h", "--misfire once --misfire-window 1d", {"misfire": "once", "misfire_window_s": 86400.0}),
    ("every:1h", "--jitter 10s", {"jitter_s": 10.0}),
    ("every:1h", "--restore-state values", {"restore_state": "values"}),
]
CATALOG = Reply(
    body=b'{"path":"/x/catalog.toml","problem":null,"databases":[{"name":"home","deleted":false,"triggers":[]}]}'
)
DECLARED = '[databases.home.triggers.alarm]\nspec = "table:cpu"\nplugin = "alarm.py"\n'
BEGUN = Reply(body=b'{"backfill_id":7,"rows":3}')
OVER = Reply(body=b'[{"state":"done","rows_done":3,"rows_total":3,"error":""}]')
LETTERS = {"db": "foo", "trigger_name": "t"}

SENT = [
    Sent("query -d foo --language sql q", body={"q": "q"}),
    Sent("q -d foo -l sql -f q.sql", body={"q": "SELECT 1"}, files={"q.sql": "SELECT 1"}),
    Sent("query -d foo --format json --output rows q", replies=[Reply(body=b"[]")], written={"rows": "[]"}),
    Sent("query -d foo --format csv -o rows q", replies=[Reply(body=b"a\n")], written={"rows": "a\n"}),
    Sent("query -d foo --format jsonl q", body={"format": "json_lines"}),
    Sent("query -d foo --format parquet q", body={"format": "parquet"}, replies=[Reply(body=b"PAR1")], stdout="PAR1"),
    Sent("write -d foo --accept-partial 'm f=1'", parameters={"accept_partial": "true"}),
    Sent("write -d foo --no-sync 'm f=1'", parameters={"no_sync": "true", "db": "foo"}),
    Sent("w -d foo 'm f=1' --precision s", parameters={"precision": "second"}),
    Sent("write -d foo -q -f f.lp", parameters={"db": "foo"}, files={"f.lp": "m f=1"}),
    Sent("logs t -d foo --lines 3", sql=["LIMIT 3"], replies=[THERE, Reply(body=b"[]")]),
    Sent("logs t -d foo -n 4", sql=["LIMIT 4"], replies=[THERE, Reply(body=b"[]")]),
    Sent("logs t -d foo --level warn --details", sql=["('WARN', 'ERROR')"], replies=[THERE, Reply(body=b"[]")]),
    Sent("create database foo --retention-period 1h", body={"retention_period": "1h"}),
    Sent(
        "create last_cache c -d foo -t cpu --key-columns a,b --value-columns v --count 3 --ttl 1h",
        body={"key_columns": ["a", "b"], "value_columns": ["v"], "count": 3, "ttl": 3600, "name": "c"},
        replies=[MADE],
        stdout="new cache created: ",
    ),
    Sent(
        "create distinct_cache -d foo --table cpu --columns a --max-cardinality 7 --max-age 1d",
        body={"columns": ["a"], "max_cardinality": 7, "max_age": 86400},
    ),
    Sent("create table cpu -d foo --retention-period 7d", body={"retention_period": "7days"}),
    Sent(f"{CREATE} all_tables --strict", body={"strict": True}),
    Sent(f"{CREATE} all_tables --disabled", body={"disabled": True}),
    Sent(f"{CREATE} all_tables --run-asynchronous", body=settings(run_async=True, error_behavior="log")),
    Sent(f"{CREATE} all_tables --error-behavior retry", body=settings(run_async=False, error_behavior="retry")),
    *(Sent(f"{CREATE} {spec} {words}", body=settings(**USUAL, **value)) for spec, words, value in TRIGGER_OPTIONS),
    Sent("create token --admin --name n --expiry 90d", body={"expiry_secs": 7776000}, replies=[Reply(201, b'{"token":"t"}')]),
    Sent("show retention --database foo --format json", sql=["WHERE database_name = 'foo'"], body={"format": "json"}),
    Sent("show tokens --format csv", sql=["system.tokens"], body={"format": "csv"}),
    Sent("show triggers -d foo --format json", body={"db": "foo", "format": "json"}),
    Sent("show triggers --database foo", body={"db": "foo"}),
    Sent("show dead_letters -d foo -t t --format json", sql=["trigger_name = 't'"], replies=[THERE]),
    Sent("show backfills -d foo --format csv", body={"db": "foo", "format": "csv"}),
    Sent("show cache_state -d foo --trigger t --format json", sql=["trigger_name = 't'"], replies=[THERE]),
    Sent("show catalog --format json", replies=[CATALOG], stdout='"path": "/x/catalog.toml"'),
    Sent("show system -d foo table-list --format json", body={"format": "json"}),
    Sent(
        "show system -d foo table tokens -l 3 -o b,c -s a,b --format csv",
        sql=["SELECT a, b FROM", "ORDER BY b, c", "LIMIT 3"],
    ),
    Sent(
        "show s -d foo table tokens --limit 0 --order-by b --select a",
        sql=['SELECT a FROM system."tokens"\nORDER BY b'],
    ),
    Sent(
        "show system -d foo summary --limit 2 --format csv",
        sql=["LIMIT 2"],
        replies=[Reply(body=b'[{"table_name":"tokens"}]')],
    ),
    Sent("update database -d foo --retention-period 2d", body={"retention_period": "2days"}),
    Sent("update table cpu --database foo --retention-period none", body={"retention_period": None}),
    Sent("update table cpu -d foo -r 1h", body={"table": "cpu", "retention_period": "1h"}),
    Sent(f"{UPDATE} --trigger-spec every:1h", body={"trigger_specification": "every:1h"}),
    Sent(f"{UPDATE} --plugin-filename new.py", body={"plugin_filename": "new.py"}),
    Sent("update trigger -d foo -t t -p new.py", "/api/v3/plugins/files", {"content": "x"}, files={"new.py": "x"}),
    Sent("update trigger -d foo --trigger-name t --path pack", files={"pack/__init__.py": ""}, stdout="directory"),
    Sent(f"{UPDATE} --trigger-arguments a=1", body={"trigger_arguments": {"a": "1"}}),
    Sent(f"{UPDATE} --from beginning", body={"from": "beginning"}),
    Sent(f"{UPDATE} --run-asynchronous", body=settings(run_async=True)),
    Sent(f"{UPDATE} --run-synchronous", body=settings(run_async=False)),
    Sent(f"{UPDATE} --error-behavior disable", body=settings(error_behavior="disable")),
    *(Sent(f"{UPDATE} {words}", body=settings(**value)) for _, words, value in TRIGGER_OPTIONS),
    Sent(
        "backfill trigger t -d foo --start 1 --end 2 --batch-rows 9 --wait",
        f"{TRIGGER}/backfill",
        {"start": "1", "end": "2", "batch_rows": 9},
        replies=[BEGUN, OVER],
        stdout="Backfill 7 is done: 3 rows",
    ),
    *(
        Sent(f"retry dead_letters -d foo {who} {which}", body=LETTERS | sent, replies=[Reply(body=b'{"results":[]}')])
        for who, which, sent in [("-t t", "--id 1,2", {"ids": ["1", "2"]}), ("--trigger t", "--all", {"all": True})]
    ),
    *(
        Sent(f"delete dead_letters -d foo {which}", body=sent, replies=[Reply(body=b'{"deleted":1}')])
        for which, sent in [
            ("--id 1 --id 2", {"ids": ["1", "2"], "trigger_name": None}),
            ("-t t --all --yes", {"all": True, "trigger_name": "t"}),
        ]
    ),
    Sent("delete table cpu -d foo -y --hard-delete NOW", parameters={"hard_delete_at": "now"}),
    Sent("delete backfill t -d foo", f"{TRIGGER}/backfill", LETTERS),
    Sent("delete cache_state -d foo --trigger t --key k -y", parameters={"trigger_name": "t", "key": "k"}),
    Sent("delete cache_state -d foo --global --yes", parameters={"scope": "global"}),
    *(
        Sent(f"install package {option} wanted.txt", body={"requirements_location": "wanted.txt"})
        for option in ("-r", "--requirements")
    ),
    Sent("test wal_plugin p.py -d foo --file f.lp --cache-name c", body={"input_lp": "m f=1", "cache_name": "c"},
         replies=[DONE], files={"f.lp": "m f=1"}),
    Sent("test schedule_plugin p.py -d foo --cache-name c", body={"cache_name": "c"}, replies=[DONE]),
    Sent(
        "test request_plugin p.py -d foo --method post --path a/b --header X-Y:z --query k=v --body text "
        "--input-arguments a=1 --cache-name c",
        body={
            "method": "POST",
            "path": "a/b",
            "headers": {"X-Y": "z"},
            "query_params": {"k": "v"},
            "body": "dGV4dA==",
            "input_arguments": {"a": "1"},
            "cache_name": "c",
        },
        replies=[DONE],
    ),
    Sent("test request_plugin p.py -d foo --body-file b", body={"body": "eA=="}, replies=[DONE], files={"b": "x"}),
    Sent("apply --file - --dry-run", stdin=DECLARED, replies=[CATALOG], stdout="alarm"),
    Sent("apply -f t.toml --prune --yes --plugins .", replies=[CATALOG, Reply(body=b"[]")],
         files={"t.toml": DECLARED, "alarm.py": "x"}, path=TRIGGER, body={"trigger_name": "alarm"}),
    Sent("export -d home", replies=[CATALOG]),
    Sent("export --database home --output t.toml", replies=[CATALOG], written={"t.toml": ""}),
]  # fmt: skip


@pytest.mark.parametrize("sent", [pytest.param(sent, id=sent.words) for sent in SENT])
def test_an_option_asks_for_what_it_says(sent: Sent, connected: RunCli, server: ScriptedServer, tmp_path: Path) -> None:
    for name, text in sent.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    server.replies.extend(sent.replies)
    result = connected(*shlex.split(sent.words), stdin=sent.stdin)
    assert result.code == 0, result
    (*_, last) = [request for request in server.requests if sent.path in request.path]
    assert dict(last.parameters) | dict(sent.parameters) == last.parameters
    if sent.body or sent.sql:
        assert {key: last.json.get(key) for key in sent.body} == dict(sent.body)
        assert [text for text in sent.sql if text not in last.json["q"]] == []
    assert sent.stdout in result.stdout
    for name, text in sent.written.items():
        assert text in (tmp_path / name).read_text()


# ---- the options of every command that speaks with a server

LEAST = {
    "query": "-d foo q",
    "logs": "t -d foo",
    "write": "-d foo lp",
    "backup": "new",
    "apply": "-f t.toml",
    "export": "",
    "create database": "foo",
    "create last_cache": "-d foo -t cpu",
    "create distinct_cache": "-d foo -t cpu --columns a",
    "create table": "cpu -d foo",
    "create trigger": "t -d foo --path p.py --trigger-spec all_tables",
    "create token": "--admin",
    "show databases": "",
    "show retention": "",
    "show tokens": "",
    "show plugins": "",
    "show triggers": "-d foo",
    "show dead_letters": "-d foo",
    "show backfills": "-d foo",
    "show cache_state": "-d foo",
    "show catalog": "",
    "show system table-list": "",
    "show system table": "queries",
    "show system summary": "",
    "update database": "-d foo -r none",
    "update table": "cpu -d foo -r none",
    "update trigger": "t -d foo --from now",
    "backfill trigger": "t -d foo",
    "retry dead_letters": "-d foo -t t --all",
    "delete database": "foo -y",
    "delete last_cache": "c -d foo -t cpu",
    "delete distinct_cache": "c -d foo -t cpu",
    "delete table": "cpu -d foo -y",
    "delete trigger": "t -d foo",
    "delete token": "--token-name t -y",
    "delete dead_letters": "-d foo --id 1",
    "delete backfill": "t -d foo",
    "delete cache_state": "-d foo -t t -y",
    "enable trigger": "t -d foo",
    "disable trigger": "t -d foo",
    "install package": "x",
    "test wal_plugin": "p.py -d foo --lp x",
    "test schedule_plugin": "p.py -d foo",
    "test request_plugin": "p.py -d foo",
}
"""The least that each command needs."""


def with_connection(command: str, *options: str) -> list[str]:
    """Return the words of a command with options that say with which server to speak."""
    words = command.split()
    if words[:2] == ["show", "system"]:
        before = [word for word in options if not word.startswith("--tls")]
        trust = [word for word in options if word.startswith("--tls")]
        return ["show", "system", "-d", "foo", *before, words[2], *trust, *LEAST[command].split()]
    return [*words, *LEAST[command].split(), *options]


@pytest.mark.parametrize("command", LEAST)
def test_every_command_speaks_with_the_server_that_is_named(
    command: str, cli: RunCli, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "t.toml").write_text(DECLARED)
    for host in ("--host", "-H"):
        server.replies.append(REFUSED)
        result = cli(*with_connection(command, host, server.url, "--token", "T"))
        assert (result.code, "401 Unauthorized" in result.stderr or "code: 401" in result.stdout) == (1, True), result
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer T"] * 2


@pytest.mark.parametrize("command", LEAST)
def test_every_command_trusts_whom_it_is_told_to(
    command: str, cli: RunCli, locked: tuple[ScriptedServer, Certificates], tmp_path: Path
) -> None:
    server, made = locked
    (tmp_path / "t.toml").write_text(DECLARED)
    before = len(server.requests)
    host = ("-H", server.url.replace("http:", "https:"))
    doubtful = cli(*with_connection(command, *host))
    assert (doubtful.code, UNTRUSTED in doubtful.stderr + doubtful.stdout) == (1, True), doubtful
    server.replies.extend([REFUSED] * 2)
    for trust in (f"--tls-ca={made.ca}", "--tls-no-verify"):
        assert cli(*with_connection(command, *host, trust)).code == 1
    assert len(server.requests) == before + 2


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptedServer, Certificates]]:
    """A scripted server that speaks TLS, with a certificate that nobody trusts."""
    made = certificates(tmp_path_factory.mktemp("certificates"))
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    with scripted_server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield server, made


# ---- completeness


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command that is in a help text, with its name in words."""

    def below(command: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        for word, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from below(inner, (*name, word))
        yield name, command

    yield from below(_command_line(), ())


SHORT = {"q": "query", "w": "write", "s": "system", "ls": "list"}


def given(words: Sequence[str], tree: Mapping[tuple[str, ...], Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield command and option of each option among ``words``."""
    path: tuple[str, ...] = ()
    for word in words:
        longer = (*path, SHORT.get(word, word))
        if longer in tree:
            path = longer
        elif word.startswith("-"):
            yield path, word.split("=")[0]


def all_words() -> Iterator[list[str]]:
    """Yield the words of each command that a table of the tests has."""
    for name in STORIES:
        stories = importlib.import_module(f"tests.conformance.test_cli_{name}").STORIES
        yield from (shlex.split(step.words) for story in stories for step in story.values[0].steps)
    yield from (shlex.split(row.command) for row in ROWS.values())
    yield from (shlex.split(sent.words) for sent in SENT)
    yield from (with_connection(command, "--host", "--token", "-H", "--tls-ca", "--tls-no-verify") for command in LEAST)
    yield from map(str.split, ELSEWHERE)


ELSEWHERE = (
    "--verbose --quiet",  # test_app.py, test_progress.py
    "query --query-host",  # commands/test_query.py
    "write --write-host",  # commands/test_write.py
    "logs --follow -f",  # commands/test_logs.py
    "apply --exit-code",  # commands/test_apply.py
    "export --schema",
    "create token --offline --output-file",  # commands/test_tokens.py, tests/conformance/test_cli_tokens.py
    "debug catalog list --all --data-dir --node-id --catalog-prefix --format",  # commands/test_debug.py
    "debug catalog snapshot --full --skip-crc --data-dir --node-id --catalog-prefix --format",
    "debug catalog sequence --headers-only --skip-crc --data-dir --node-id --catalog-prefix --format",
)
"""Options that are given in tests of their own."""


def test_each_option_is_given_in_a_test() -> None:
    tree = {name: command for name, command in commands() if name != ("serve",)}
    used = {pair for words in all_words() for pair in given(words, tree)}
    missing = [
        " ".join((*name, option.opts[0]))
        for name, command in tree.items()
        for option in command.params
        if option.param_type_name == "option" and not option.hidden
        for spellings in (option.opts, option.secondary_opts)
        if spellings and not {(name, spelling) for spelling in spellings} & used
    ]
    assert missing == []


def test_each_command_is_held_to_the_server_that_is_named() -> None:
    asking = {" ".join(name) for name, command in commands() if _has(command, "tls_ca")}
    assert asking == LEAST.keys()


def _has(command: Any, name: str) -> bool:
    return any(parameter.name == name for parameter in command.params)
