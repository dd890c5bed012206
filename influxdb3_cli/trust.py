"""Whose certificates the client commands trust: the options for it, which every command with ``--host`` gets."""

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to trust besides the authorities that this machine trusts.

    Attributes:
        ca: a file with certificates of further authorities; DER if it ends so, else PEM.
        anybody: check nothing.
    """

    ca: Path | None = None
    anybody: bool = False


EVERYDAY = Trust()
"""What machines trust that nobody told more."""

TRUST: ContextVar[Trust] = ContextVar("trust", default=EVERYDAY)

_Ca = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        envvar="INFLUXDB3_TLS_CA",
        metavar="FILE",
        help="Certificate of an authority to trust besides those of this machine.",
        show_default=False,
    ),
]
_NoVerify = Annotated[
    bool,
    typer.Option("--tls-no-verify", envvar="INFLUXDB3_TLS_NO_VERIFY", help="Accept any certificate of the server."),
]


def with_trust(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``command`` with ``--tls-ca`` and ``--tls-no-verify`` behind its own options, if it speaks with a server."""
    return _trusting(command) if _has_host(command) else command


def give_trust(group: typer.Typer) -> None:
    """Do as ``with_trust`` with all commands of ``group``; they also speak with a server that the group is told of."""
    for command in group.registered_commands:
        if command.callback is not None and (_has_host(command.callback) or _is_told(group)):
            command.callback = _trusting(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            give_trust(inner.typer_instance)


def _is_told(group: typer.Typer) -> bool:
    about = group.registered_callback
    return about is not None and about.callback is not None and _has_host(about.callback)


def _has_host(command: Callable[..., Any]) -> bool:
    return "host" in inspect.signature(command).parameters


def _trusting(command: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(command)
    if "tls_ca" in signature.parameters:  # of a group that has two names
        return command

    @functools.wraps(command)
    def trusting(*args: Any, tls_ca: Path | None, tls_no_verify: bool, **options: Any) -> Any:
        TRUST.set(Trust(tls_ca, tls_no_verify))
        return command(*args, **options)

    more = {"tls_ca": (_Ca, None), "tls_no_verify": (_NoVerify, False)}
    added = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=a) for n, (a, d) in more.items()
    ]
    # Typer reads parameters from both.
    trusting.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    trusting.__annotations__ = {**command.__annotations__, **{name: kind for name, (kind, _) in more.items()}}
    return trusting
