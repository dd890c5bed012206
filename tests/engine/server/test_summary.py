from pathlib import Path
from typing import Any

import pytest

from engine.model.bind import Bind
from engine.server.summary import StartFacts, first_steps, summary
from engine.settings import Settings

FACTS = StartFacts("1.2", 7, Bind("127.0.0.1", 8181), is_encrypted=False, has_tokens=False)


def told(facts: StartFacts = FACTS, **options: Any) -> dict[str, str]:
    lines = summary(Settings.resolve({"data-dir": "/d", **options}, {}), facts)
    return dict(line.split(maxsplit=1) for line in lines)


@pytest.mark.parametrize(
    ("options", "name", "text"),
    [
        ({}, "node", "node0"),
        ({}, "data", "/d/node0"),
        ({"object-store": "memory"}, "data", "in a private folder that goes with the server (object store memory)"),
        (
            {"object-store": "s3", "bucket": "b"},
            "data",
            "bucket b (object store s3); log and cache in /d/node0",
        ),
        ({}, "address", "http://127.0.0.1:8181 (this machine only)"),
        ({"http-bind": "0.0.0.0:8181"}, "address", "http://127.0.0.1:8181 (whoever reaches this machine)"),
        ({}, "plugins", "off (no --plugin-dir)"),
        ({"plugin-dir": "/p"}, "plugins", "/p, run in a process that they share; packages in /p/.venv"),
        (
            {"plugin-dir": "/p", "plugin-isolation": "trigger"},
            "plugins",
            "/p, run in a process for each trigger; packages in /p/.venv",
        ),
        (
            {},
            "tokens",
            "needed; there is none yet, and whoever comes first gets the first: influxdb3 create token --admin",
        ),
        ({"without-auth": True}, "tokens", "not needed (--without-auth)"),
        (
            {"exec-mem-pool-size": "1gb", "query-timeout": "30s", "plugin-timeout": "1m"},
            "limits",
            "queries 1 GB of memory, rows in memory 128 MB, a request 10 MB, a query 30 s, a run of a plugin 60 s",
        ),
        ({}, "telemetry", "none; nothing is ever sent to anybody"),
    ],
)
def test_each_thing_has_its_line(options: dict[str, Any], name: str, text: str) -> None:
    assert told(**options)[name] == text


def test_a_configuration_file_is_named() -> None:
    assert "config" not in told()
    assert told(config="/etc/x.conf")["config"] == "/etc/x.conf"


def test_tokens_and_encryption_are_seen() -> None:
    facts = StartFacts("1.2", 7, Bind("::1", 1), is_encrypted=True, has_tokens=True)
    assert told(facts)["tokens"] == "needed"
    assert told(facts)["address"] == "https://[::1]:1 (this machine only)"


@pytest.mark.parametrize(
    ("options", "facts", "first"),
    [
        ({}, FACTS, "next      influxdb3 create token --admin"),
        ({"without-auth": True}, FACTS, "next      influxdb3 write --database mydb 'home,room=kitchen temp=21.5'"),
        (
            {},
            StartFacts("1.2", 7, Bind("127.0.0.1", 9), is_encrypted=False, has_tokens=True),
            "next      influxdb3 write --host http://127.0.0.1:9 --token TOKEN --database mydb 'home,room=kitchen temp=21.5'",
        ),
    ],
)
def test_the_first_steps_are_commands_that_work_here(options: dict[str, Any], facts: StartFacts, first: str) -> None:
    steps = first_steps(Settings.resolve({"data-dir": str(Path("/d")), **options}, {}), facts)
    assert steps[0] == first
    assert steps[-1].endswith("the data stays in /d")
