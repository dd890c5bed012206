"""The settings of the Processing engine: rows of the table of settings."""

import re

from engine.model.sizes import MEGABYTE
from engine.model.trigger_spec import RunKind
from engine.setting import (
    Setting,
    choice,
    count_or_off,
    flag,
    folder_or_file,
    positive_count,
    positive_seconds,
    seconds_or_off,
    size_of_at_least,
    size_or_off,
)


def _repository(text: str) -> str:
    if not re.match(r"(?:https?|file)://.", text):
        raise ValueError("expected a URL that begins with http://, https:// or file://")
    return text


_KINDS: dict[str, RunKind] = {"wal": "wal", "wal_flush": "wal", "schedule": "schedule", "request": "request"}


def _kinds(text: str) -> frozenset[RunKind]:
    words = re.split(r"[\s,]+", text.strip())
    unknown = [word for word in words if word not in _KINDS]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not one of {', '.join(_KINDS)}")
    return frozenset(_KINDS[word] for word in words)


PLUGIN_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "plugin-dir",
        folder_or_file,
        None,
        "Folder of the plugins; turns the Processing engine on.",
        unset="the Processing engine is off",
    ),
    Setting(
        "virtual-env-location",
        folder_or_file,
        None,
        "Virtual environment that plugins import packages from; made if it is missing.",
        unset=".venv in the folder of the plugins",
        variables=("VIRTUAL_ENV",),
    ),
    choice(
        "package-manager",
        ("discover", "pip", "uv", "disabled"),
        "discover",
        "What installs packages for plugins; `discover` takes pip if it can be used, else uv; `disabled` refuses to "
        "install any.",
    ),
    Setting(
        "disable-package-management",
        flag,
        "false",
        "Refuse to install packages, as `--package-manager disabled` does.",
        is_flag=True,
    ),
    Setting(
        "plugin-repo",
        _repository,
        "https://raw.githubusercontent.com/influxdata/influxdb3_plugins/main/",
        "Where plugins whose name begins with `gh:` come from; `{revision}` in it stands for what follows an `@` in the name.",
    ),
    choice(
        "plugin-isolation",
        ("shared", "trigger", "embedded"),
        "shared",
        "Where plugins run: in a process that they share, in one for each trigger, or (for debuggers and tests) inside "
        "the server.",
    ),
    Setting(
        "plugin-timeout",
        seconds_or_off,
        None,
        "Longest time for a run of a plugin, where its trigger does not say another; `off` sets none.",
        unit="s",
        unset="runs may take as long as they like",
    ),
    Setting(
        "plugin-max-memory",
        size_or_off,
        None,
        "Memory that the process of each trigger may use, where it does not say another; it then has one of its own.",
        unit="bytes",
        unset="no limit",
    ),
    Setting(
        "plugin-max-cpu",
        seconds_or_off,
        None,
        "CPU time for a run of a plugin, where its trigger does not say another; it then has a process of its own.",
        unit="s",
        unset="no limit",
    ),
    Setting(
        "plugin-max-rows-per-run",
        count_or_off,
        None,
        "Most rows that a run on written data is given, where its trigger does not say another; a larger write is given "
        "whole.",
        unset="no limit but what is read at a time",
    ),
    Setting(
        "plugin-freeze-timeout",
        positive_seconds,
        "10s",
        "A process of plugins that gives no sign of life for so long is ended.",
        unit="s",
    ),
    Setting(
        "plugin-cache-size",
        size_of_at_least(8 * MEGABYTE),
        "64mb",
        "Size of the values that a trigger may keep in its cache, and all triggers together in the global one; "
        "what was not used for longest goes first.",
        unit="bytes",
    ),
    Setting(
        "async-trigger-concurrency-limit",
        positive_count,
        "8",
        "Most runs of one asynchronous trigger side by side.",
    ),
    Setting(
        "restrict-plugin-triggers-to",
        _kinds,
        "wal,schedule,request",
        "Kinds of triggers that may be created: wal, schedule, request, separated by commas or blanks.",
    ),
)
