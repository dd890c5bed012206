"""When plugins of a repository are fetched though nobody waits for them: at the start, and when a run lacks one."""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from engine.clock import Clock
from engine.errors import EngineError

logger = logging.getLogger(__name__)

AGAIN_NS = 30 * 10**9
_SIDE_BY_SIDE = 8


class Fetching:
    """Calls ``fetch`` with names of plugins, in threads of its own; failures are logged."""

    def __init__(self, fetch: Callable[[str], object], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._tried_ns: dict[str, int] = {}

    def all_of(self, names: Iterable[str]) -> None:
        """Fetch ``names`` side by side; return when each was fetched or has failed."""
        wanted = list(names)
        if wanted:
            with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="fetch-plugin") as pool:
                list(pool.map(self._try, wanted))

    def soon(self, name: str) -> None:
        """Fetch ``name`` in the background, unless that was tried in the last half minute."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if now_ns - self._tried_ns.get(name, now_ns - AGAIN_NS) < AGAIN_NS:
                return
            self._tried_ns[name] = now_ns
        threading.Thread(target=self._try, args=(name,), name="fetch-plugin", daemon=True).start()

    def _try(self, name: str) -> None:
        try:
            self._fetch(name)
        except EngineError as error:
            logger.warning("plugin cannot be fetched plugin=%s reason=%s", name, error)
        else:
            logger.info("plugin fetched plugin=%s", name)
