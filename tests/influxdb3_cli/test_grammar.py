import pytest
import typer

from influxdb3_cli.grammar import Known, hoisted, prepared
from tests.support.cli import RunCli
from tests.support.scripted_server import ScriptedServer

KNOWN = Known(frozenset({"--tags", "--token", "--database", "-d"}))
GROUP = Known(frozenset({"--database", "-d"}), has_subcommands=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("-d foo cpu", "-d foo cpu", id="nothing-to-do"),
        pytest.param("-d=foo cpu", "-d foo cpu", id="equals-sign-of-a-short-option"),
        pytest.param("-dfoo cpu", "-dfoo cpu", id="joined-to-a-short-option"),
        pytest.param("--database=foo", "--database=foo", id="equals-sign-of-a-long-option"),
        pytest.param("-x=foo", "-x=foo", id="not-known"),
        pytest.param("cpu --tags a b c --token t", "cpu --tags a,b,c --token t", id="greedy"),
        pytest.param("--tags a,b c -- cpu", "--tags a,b,c -- cpu", id="up-to-the-end-of-options"),
        pytest.param("--tags=a b", "--tags=a b", id="joined-is-not-greedy"),
        pytest.param("--tags", "--tags", id="no-value"),
        pytest.param("--token=-x -d -5", "--token=-x -d -5", id="a-number-below-zero-is-a-value"),
        pytest.param("-- -d=foo", "-- -d=foo", id="behind-the-end-of-options"),
    ],
)
def test_words_are_read_as_they_are_meant(words: str, expected: str) -> None:
    assert prepared(words.split(), KNOWN) == expected.split()


def test_words_of_a_subcommand_are_its_own() -> None:
    assert prepared(["-d=a", "table", "-d=b"], GROUP) == ["-d", "a", "table", "-d=b"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("-d a table -l 3", "-d a table -l 3", id="first-already"),
        pytest.param("table -l 3 -d a queries", "-d a table -l 3 queries", id="behind"),
        pytest.param("table -d=a --database=b -s x", "-d=a --database=b table -s x", id="joined"),
        pytest.param("table -- -d a", "table -- -d a", id="behind-the-end-of-options"),
        pytest.param("table -d", "table -d", id="no-value"),
    ],
)
def test_options_of_a_group_come_first(words: str, expected: str) -> None:
    assert hoisted(words.split(), GROUP.with_value) == expected.split()


def test_options_of_show_system_may_stand_behind_its_command(connected: RunCli, server: ScriptedServer) -> None:
    words = "show system table queries -d foo --token T -l 3"
    assert connected(*words.split()).code == 0
    assert (server.request.json["db"], server.request.headers["authorization"]) == ("foo", "Bearer T")


@pytest.mark.parametrize("words", ["--token --database foo", "-d -x", "--tags --database foo"])
def test_an_option_is_no_value(words: str) -> None:
    with pytest.raises(typer.BadParameter, match="looks like an option"):
        prepared(words.split(), KNOWN)


def test_tags_take_all_words_up_to_the_next_option(connected: RunCli, server: ScriptedServer) -> None:
    assert connected("create", "table", "-d=foo", "cpu", "--tags", "a", "b,c", "-f", "v:int64").code == 0
    assert server.request.json["tags"] == ["a", "b", "c"]
    swallowed = connected("create", "table", "-d", "foo", "--tags", "a", "cpu")
    assert (swallowed.code, "TABLE_NAME" in swallowed.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("write -d a -d b x", "--database"),
        ("write -q --quiet -d a x", "--quiet"),
        ("show system -d a --database b summary", "--database"),
        ("update trigger t -d a --run-asynchronous --run-synchronous", "--run-asynchronous"),
    ],
)
def test_an_option_stands_once(connected: RunCli, server: ScriptedServer, command: str, option: str) -> None:
    result = connected(*command.split())
    assert (result.code, server.requests) == (2, [])
    assert option in result.stderr
    assert "cannot be used multiple times" in result.stderr


def test_lists_add_up(connected: RunCli, server: ScriptedServer) -> None:
    words = "create table cpu -d foo -f a:bool -f b:bool --tags x --tags y"
    assert connected(*words.split()).code == 0
    assert (server.request.json["tags"], len(server.request.json["fields"])) == (["x", "y"], 2)


@pytest.mark.parametrize(
    ("variable", "command", "problem"),
    [
        ("INFLUXDB3_HOST_URL", "show databases", "'': relative URL without a base"),
        ("INFLUXDB3_TLS_CA", "show databases", "'': an empty string is no path"),
        ("INFLUXDB3_TLS_NO_VERIFY", "show databases", "'': expected exactly true or false"),
        ("INFLUXDB3_QUERY_HOST_URL", "query -d foo q", "'': relative URL without a base"),
    ],
)
def test_an_empty_variable_counts_as_set(
    connected: RunCli,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    command: str,
    problem: str,
) -> None:
    monkeypatch.setenv(variable, "")
    result = connected(*command.split())
    assert (result.code, server.requests) == (2, [])
    assert problem in result.stderr
    assert variable in result.stderr


def test_an_empty_name_or_token_is_one(
    connected: RunCli, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB3_DATABASE_NAME", "")
    monkeypatch.setenv("INFLUXDB3_AUTH_TOKEN", "")
    assert connected("write", "x f=1").code == 0
    assert connected("create", "database").code == 0
    assert connected("write", "-d", "foo", "--token", "t", "x f=1").code == 0
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer", "Bearer", "Bearer t"]
    assert server.requests[1].json["db"] == ""
    assert server.requests[2].parameters["db"] == "foo"


@pytest.mark.parametrize(("text", "code"), [("true", 0), ("false", 0), ("1", 2), ("True", 2), ("no", 2)])
def test_a_variable_of_a_flag_is_true_or_false(
    connected: RunCli, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    monkeypatch.setenv("INFLUXDB3_TLS_NO_VERIFY", text)
    assert connected("write", "-d", "foo", "x f=1").code == code
    assert connected("write", "-d", "foo", "--tls-no-verify", "x f=1").code == 0
