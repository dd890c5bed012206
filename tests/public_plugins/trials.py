"""How a plugin is tried: triggers, arguments, rows and bodies made from what its header gives as examples."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.public_plugins.found import ENTRIES, Argument, FoundPlugin

TABLE_ARGUMENTS = (
    "table",
    "measurement",
    "source_measurement",
    "source_table",
    "actual_measurement",
    "forecast_measurement",
    "source_measurements",
)
CONFIG_ARGUMENTS = ("config_file_path", "config_path")
LEFT_OUT = {*CONFIG_ARGUMENTS, "dry_run"}
"""Their examples name files that are not there, or ask for nothing to be done."""

NOTIFY = "notify"
"""Where plugins that send alerts find a notifier."""

TAGS = ("host", "room", "region")
FIELDS = {
    "temp": 20.5,
    "temperature": 21.5,
    "hum": 40.25,
    "humidity": 41.0,
    "co": 1.5,
    "value": 5.0,
    "price": 2.0,
    "quote_volume": 1.0,
    "usage_percent": 55.0,
    "lat": 52.5,
    "lon": 13.4,
}
TEXTS = {"status": ("200", "404"), "method": ("GET", "POST"), "mint": ("m",), "platform": ("p",)}
STEP_NS = 5_000_000_000
HISTORY = 150
"""Rows of each series before now: more than ten minutes, the longest offset of an example."""


@dataclass(frozen=True, slots=True)
class Server:
    """What arguments may say of the server that a plugin is tried on."""

    port: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One trigger and what it is fired with.

    Attributes:
        way: where its arguments come from, for people.
        tables: with rows when it fires; a trigger for writes is on the first.
        columns: fields that the rows have beside the usual ones.
        body: what requests send.
    """

    entry: str
    way: str
    arguments: dict[str, str]
    tables: tuple[str, ...]
    columns: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def kind(self) -> str:
        """What fires it: ``writes``, ``schedule`` or ``request``."""
        return ENTRIES[self.entry]


def trials_of(plugin: FoundPlugin, server: Server) -> list[Trial]:
    """Return how to try each function of ``plugin``; no two of them are the same."""
    trials = [trial for entry in plugin.declared for trial in _trials(plugin, entry, server)]
    seen: dict[str, Trial] = {}
    for trial in trials:
        seen.setdefault(repr((trial.entry, trial.arguments, trial.body)), trial)
    return list(seen.values())


def _trials(plugin: FoundPlugin, entry: str, server: Server) -> list[Trial]:
    kind = ENTRIES[entry]
    offered = plugin.arguments.get(kind, ())
    ways: list[tuple[str, dict[str, str]]] = [
        ("required arguments", examples(offered, server, only_required=True)),
        ("all arguments", examples(offered, server, only_required=False)),
    ]
    named = next((argument.name for argument in offered if argument.name in CONFIG_ARGUMENTS), None)
    if named:
        ways += [(f"settings of {config}", {named: config}) for config in plugin.configs if _suits(config, kind)]
    if kind != "request":
        return [_trial(entry, way, arguments) for way, arguments in ways]
    bodies = [examples(plugin.body, server, only_required=required) for required in (True, False)]
    return [
        _trial(entry, f"{way}, body of {len(body)} members", arguments, body)
        for way, arguments in ways
        for body in ({}, *bodies)
    ]


def examples(offered: tuple[Argument, ...], server: Server, *, only_required: bool) -> dict[str, str]:
    """Return the examples of a header as arguments; those that depend on this server say what holds here."""
    here = {
        "port_override": str(server.port),
        "notification_path": NOTIFY,
        "influxdb3_auth_token": "none",
        "enable_full_logging": "true",
        "max_retries": "1",
        "period_seconds": "1",
    }
    known = {argument.name: argument.example for argument in offered if argument.name not in LEFT_OUT}
    needed = {argument.name for argument in offered if argument.is_required}
    chosen = {name: text for name, text in known.items() if name in needed or not only_required}
    return chosen | {name: text for name, text in here.items() if name in known}


def _suits(config: str, kind: str) -> bool:
    words = {"writes": "data_writes", "schedule": "scheduler", "request": "http"}
    others = [word for other, word in words.items() if other != kind]
    return not any(word in config for word in others)


def _trial(entry: str, way: str, arguments: dict[str, str], body: dict[str, str] | None = None) -> Trial:
    said = {**arguments, **(body or {})}
    tables = tuple(dict.fromkeys(table for name in TABLE_ARGUMENTS if name in said for table in words(said[name])))
    data = json.dumps({name: _value(name, text) for name, text in body.items()}).encode() if body else b""
    return Trial(entry, way, arguments, tables or ("home",), _columns(said), data)


def words(text: str) -> list[str]:
    """Return the names in an argument that packs several."""
    return [word for word in re.split(r"[\s,.|]+", text) if word]


def _columns(said: dict[str, str]) -> tuple[str, ...]:
    """Return names of fields that arguments mention and rows do not have."""
    texts = [text for name, text in said.items() if "field" in name]
    names = [word for text in texts for part in words(text) for word in [part.split(":")[0].strip("'\"")]]
    known = {*TAGS, *FIELDS, *TEXTS, "time", "ok", "count"}
    return tuple(name for name in dict.fromkeys(names) if name not in known and re.fullmatch(r"[A-Za-z][\w-]*", name))


def _value(name: str, text: str) -> Any:
    """Return a member of a body: lists where plugins pack lists into text."""
    return words(text) if name.endswith("fields") else text


def rows(trial: Trial, table: str, until_ns: int, count: int = HISTORY) -> str:
    """Return ``count`` rows of two series of ``table``, the last one at ``until_ns``, as line protocol."""
    fields = FIELDS | dict.fromkeys(trial.columns, 1.5)
    lines = []
    for number in range(count):
        for series, room in enumerate(("Kitchen", "LivingRoom")):
            values = [f"{_key(name)}={value + number % 7}" for name, value in fields.items()]
            values += [f'{name}="{texts[number % len(texts)]}"' for name, texts in TEXTS.items()]
            values += [f"count={number}i", f"ok={number % 2 == 0}"]
            time_ns = until_ns - (count - 1 - number) * STEP_NS
            tags = f"host=server0{series},room={room},region=eu"
            lines.append(f"{_key(table)},{tags} {','.join(values)} {time_ns}")
    return "\n".join(lines)


def _key(name: str) -> str:
    return re.sub(r"([,= ])", r"\\\1", name)
