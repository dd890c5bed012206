"""One cache namespace: the live objects, the last committed values, and the runs whose changes are neither committed nor undone.

Nothing here locks: ``CacheStore`` holds its lock around every call, except ``freeze``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.host.pickling import TooLarge, Unpicklable, to_bytes
from engine.host.protocol import CacheRules, NamespaceChange, NamespaceSync, StateValue

UNREAD = object()
"""Stands for a committed value that nobody has asked for yet."""


@dataclass(slots=True, eq=False)
class Entry:
    """A value under its key.

    Attributes:
        value: the object itself, or ``UNREAD``.
        pickled: the bytes that stood for the value when somebody looked last; ``None`` = nobody did.
        expires_ns: wall-clock time, ``None`` = never.
        live_only: this very object turned out not to be picklable, or too large.
        used: rises with each use of any value of its namespace.
    """

    value: Any
    pickled: bytes | None = None
    expires_ns: int | None = None
    live_only: bool = False
    used: int = 0

    @property
    def is_read(self) -> bool:
        """Return whether the object exists, and not only its bytes."""
        return self.value is not UNREAD

    @property
    def size_bytes(self) -> int:
        """Return what the value takes as bytes, as far as is known."""
        return len(self.pickled) if self.pickled is not None and not self.live_only else 0

    def read(self, value: Any) -> None:
        """Let ``value`` be the object, unless another thread was first."""
        if self.value is UNREAD:
            self.value = value

    def state(self, key: str) -> StateValue:
        """Return the entry as it would be committed."""
        return StateValue(key, None if self.live_only else self.pickled, self.live_only, self.expires_ns)


@dataclass(slots=True)
class Touch:
    """What a run did with a key: it only fetched it, or it put ``entry`` (``None``: deleted it) where ``before`` was."""

    put: bool = False
    entry: Entry | None = None
    before: Entry | None = None


def freeze(entry: Entry) -> bool:
    """Bring the bytes of ``entry`` up to date; return whether the value turned out to be too large just now.

    Runs the code of the value's classes, so no lock may be held.
    """
    if entry.live_only:
        return False
    try:
        entry.pickled = to_bytes(entry.value)
    except TooLarge:
        entry.live_only = True
        return True
    except Unpicklable:
        entry.live_only = True
    return False


@dataclass(eq=False)
class Session:
    """One run in one namespace: what it touched, and – once it ended – what it sent to be committed.

    ``overtaken`` are touched keys that another run has put since this one touched them last. ``adopted`` are keys that
    changed outside of any run (threads that a run left behind): the next run's commit carries them.
    """

    namespace: "Namespace"
    rules: CacheRules = field(default_factory=CacheRules)
    touched: dict[str, Touch] = field(default_factory=dict)
    overtaken: set[str] = field(default_factory=set)
    adopted: set[str] = field(default_factory=set)
    sent: dict[str, StateValue] = field(default_factory=dict)
    clear: bool = False
    closed: bool = False

    @property
    def keys(self) -> set[str]:
        """Return the keys that this session answers for."""
        return self.touched.keys() | self.adopted

    def put(self, key: str, entry: Entry) -> None:
        """Set ``key``."""
        old = self.namespace.entries.get(key)
        if old and old.live_only and old.value is entry.value:
            entry.live_only = True
        self._note_put(key, entry, old)
        self.namespace.entries[key] = entry
        self.namespace.note_use(entry)

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""
        old = self.namespace.entries.get(key)
        if old is None:
            return False
        self._note_put(key, None, old)
        del self.namespace.entries[key]
        return True

    def note_fetch(self, key: str) -> None:
        """Note that the run got hold of the object, and may change it in place."""
        touch = self.touched.get(key)
        if self.closed or (touch and touch.put and key in self.overtaken):
            self.namespace.orphans.add(key)
        elif touch is None:
            self._touch(key)
        else:
            self.overtaken.discard(key)

    def close(self) -> None:
        """Take note of nothing more."""
        self.closed = True
        put = {key for key, touch in self.touched.items() if touch.put}
        self.adopted = self.namespace.orphans - put
        self.namespace.orphans &= put & self.overtaken  # what is there is not what this run put: the next one tells it
        if self.adopted and self not in self.namespace.sessions:
            self.namespace.sessions.append(self)

    def stand_for(self, change: NamespaceChange) -> bool:
        """Be the session of a run that passed in another process and sent ``change``; return whether all is empty instead.

        A live object that the run left is not here, and a namespace comes whole or not at all.
        """
        is_lost = self.rules.restore != "values" and any(value.live for value in change.values)
        if change.clear or is_lost:
            self.namespace.start_empty()
        if not is_lost:
            self.clear, self.namespace.must_clear = self.namespace.must_clear, False
            for value in change.values:
                self._put_sent(value)
        if not self.touched:
            self.namespace.sessions.append(self)
        self.closed = True
        return is_lost

    def evict(self) -> list[str]:
        """Remove what was not used for longest, until the namespace is within its limit; return the keys.

        What other runs under way have touched stays, and so does what never had bytes, for its size is not known.
        """
        namespace = self.namespace
        namespace.most_bytes += sum(entry.size_bytes for _, entry in self.entries())
        if namespace.most_bytes <= self.rules.most_bytes:
            return []
        namespace.most_bytes = sum(entry.size_bytes for entry in namespace.entries.values())
        busy = {key for other in namespace.sessions if other is not self for key in other.touched}
        gone: list[str] = []
        for key, entry in sorted(namespace.entries.items(), key=lambda item: item[1].used):
            if namespace.most_bytes <= self.rules.most_bytes:
                break
            if entry.size_bytes and key not in busy:
                namespace.most_bytes -= entry.size_bytes
                touch = self.touched.get(key) or self._touch(key)
                touch.put, touch.entry, touch.before = True, None, touch.before or entry
                self.adopted.discard(key)
                del namespace.entries[key]
                gone.append(key)
        return gone

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield what is there under the keys of this session, for ``freeze``."""
        for key, entry, _ in self._ends():
            if entry:
                yield key, entry

    def change(self, now_ns: int) -> NamespaceChange | None:
        """Return what of this session differs from what is committed or on its way."""
        for key, entry, put in self._ends():
            is_there = entry is not None and not (entry.expires_ns is not None and entry.expires_ns <= now_ns)
            if not is_there and not put:
                continue  # it expired, or the run that removed it tells
            value = entry.state(key) if entry and is_there else StateValue(key, None)
            if value != self.namespace.known(key, but=self) or (put and self.namespace.is_in_doubt(key, self)):
                self.sent[key] = value
        if not self.sent:
            self.namespace.drop(self)
            return None
        self.clear, self.namespace.must_clear = self.namespace.must_clear, False
        return NamespaceChange(self.namespace.name, self.clear, list(self.sent.values()))

    def _ends(self) -> Iterator[tuple[str, Entry | None, bool]]:
        """Yield each key with what it ended as, and whether this session set it."""
        for key, touch in self.touched.items():
            if touch.put:
                yield key, touch.entry, True
            elif key not in self.overtaken and key not in self.adopted:
                yield key, self.namespace.entries.get(key), False
        for key in self.adopted:
            yield key, self.namespace.entries.get(key), True

    def _put_sent(self, value: StateValue) -> None:
        self.sent[value.key] = value
        if value.pickled is not None:
            self.put(value.key, Entry(UNREAD, value.pickled, value.expires_ns))
        else:
            self._note_put(value.key, None, self.namespace.entries.pop(value.key, None))

    def _touch(self, key: str) -> Touch:
        if not self.touched:
            self.namespace.sessions.append(self)
        touch = self.touched[key] = Touch()
        return touch

    def _note_put(self, key: str, entry: Entry | None, old: Entry | None) -> None:
        if self.closed:
            self.namespace.orphans.add(key)
        else:
            touch = self.touched.get(key) or self._touch(key)
            if not touch.put:
                touch.put, touch.before = True, old
            touch.entry = entry
            self.overtaken.discard(key)
        for other in self.namespace.sessions:
            if other is not self and key in other.touched:
                other.overtaken.add(key)


