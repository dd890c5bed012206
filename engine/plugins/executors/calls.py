"""What a plugin asks for while it runs: worked on by threads that may wait, the answer goes back to its host."""

import logging
from collections.abc import Callable
from typing import TypeVar

from engine.errors import EngineError
from engine.host.protocol import Query, QueryReply, ToHost, WriteNow, WriteReply
from engine.plugins.ports import RunServices
from engine.plugins.workers import Workers

logger = logging.getLogger(__name__)

LONG_GONE = "the run of this call ended long ago"

Result = TypeVar("Result")


class Calls:
    """Answers queries and immediate writes; queries never keep writes waiting."""

    def __init__(self, query_threads: int, write_threads: int) -> None:
        self._queries = Workers("plugin-query", query_threads)
        self._writes = Workers("plugin-write", write_threads)

    def query(self, call: Query, services: RunServices | None, reply: Callable[[ToHost], None]) -> None:
        """Have ``call`` answered through ``reply``, from another thread."""

        def answer() -> None:
            stream, error = _outcome(lambda: _known(services).query(call.database, call.sql, call.params))
            reply(QueryReply(call.call_id, stream=stream or b"", error=error))

        self._queries.submit(answer)

    def write_now(self, call: WriteNow, services: RunServices | None, reply: Callable[[ToHost], None]) -> None:
        """Have ``call`` answered through ``reply``, from another thread."""

        def answer() -> None:
            _, error = _outcome(lambda: _known(services).write_now(call.database, call.lines, no_sync=call.no_sync))
            reply(WriteReply(call.call_id, error=error))

        self._writes.submit(answer)


def _known(services: RunServices | None) -> RunServices:
    if services is None:
        raise EngineError(LONG_GONE)
    return services


def _outcome(work: Callable[[], Result]) -> tuple[Result | None, str | None]:
    """Return what ``work`` returns, or the text of what it raises."""
    try:
        return work(), None
    except EngineError as error:
        return None, str(error)
    except Exception as error:
        logger.exception("call of a plugin failed")
        return None, f"{type(error).__name__}: {error}"
