"""What DataFusion raises, as errors of the engine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import ObjectStoreAway, QueryError, QueryFailed, QueryNotSupported

_WRAPPER = "DataFusion error: "
_CAUSE = "\ncaused by\n"
_EXECUTION = "query error: error while executing plan: "
_NO_MEMORY = "Resources exhausted"
_AWAY = re.compile("ObjectStoreAway: (.*)")
_KINDS: tuple[tuple[str, type[QueryError]], ...] = (
    ("Error during planning: ", QueryError),
    ("SQL error: ", QueryError),
    ("This feature is not implemented: ", QueryNotSupported),
)


@contextmanager
def planning() -> Iterator[None]:
    """Turn what DataFusion raises inside into ``QueryError``, ``QueryNotSupported`` or ``QueryFailed`` with its text."""
    with _translated(""):
        yield


@contextmanager
def executing(memory_told: str = "") -> Iterator[None]:
    """Do as ``planning`` does, for a plan that runs: what failed then is said to be the execution.

    ``memory_told`` says how much memory the query had, and is added when that was too little.
    """
    with _translated(_EXECUTION, memory_told):
        yield


@contextmanager
def _translated(prefix: str, memory_told: str = "") -> Iterator[None]:
    try:
        yield
    except ObjectStoreAway:
        raise
    except Exception as error:
        away = _AWAY.search(str(error))
        if away:
            raise ObjectStoreAway(away[1]) from error
        text = _text_of(error)
        raise classify(f"{text}\n{memory_told}" if _NO_MEMORY in text else text, prefix) from error
    except BaseException as error:
        # A panic of the library is no reason to end the thread that asked; its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise QueryFailed(f"{prefix}Internal error: {error}") from error


def classify(text: str, prefix: str = "") -> QueryError | QueryFailed:
    """Return the error for DataFusion's ``text``; its innermost cause decides about the class.

    A query that cannot be planned is the caller's fault; what is not known to be that has failed, and gets ``prefix``.
    """
    cause = text.rsplit(_CAUSE, 1)[-1]
    for beginning, kind in _KINDS:
        if cause.startswith(beginning):
            return kind(text)
    return QueryFailed(prefix + text)


def _text_of(error: Exception) -> str:
    text = str(error)
    while text.startswith(_WRAPPER):
        text = text.removeprefix(_WRAPPER)
    return text