class Namespace:
    """The values of one namespace.

    Attributes:
        version: the newest committed version that is known here.
        entries: what plugins see.
        committed: the values at that version, for comparison and to go back to.
        must_clear: it started empty although values were committed; the next change says so.
        orphans: keys changed by nobody who will commit them.
        most_bytes: the pickled values take at most so much.
        uses: how often any value was used.
        sessions: runs that touched something and are not settled, oldest first.
        is_forgotten: its trigger is gone; only runs that were under way still see it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = 0
        self.entries: dict[str, Entry] = {}
        self.committed: dict[str, StateValue] = {}
        self.must_clear = False
        self.orphans: set[str] = set()
        self.most_bytes = 0
        self.uses = 0
        self.sessions: list[Session] = []
        self.is_forgotten = False

    def current(self, key: str, now_ns: int) -> Entry | None:
        """Return what is under ``key``, unless it has expired."""
        entry = self.entries.get(key)
        if entry and entry.expires_ns is not None and entry.expires_ns <= now_ns:
            del self.entries[key]
            return None
        if entry:
            self.note_use(entry)
        return entry

    def note_use(self, entry: Entry) -> None:
        """Note that ``entry`` is the one that was used last."""
        self.uses += 1
        entry.used = self.uses

    def known(self, key: str, *, but: Session) -> StateValue:
        """Return the last value of ``key`` that was committed or sent to be, leaving out what ``but`` sent."""
        for session in reversed(self.sessions):
            if session is not but and key in session.sent:
                return session.sent[key]
        return self.committed.get(key) or StateValue(key, None)

    def is_in_doubt(self, key: str, asking: Session) -> bool:
        """Return whether another run sent ``key`` and it is open what becomes of it."""
        return any(key in session.sent for session in self.sessions if session is not asking)

    def sync(self, update: NamespaceSync, now_ns: int, restore: Literal["whole", "values", "never"] = "whole") -> bool:
        """Take over what was committed elsewhere; return whether the namespace starts empty instead, for a reason to tell.

        A namespace comes back whole or not at all, for a live object that is not here cannot come back, unless
        ``restore`` says otherwise: what can, or nothing if there is nothing of it here.
        """
        if update.whole and (self.must_clear or any(session.clear for session in self.sessions)):
            return False  # these values are on their way out
        is_new = not self.version
        self.version = update.version
        if update.whole:
            if restore == "never" and is_new:
                self.start_empty()
                return False
            if restore != "values" and any(value.live and not self._holds_live(value.key) for value in update.values):
                self.start_empty()
                return True
            for key in self.committed.keys() - {value.key for value in update.values}:
                self._take(StateValue(key, None), now_ns)
        for value in update.values:
            self.most_bytes += len(value.pickled or b"")
            self._take(value, now_ns)
        return False

    def start_empty(self) -> None:
        """Drop all but what unsettled runs have put; the next commit clears the rest for good."""
        fresh = {key for session in self.sessions for key, touch in session.touched.items() if touch.put}
        self.entries = {key: entry for key, entry in self.entries.items() if key in fresh}
        self.committed = {}
        self.orphans = set()
        self.must_clear = True

    def commit(self, session: Session, version: int | None) -> None:
        """Note that what ``session`` sent is committed."""
        self.drop(session)
        if session.clear:
            self.orphans |= self.committed.keys() & self.entries.keys()
            self.committed = {}
        for key, value in session.sent.items():
            self._set_committed(value)
            if key in session.overtaken:
                self.orphans.add(key)
            elif session.clear:
                self.orphans.discard(key)
        if version is not None:
            self.version = max(self.version, version)

    def undo(self, session: Session, now_ns: int) -> None:
        """Put back what ``session`` changed, except what another run has put since."""
        self.drop(session)
        self.must_clear |= session.clear
        for key in session.sent:
            if key in session.adopted:
                self.orphans.add(key)
            elif key not in session.overtaken and not self._give_back(key, session.touched[key]):
                self._restore(self.known(key, but=session), session.touched[key], now_ns)

    def abandon(self, session: Session) -> None:
        """Let the next run answer for what ``session`` changed."""
        self.drop(session)
        self.must_clear |= session.clear
        self.orphans |= session.keys

    def drop(self, session: Session) -> None:
        """Forget ``session``."""
        if session in self.sessions:
            self.sessions.remove(session)

    def sweep(self, now_ns: int) -> None:
        """Remove what has expired."""
        for held in (self.entries, self.committed):
            for key in [k for k, v in held.items() if v.expires_ns is not None and v.expires_ns <= now_ns]:
                del held[key]

    def _holds_live(self, key: str) -> bool:
        entry = self.entries.get(key)
        return entry is not None and entry.live_only

    def _take(self, value: StateValue, now_ns: int) -> None:
        known = self.committed.get(value.key)
        self._set_committed(value)
        entry = self.entries.get(value.key)
        if value == known or any(_is_newer_in(session, value.key) for session in self.sessions):
            return
        if entry and (entry.state(value.key) == value or (entry.live_only and value.live)):
            return  # what was committed from here comes back: the object stays the same one
        self._show(value, now_ns)

    def _give_back(self, key: str, touch: Touch) -> bool:
        """Show again what a run that goes on has put as ``key``; return whether there is one."""
        for owner in reversed(self.sessions):
            theirs = owner.touched.get(key)
            if theirs is None or not theirs.put or owner.closed:
                continue
            if touch.put:
                owner.overtaken.discard(key)
                if theirs.entry is None:
                    self.entries.pop(key, None)
                else:
                    self.entries[key] = theirs.entry
            return True
        return False

    def _restore(self, known: StateValue, touch: Touch, now_ns: int) -> None:
        if not known.live:
            self._show(known, now_ns)
        elif touch.put and touch.before:
            self.entries[known.key] = touch.before

    def _show(self, value: StateValue, now_ns: int) -> None:
        is_over = value.expires_ns is not None and value.expires_ns <= now_ns
        if value.pickled is None or is_over:
            self.entries.pop(value.key, None)
        else:
            self.entries[value.key] = Entry(UNREAD, value.pickled, value.expires_ns)

    def _set_committed(self, value: StateValue) -> None:
        if value.pickled is None and not value.live:
            self.committed.pop(value.key, None)
        else:
            self.committed[value.key] = value


def _is_newer_in(session: Session, key: str) -> bool:
    return key in session.sent or (key in session.touched and session.touched[key].put)
