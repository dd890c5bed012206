import pytest

from tests.support.cli import RunCli
from tests.support.scripted_server import Reply, ScriptedServer

TRIGGER = ("update", "trigger", "t", "-d", "foo")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--trigger-spec", "every:90m"], {"trigger_specification": "every:1h 30m"}),
        (["--plugin-filename", "q.py"], {"plugin_filename": "q.py"}),
        (["--trigger-arguments", "a=1,b=2"], {"trigger_arguments": {"a": "1", "b": "2"}}),
        (["--trigger-arguments", ""], {"trigger_arguments": None}),
        (["--run-asynchronous"], {"trigger_settings": {"run_async": True}}),
        (["--run-synchronous"], {"trigger_settings": {"run_async": False}}),
        (["--error-behavior", "retry"], {"trigger_settings": {"error_behavior": "retry"}}),
        (
            ["--timeout", "1m", "--max-memory", "default"],
            {"trigger_settings": {"timeout_s": 60, "max_memory_bytes": None}},
        ),
    ],
)
def test_only_what_is_named_is_sent(
    connected: RunCli, server: ScriptedServer, options: list[str], changes: dict[str, object]
) -> None:
    result = connected(*TRIGGER, *options)
    assert (result.code, result.stdout) == (0, "Trigger 't' updated successfully\n")
    assert (server.request.method, server.request.path) == ("PATCH", "/api/v3/configure/processing_engine_trigger")
    assert server.request.json == {"db": "foo", "trigger_name": "t", **changes}


def test_the_trigger_may_be_named_by_an_option(connected: RunCli, server: ScriptedServer) -> None:
    assert connected("update", "trigger", "-d", "foo", "-t", "x", "--timeout", "1").code == 0
    assert server.request.json["trigger_name"] == "x"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([*TRIGGER], "nothing to change; name at least one option"),
        ([*TRIGGER, "-t", "u", "--timeout", "1"], "'u': the trigger is called 't' too"),
        (["update", "trigger", "-d", "foo", "--timeout", "1"], "which trigger? Give its name"),
        ([*TRIGGER, "--timeout", "0"], "'0': not a number of seconds above 0"),
        ([*TRIGGER, "--isolation", "own"], "'own': must be shared or trigger"),
        ([*TRIGGER, "--trigger-spec", "x"], "failed to parse trigger from x"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    connected: RunCli, server: ScriptedServer, arguments: list[str], error: str
) -> None:
    result = connected(*arguments)
    assert (result.code, server.requests) == (2, [])
    assert error in result.stderr


def test_what_the_server_warns_of_is_told(connected: RunCli, server: ScriptedServer) -> None:
    server.replies.append(Reply(200, headers={"x-influxdb3-warning": "hm"}))
    assert connected(*TRIGGER, "--timeout", "1").stderr == "warning: hm\n"
