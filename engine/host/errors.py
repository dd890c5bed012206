"""Why a run fails: exceptions that say it, and how any exception reads in a log."""

import linecache
import threading
import traceback
from types import TracebackType

from engine.host.protocol import ErrorKind, RunError

PLUGIN_CODE = "<string>"
"""The file name under which the code of single-file plugins is compiled."""

_source_lines = threading.Lock()


class QueryError(Exception):
    """A query of a plugin could not be planned or run."""


class RunInterrupted(BaseException):
    """Raised in the thread of a run that shall end; no ``except Exception`` of a plugin holds it up."""


class RunTimedOut(RunInterrupted):
    """The run has passed its time limit."""


class RunOutOfCpu(RunInterrupted):
    """The run has used up its CPU time."""


class RunCancelled(RunInterrupted):
    """The run is no longer wanted."""


class RunFailed(Exception):
    """A run cannot go on for a reason that this program found; the text is what the log shows.

    Attributes:
        kind: what kind of reason.
        details: the traceback of the user's code, if any of it ran.
    """

    def __init__(self, kind: ErrorKind, text: str, details: str = "") -> None:
        super().__init__(text)
        self.kind: ErrorKind = kind
        self.details = details


def rendered(error: BaseException) -> str:
    """Return ``{qualified class name}: {message}``, whatever the exception's own code does."""
    try:
        message = str(error)
    except Exception as failure:  # noqa: BLE001 - the plugin's own ``__str__``; its failure is told instead
        message = f"<no message: __str__ raised {type(failure).__qualname__}>"
    return encodable(f"{type(error).__qualname__}: {message}")


def details_of(error: BaseException, source: str | None) -> str:
    """Return the traceback of ``error`` from the plugin's first frame on, with lines of ``source`` for single files."""
    first = _without_ours(error.__traceback__)
    with _source_lines:
        if source is not None:
            linecache.cache[PLUGIN_CODE] = (len(source), None, source.splitlines(keepends=True), PLUGIN_CODE)
        try:
            return encodable("".join(traceback.format_exception(type(error), error, first)))
        except Exception as failure:  # noqa: BLE001 - the plugin's own ``__str__`` or ``__repr__``; told instead
            return f"{type(error).__qualname__}: <no traceback: formatting it raised {type(failure).__qualname__}>"
        finally:
            linecache.cache.pop(PLUGIN_CODE, None)


def as_run_error(kind: ErrorKind, error: BaseException, source: str | None = None) -> RunError:
    """Return what the server is told about ``error``."""
    if isinstance(error, RunFailed):
        return RunError(error.kind, encodable(str(error)), error.details)
    return RunError(kind, rendered(error), details_of(error, source))


def encodable(text: str) -> str:
    """Return ``text`` with lone surrogates, which cannot travel, written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    while trace and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("engine."):
        trace = trace.tb_next
    return trace
