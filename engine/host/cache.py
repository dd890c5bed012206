"""The cache of plugins as its users see it: live objects with keys, in namespaces, and what each run did to them."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from engine.clock import Clock
from engine.host.namespace import Entry, Namespace, Session, freeze
from engine.host.pickling import UNCHANGEABLE, from_bytes
from engine.host.protocol import CacheRules, NamespaceChange, NamespaceSync, PassedRun, Settle

SWEEP_INTERVAL_NS = 10_000_000_000
SECOND_NS = 1_000_000_000
FAR_FUTURE_NS = (1 << 63) - 1
LONGEST_TTL_S = float(1 << 64)

MOST_NAMED_KEYS = 5
"""So many of the keys that had to go are named in the log."""

LogLine = Callable[[str, str], None]

Rules = Mapping[str, CacheRules]
"""Of a run: by its own namespace and the global one, in this order."""


class CacheStore:
    """All cache namespaces of one process; every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._namespaces: dict[str, Namespace] = {}
        self._unsettled: dict[str, RunCache] = {}
        self._swept_ns = clock.now_ns()
        # Not a plain Lock: dropping a value under the lock may run its ``__del__``, which may use the cache.
        self._lock = threading.RLock()

    def version(self, namespace: str) -> int:
        """Return the newest version of ``namespace`` that is known here, 0 for none."""
        with self._lock:
            known = self._namespaces.get(namespace)
            return known.version if known else 0

    def sync(self, update: NamespaceSync, rules: CacheRules) -> bool:
        """Take over what was committed elsewhere; return whether the namespace had to start empty instead."""
        with self._lock:
            return self._namespace(update.namespace).sync(update, self._clock.now_ns(), rules.restore)

    def open(self, run_id: str, rules: Rules, default_ttl_s: float | None, log: LogLine) -> "RunCache":
        """Return the cache as the run ``run_id`` uses it; with ``default_ttl_s`` nothing of it is ever committed."""
        with self._lock:
            sessions = tuple(Session(self._namespace(name), rule) for name, rule in rules.items())
            return RunCache(self, run_id, sessions, default_ttl_s, log)

    def take_passed(self, passed: PassedRun, rules: Rules) -> list[str]:
        """Have what a run of another process left, as if it had ended here; return what starts empty instead.

        Nothing happens if it did end here.
        """
        with self._lock:
            if passed.run_id in self._unsettled:
                return []
            run = self.open(passed.run_id, rules, None, lambda level, text: None)
            self._unsettled[passed.run_id] = run
            by_name = {session.namespace.name: session for session in run.sessions}
            return [c.namespace for c in passed.changes if by_name[c.namespace].stand_for(c)]

    def settle(self, message: Settle) -> None:
        """Note what became of a finished run; runs that share keys are settled in the order of their commits."""
        with self._lock:
            run = self._unsettled.pop(message.run_id, None)
            for session in run.sessions if run else ():
                if message.outcome == "repeat":
                    session.namespace.undo(session, self._clock.now_ns())
                else:
                    session.namespace.commit(session, message.versions.get(session.namespace.name))

    def forget(self, namespace: str) -> None:
        """Drop ``namespace``; runs that still use it keep what they have, and nobody else sees it."""
        with self._lock:
            dropped = self._namespaces.pop(namespace, None)
            if dropped:
                dropped.is_forgotten = True
            for run in [run for run in self._unsettled.values() if run.is_forgotten]:
                run.abandon()

    def sweep(self) -> None:
        """Remove what has expired, if the last time was long enough ago."""
        now = self._clock.now_ns()
        with self._lock:
            if now - self._swept_ns < SWEEP_INTERVAL_NS:
                return
            self._swept_ns = now
            for namespace in self._namespaces.values():
                namespace.sweep(now)

    def _namespace(self, name: str) -> Namespace:
        return self._namespaces.setdefault(name, Namespace(name))


