"""What a server tells about itself when it has started: for a person who did not start it, or not today."""

import platform
from dataclasses import dataclass

from engine.model.bind import Bind
from engine.model.sizes import format_size
from engine.settings import Settings

_WIDTH = 10
_EXAMPLE = "home,room=kitchen temp=21.5"


@dataclass(frozen=True, slots=True)
class StartFacts:
    """What the settings do not tell.

    Attributes:
        address: where the server listens.
        is_encrypted: whether it speaks TLS.
        has_tokens: whether anybody has a token by now.
    """

    version: str
    process: int
    address: Bind
    is_encrypted: bool
    has_tokens: bool

    @property
    def url(self) -> str:
        """Return the address as clients need it."""
        return f"{'https' if self.is_encrypted else 'http'}://{self.address}"


def summary(settings: Settings, facts: StartFacts) -> list[str]:
    """Return a line for each thing that a tired person asks first."""
    told = {
        "version": f"influxdb3 {facts.version}, Python {platform.python_version()}, process {facts.process}",
        "config": str(settings.config) if settings.config else "",
        "node": settings.node_id,
        "data": _data(settings),
        "address": f"{facts.url} ({_reach(settings)})",
        "plugins": _plugins(settings),
        "tokens": _tokens(settings, facts),
        "limits": _limits(settings),
        "telemetry": "none; nothing is ever sent to anybody",
    }
    return [f"{name:<{_WIDTH}}{text}" for name, text in told.items() if text]


def first_steps(settings: Settings, facts: StartFacts) -> list[str]:
    """Return the commands that come next, for somebody who typed ``influxdb3`` and nothing else."""
    host = "" if str(facts.address) == "127.0.0.1:8181" else f" --host {facts.url}"
    token = "" if settings.without_auth else " --token TOKEN"
    steps = [
        f"influxdb3 write{host}{token} --database mydb '{_EXAMPLE}'",
        f"influxdb3 query{host}{token} --database mydb 'SELECT * FROM home'",
        f"influxdb3 serve --plugin-dir FOLDER turns plugins on; Ctrl-C ends this server, the data stays in {settings.data_dir}",
    ]
    if not settings.without_auth and not facts.has_tokens:
        steps.insert(0, f"influxdb3 create token{host} --admin")
    return [f"{'next':<{_WIDTH}}{step}" for step in steps]


def _data(settings: Settings) -> str:
    if settings.object_store == "memory":
        return "in a private folder that goes with the server (object store memory)"
    folder = str(settings.data_dir / settings.node_id)
    if settings.object_store == "file":
        return folder
    return f"bucket {settings.bucket} (object store {settings.object_store}); log and cache in {folder}"


def _reach(settings: Settings) -> str:
    return "this machine only" if settings.http_bind.is_loopback else "whoever reaches this machine"


def _plugins(settings: Settings) -> str:
    if settings.plugin_dir is None:
        return "off (no --plugin-dir)"
    where = {"shared": "in a process that they share", "trigger": "in a process for each trigger"}
    run = where.get(settings.plugin_isolation, "inside the server")
    return f"{settings.plugin_dir}, run {run}; packages in {settings.virtual_env_location}"


def _tokens(settings: Settings, facts: StartFacts) -> str:
    if settings.without_auth:
        return "not needed (--without-auth)"
    if facts.has_tokens:
        return "needed"
    return "needed; there is none yet, and whoever comes first gets the first: influxdb3 create token --admin"


def _limits(settings: Settings) -> str:
    told = {
        "queries": f"{format_size(settings.exec_mem_pool_size_bytes)} of memory",
        "rows in memory": format_size(settings.force_snapshot_mem_size_bytes),
        "a request": format_size(settings.max_http_request_size_bytes),
        "a query": "" if settings.query_timeout_s is None else f"{settings.query_timeout_s:g} s",
        "a run of a plugin": "" if settings.plugin_timeout_s is None else f"{settings.plugin_timeout_s:g} s",
    }
    return ", ".join(f"{name} {text}" for name, text in told.items() if text)
