"""Trigger arguments that stand for secrets: ``env:NAME`` and ``file:PATH``, read when a run starts and never shown.

What is kept and shown of a trigger is the reference. Only the message to the plugin holds the value, and what comes back
of texts – log lines, errors, tracebacks – has ``***`` in its place.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec

from engine.errors import PluginError
from engine.host.protocol import Done, Run, RunError
from engine.plugins.ports import Executor, RunLimits, RunServices
from engine.plugins.workers import Workers

ENV, FILE, LITERAL = "env:", "file:", "literal:"

MASK = "***"
SHORTEST_MASKED = 4
"""A shorter value stands in too many texts by chance."""

SHORTEST_MASKED_LINE = 16
"""Of a value with several lines, each line of this length is masked on its own, too."""

MOST_BYTES = 64 * 1024
"""What a file with a secret may hold."""

_FORMS = (ENV, FILE, f"{LITERAL}{ENV}", f"{LITERAL}{FILE}", f"{LITERAL}{LITERAL}")


class SecretMissing(PluginError):
    """An argument refers to what is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Mask:
    """Hides values in texts; ``forms`` are all ways in which they may be written, longer ones first."""

    forms: tuple[str, ...]

    def __call__(self, text: str) -> str:
        """Return ``text`` with stars for each value."""
        for form in self.forms:
            text = text.replace(form, MASK)
        return text


@dataclass(frozen=True, slots=True)
class Resolved:
    """The arguments as a plugin gets them, and what hides the secrets among them."""

    args: dict[str, str]
    mask: Mask


class Secrets:
    """Reads what arguments refer to.

    Args:
        environ: where ``env:`` looks: the environment with which the server was started.
        folder: where relative paths begin: the plugin folder.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path | None) -> None:
        self._environ = environ
        self._folder = folder
        self._known: dict[str, str] = {}

    def resolve(self, args: Mapping[str, str] | None) -> Resolved | None:
        """Return what references and escapes in ``args`` stand for, read now; ``None`` = there are none.

        Raises:
            SecretMissing: a reference leads nowhere; the text names it.
        """
        if args is None or not any(value.startswith(_FORMS) for value in args.values()):
            return None
        resolved, secrets = {}, []
        for key, value in args.items():
            resolved[key] = self._value(key, value)
            if value.startswith((ENV, FILE)):
                secrets.append(resolved[key])
                self._known[value] = resolved[key]
        return Resolved(resolved, mask_for(secrets))

    def problems(self, args: Mapping[str, str] | None) -> list[str]:
        """Return, for each reference that leads nowhere now, that runs will fail."""
        found = []
        for key, value in (args or {}).items():
            try:
                self._value(key, value)
            except SecretMissing as missing:
                found.append(f"{missing}; runs fail until it is there")
        return found

    def hide(self, text: str) -> str:
        """Return ``text`` without any value that was resolved: for texts of which nobody knows which run they come from."""
        return mask_for(list(self._known.values()))(text) if self._known else text

    def _value(self, key: str, value: str) -> str:
        if value.startswith(ENV):
            return self._variable(key, value)
        if value.startswith(FILE):
            return self._content(key, value)
        return value.removeprefix(LITERAL) if value.startswith(_FORMS) else value

    def _variable(self, key: str, reference: str) -> str:
        name = reference.removeprefix(ENV)
        if name not in self._environ:
            raise SecretMissing(
                f"argument '{key}' is {reference}: the server was started without the variable '{name}'"
            )
        return self._environ[name]

    def _content(self, key: str, reference: str) -> str:
        path = (self._folder or Path()) / reference.removeprefix(FILE)
        try:
            data = _read(path)
            return data.decode().rstrip("\r\n")
        except (OSError, ValueError) as cause:
            why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            if isinstance(cause, UnicodeDecodeError):
                why = "it does not hold text in UTF-8"
            raise SecretMissing(f"argument '{key}' is {reference}, which cannot be read: {why}") from None


def _read(path: Path) -> bytes:
    """Return what a file holds; a pipe or a device, which may make its reader wait, is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        data = b""
        while len(data) <= MOST_BYTES and (more := os.read(descriptor, MOST_BYTES + 1)):
            data += more
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it holds more than {MOST_BYTES} bytes")
    return data


def mask_for(secrets: Iterable[str]) -> Mask:
    """Return what hides ``secrets``, also as they stand in JSON, in Python's own texts and in addresses."""
    forms: set[str] = set()
    for secret in secrets:
        lines = [line for line in secret.splitlines() if len(line) >= SHORTEST_MASKED_LINE]
        for part in (secret, *lines):
            forms |= {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
            forms |= {quote(part, errors="replace"), quote(part, safe="", errors="replace")}
            forms |= {quote_plus(part, errors="replace")}
    return Mask(tuple(sorted((f for f in forms if len(f) >= SHORTEST_MASKED), key=lambda form: (-len(form), form))))


class SecretExecutor:
    """An executor whose plugins get the values that arguments refer to, and whose texts come back without them."""

    def __init__(self, inner: Executor, secrets: Secrets) -> None:
        self._inner = inner
        self._secrets = secrets
        self._failures = Workers("secret-missing", 1)
        self.warm_up, self.settle, self.cancel = inner.warm_up, inner.settle, inner.cancel
        self.forget, self.renew, self.close = inner.forget, inner.renew, inner.close

    def run(self, run: Run, limits: RunLimits, services: RunServices, on_done: Callable[[Done], None]) -> None:
        """See ``ports.Executor``; a run whose secrets are not there fails without being started."""
        try:
            resolved = self._secrets.resolve(run.args)
        except SecretMissing as missing:
            failed = Done(run.run_id, RunError("load", str(missing)))
            self._failures.submit(lambda: on_done(failed))
            return
        if resolved is None:
            self._inner.run(run, limits, services, on_done)
            return
        mask = resolved.mask
        complete = msgspec.structs.replace(run, args=resolved.args)
        self._inner.run(complete, limits, _MaskedServices(services, mask), lambda done: on_done(masked(done, mask)))


class _MaskedServices:
    """The services of a run that knows secrets (port ``RunServices``)."""

    def __init__(self, services: RunServices, mask: Mask) -> None:
        self._services = services
        self._mask = mask
        self.entered, self.query = services.entered, services.query
        self.write_now, self.namespace, self.part = services.write_now, services.namespace, services.part

    def log(self, level: str, text: str) -> None:
        """See ``RunServices``."""
        self._services.log(level, self._mask(text))


def masked(done: Done, mask: Mask) -> Done:
    """Return the end of a run without secrets in its error; what the plugin writes or answers is its own."""
    error = done.error
    if error is None:
        return done
    hidden = msgspec.structs.replace(error, text=mask(error.text), details=mask(error.details))
    return msgspec.structs.replace(done, error=hidden)
