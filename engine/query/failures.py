"""What DataFusion raises, as errors of the engine."""

import re
from types import TracebackType

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


class _Translating:
    """Turns what DataFusion raises inside; one may be used many times, also at once.

    Each query enters some: written out, for a context manager made of a generator takes five times as long.
    """

    __slots__ = ("_memory_told", "_prefix")

    def __init__(self, prefix: str, memory_told: str = "") -> None:
        self._prefix = prefix
        self._memory_told = memory_told

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, ObjectStoreAway):
            return
        if isinstance(error, Exception):
            away = _AWAY.search(str(error))
            if away:
                raise ObjectStoreAway(away[1]) from error
            text = _text_of(error)
            told = f"{text}\n{self._memory_told}" if _NO_MEMORY in text else text
            raise classify(told, self._prefix) from error
        # A panic of the library is no reason to end the thread that asked; its class cannot be imported.
        if type(error).__name__ == "PanicException":
            raise QueryFailed(f"{self._prefix}Internal error: {error}") from error


_PLANNING = _Translating("")


def planning() -> _Translating:
    """Turn what DataFusion raises inside into ``QueryError``, ``QueryNotSupported`` or ``QueryFailed`` with its text."""
    return _PLANNING


def executing(memory_told: str = "") -> _Translating:
    """Do as ``planning`` does, for a plan that runs: what failed then is said to be the execution.

    ``memory_told`` says how much memory the query had, and is added when that was too little.
    """
    return _Translating(_EXECUTION, memory_told)


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
