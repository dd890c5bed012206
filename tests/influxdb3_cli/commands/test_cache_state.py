import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

PATH = "/api/v3/configure/processing_engine_trigger/cache_state"


@pytest.mark.parametrize(
    ("options", "parameters", "told"),
    [
        (["--trigger", "t"], {"db": "foo", "trigger_name": "t"}, "The cache of trigger t deleted successfully"),
        (
            ["--trigger", "t", "--key", "k"],
            {"db": "foo", "trigger_name": "t", "key": "k"},
            "'k' in the cache of trigger t deleted successfully",
        ),
        (["--global"], {"db": "foo", "scope": "global"}, "The cache of all triggers deleted successfully"),
    ],
)
def test_the_cache_of_a_trigger_or_of_all_is_deleted(
    connected: RunCli, server: ScriptedServer, options: list[str], parameters: dict[str, str], told: str
) -> None:
    result = connected("delete", "cache_state", "-d", "foo", "-y", *options)
    assert (result.code, result.stdout) == (0, told + "\n")
    assert (server.request.method, server.request.path, server.request.parameters) == ("DELETE", PATH, parameters)


@pytest.mark.parametrize("options", [[], ["--trigger", "t", "--global"]])
def test_it_has_to_be_said_whose(connected: RunCli, server: ScriptedServer, options: list[str]) -> None:
    result = connected("delete", "cache_state", "-d", "foo", "-y", *options)
    assert (result.code, server.requests) == (2, [])
    assert "either --trigger NAME or --global" in result.stderr


def test_what_plugins_keep_is_shown(connected: RunCli, server: ScriptedServer) -> None:
    server.replies += [Reply(body=b'[{"trigger_name":"it\'s"}]'), Reply(body=b"+--+")]
    assert connected("show", "cache_state", "-d", "foo", "-t", "it's").stdout == "+--+\n"
    assert "processing_engine_cache_state WHERE trigger_name = 'it''s' ORDER" in server.requests[-1].json["q"]


@pytest.mark.parametrize("kind", ["cache_state", "dead_letters"])
def test_a_trigger_that_is_not_there_is_told(connected: RunCli, server: ScriptedServer, kind: str) -> None:
    server.replies.append(Reply(body=b"[]"))
    result = connected("show", kind, "-d", "foo", "-t", "no")
    assert (result.code, result.stderr) == (1, 'Show command failed: database "foo" has no trigger "no"\n')
