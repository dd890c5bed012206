"""How much of what the server tells is shown: directives such as ``info,engine.wal=debug``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LEVELS = {"off": 60, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}
"""The levels by name, as numbers of Python's ``logging``; ``trace`` shows all there is."""

_VERBOSITY = ("info", "debug", "trace")

_NOISY = ("uvicorn", "asyncio", "watchfiles", "httpx", "httpcore", "urllib3", "botocore", "hpack")

_PRODUCT = {
    "influxdb3": ("engine",),
    "influxdb3_authz": ("engine.auth",),
    "influxdb3_cache": ("engine.caches",),
    "influxdb3_catalog": ("engine.catalog",),
    "influxdb3_processing_engine": ("engine.triggers", "engine.plugins"),
    "influxdb3_py_api": ("engine.plugins",),
    "influxdb3_query_executor": ("engine.query",),
    "influxdb3_server": ("engine.server",),
    "influxdb3_system_tables": ("engine.system_tables",),
    "influxdb3_wal": ("engine.wal",),
    "influxdb3_write": ("engine.write", "engine.storage"),
    "iox_query": ("engine.query",),
    "datafusion": ("engine.query",),
    "object_store": ("engine.storage",),
    "parquet_file": ("engine.storage",),
}
"""What parts of the product are called here."""

_TARGET = re.compile(r"[A-Za-z_][\w-]*(?:(?:::|\.)[A-Za-z_][\w-]*)*")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is shown.

    Attributes:
        text: as somebody typed it.
        level: the least serious level that is shown of everything that ``loggers`` does not name.
        loggers: levels of single loggers and of all below them.
    """

    text: str
    level: int
    loggers: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return self.text


def parse_log_filter(text: str) -> LogFilter:
    """Return what the directives in ``text`` say, separated by commas: ``LEVEL``, ``TARGET=LEVEL`` or ``TARGET`` (all of it).

    A target is a logger of this server, such as ``engine.wal``, or a part of the product, such as ``influxdb3_wal``; one
    that is neither is taken and shows nothing. Later directives count; without a level for everything it is ``error``.

    Raises:
        ValueError: the text quotes the directive and says what is allowed.
    """
    level = LEVELS["error"]
    loggers: dict[str, int] = {}
    for directive in (part.strip() for part in text.split(",")):
        target, sign, name = (word.strip() for word in directive.partition("="))
        if not sign and target.lower() in LEVELS:
            level = LEVELS[target.lower()]
        else:
            loggers |= dict.fromkeys(_loggers(directive, target), _level(directive, name if sign else "trace"))
    return LogFilter(text, level, tuple(loggers.items()))


def filter_of_verbosity(count: int) -> LogFilter:
    """Return what ``count`` times ``-v`` means: 1 = info, 2 = debug, more = everything."""
    return parse_log_filter(_VERBOSITY[min(count, len(_VERBOSITY)) - 1])


def logger_levels(shown: LogFilter, *, is_noise_wanted: bool = False) -> Mapping[str, int]:
    """Return the level of each logger that has one of its own, the root as ``""``.

    Of libraries only trouble is worth a line, unless the filter names them or ``is_noise_wanted``. They never trace: that
    would show what is in requests.
    """
    least = LEVELS["debug" if is_noise_wanted else "warn"]
    quiet = dict.fromkeys(_NOISY, max(shown.level, least))
    named = {name: level if name.startswith("engine") else max(level, LEVELS["debug"]) for name, level in shown.loggers}
    return {"": shown.level, **quiet, **named}


def _level(directive: str, name: str) -> int:
    if name.lower() not in LEVELS:
        raise ValueError(f"the level of '{directive}' is not one of {', '.join(LEVELS)}")
    return LEVELS[name.lower()]


def _loggers(directive: str, target: str) -> tuple[str, ...]:
    """Return the loggers that ``target`` means."""
    if not _TARGET.fullmatch(target):
        raise ValueError(f"'{directive}' is neither a level ({', '.join(LEVELS)}) nor of the form <target>=<level>")
    crate, _, _ = target.partition("::")
    is_known = crate in _PRODUCT or target.partition(".")[0] in ("engine", *_NOISY)
    if "=" not in directive and not is_known:
        raise ValueError(
            f"'{directive}' is neither a level ({', '.join(LEVELS)}) nor a part of this server, such as engine.wal=debug"
        )
    return _PRODUCT.get(crate) or (target.replace("::", "."),)
