import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from influxdb3_cli.app import _COMMANDS, _made
from influxdb3_cli.trust import TRUST, Trust, with_trust


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    else:
        for name, child in inner.items():
            yield from commands(child, f"{path} {name}")


LOCAL = ("serve", "debug", "completion")
CLIENTS = [found for name in _COMMANDS if name not in LOCAL for found in commands(_made(name), name)]


@pytest.mark.parametrize("command", [pytest.param(c, id=path) for path, c in CLIENTS])
def test_every_client_command_has_the_options(command: Any) -> None:
    assert {"tls_ca", "tls_no_verify"} <= {parameter.name for parameter in command.params}


def test_a_command_that_speaks_with_nobody_is_left_as_it_is() -> None:
    def alone(name: str) -> str:
        return name

    assert with_trust(alone) is alone


def test_what_is_said_holds_while_the_command_runs() -> None:
    def speaking(host: str) -> Trust:
        return TRUST.get()

    command = with_trust(speaking)
    assert list(inspect.signature(command).parameters) == ["host", "tls_ca", "tls_no_verify"]
    assert command("there", tls_ca=None, tls_no_verify=True) == Trust(None, anybody=True)
    assert command("there", tls_ca=None, tls_no_verify=False) == Trust()