class RunCache:
    """The cache for one run: its own namespace and the global one."""

    def __init__(
        self,
        store: CacheStore,
        run_id: str,
        sessions: tuple[Session, ...],
        default_ttl_s: float | None,
        log: LogLine,
    ) -> None:
        self.sessions = sessions
        self._store = store
        self._run_id = run_id
        self._default_ttl_s = default_ttl_s
        self._log = log

    def put(self, key: str, value: Any, ttl: float | None, *, use_global: bool) -> None:
        """Keep ``value`` itself for ``ttl`` seconds, ``None`` = for ever.

        Raises:
            ValueError: ``ttl`` is no length of time.
        """
        ttl = self._default_ttl_s if ttl is None else ttl
        entry = Entry(value, expires_ns=None if ttl is None else expiry(ttl, self._store._clock.now_ns()))
        with self._store._lock:
            self.sessions[use_global].put(key, entry)

    def get(self, key: str, default: Any, *, use_global: bool) -> Any:
        """Return the object that was put as ``key``, ``default`` where there is none."""
        session = self.sessions[use_global]
        with self._store._lock:
            entry = session.namespace.current(key, self._store._clock.now_ns())
            if entry is None:
                return default
            if entry.is_read:
                session.note_fetch(key)
                return entry.value
            data = entry.pickled or b""
        try:
            value = from_bytes(data)
        except Exception as error:  # noqa: BLE001 - code of any class may run here; the loss is logged
            self._lose(session, key, error)
            return default
        with self._store._lock:
            entry.read(value)
            session.note_fetch(key)
            return entry.value

    def delete(self, key: str, *, use_global: bool) -> bool:
        """Remove ``key``; return whether it was there."""
        with self._store._lock:
            return self.sessions[use_global].delete(key)

    @property
    def is_forgotten(self) -> bool:
        """Return whether the trigger of this run is gone, so that nobody will settle it."""
        return self.sessions[0].namespace.is_forgotten

    def changes(self) -> list[NamespaceChange]:
        """End the tracking of this run and return what it changed; what is used later counts for the next run.

        Runs the code of the values' classes. Whoever does not get the result – an interruption – calls ``abandon``.
        """
        with self._store._lock:
            for session in self.sessions:
                session.close()
        concerned = [session for session in self.sessions if session.keys]
        if self._default_ttl_s is None:
            for session in concerned:
                for key, entry in session.entries():
                    self._freeze(key, entry)
        with self._store._lock:
            return self._changes() if concerned else []

    def abandon(self) -> None:
        """Let the next runs answer for what this one changed, for it will not be settled."""
        with self._store._lock:
            self._store._unsettled.pop(self._run_id, None)
            for session in self.sessions:
                session.namespace.abandon(session)

    def _changes(self) -> list[NamespaceChange]:
        earlier = self._store._unsettled.get(self._run_id)
        if earlier:
            earlier.abandon()
        if self._default_ttl_s is not None:
            for session in self.sessions:
                session.namespace.drop(session)
            return []
        if self.is_forgotten:
            self.abandon()
            return []
        for session in self.sessions:
            self._bound(session)
        now = self._store._clock.now_ns()
        changes = [change for session in self.sessions if (change := session.change(now))]
        if changes:
            self._store._unsettled[self._run_id] = self
        return changes

    def _bound(self, session: Session) -> None:
        """Let what was not used for longest go until the namespace is within its limit, and say so."""
        gone = session.evict()
        if gone:
            whose = "the global cache" if session is self.sessions[True] else "the cache of this trigger"
            names = ", ".join(map(repr, gone[:MOST_NAMED_KEYS])) + (", …" if len(gone) > MOST_NAMED_KEYS else "")
            self._log(
                "WARN",
                f"{whose} passed its limit of {session.rules.most_bytes} bytes (--plugin-cache-size): "
                f"{len(gone)} values that were not used for longest are gone: {names}",
            )

    def _freeze(self, key: str, entry: Entry) -> None:
        if entry.is_read and not (entry.pickled is not None and type(entry.value) in UNCHANGEABLE) and freeze(entry):
            self._log("WARN", f"cache value {key!r} is too large to be kept across a restart: it stays in memory only")

    def _lose(self, session: Session, key: str, error: Exception) -> None:
        what = f"cache value {key!r} cannot be restored ({type(error).__qualname__}: {error})"
        with self._store._lock:
            if session is self.sessions[True] or session.rules.restore == "values":
                # the plugin that put it may well be able to read it, so only this process goes on without it
                session.namespace.entries.pop(key, None)
            else:
                session.namespace.start_empty()
                what += ": the cache of this trigger starts empty"
        self._log("WARN", what)


def expiry(ttl_s: float, now_ns: int) -> int:
    """Return when a value put at ``now_ns`` expires.

    Raises:
        ValueError: ``ttl_s`` is negative, no number, or too long.
    """
    if ttl_s < 0:
        raise ValueError("cannot convert float seconds to Duration: value is negative")
    if not ttl_s < LONGEST_TTL_S:
        raise ValueError("cannot convert float seconds to Duration: value is either too big or NaN")
    return min(now_ns + int(ttl_s * SECOND_NS), FAR_FUTURE_NS)
