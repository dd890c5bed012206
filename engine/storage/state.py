"""The committed values of the plugins' caches: namespaces of pickled values, as the log leaves them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from engine.host.protocol import NamespaceChange, NamespaceSync, StateValue


@dataclass(frozen=True, slots=True)
class CacheValue:
    """One committed value.

    Attributes:
        trigger_name: whose it is, ``None`` = it is in the global namespace.
        size_bytes: of its pickle, ``None`` = it lives in the memory of a plugin host only.
        expires_ns: wall-clock time, ``None`` = never.
    """

    trigger_name: str | None
    key: str
    size_bytes: int | None
    expires_ns: int | None


class StoredValue(msgspec.Struct, frozen=True, array_like=True):
    """A value and the position of the commit that left it; a key that was deleted is kept until the next checkpoint."""

    value: StateValue
    position: int

    @property
    def is_gone(self) -> bool:
        """Return whether the key was deleted."""
        return self.value.pickled is None and not self.value.live


@dataclass(slots=True)
class Namespace:
    """One namespace; its version is the position of the last commit that changed it.

    ``whole_before``: a host that knows only an older version than this starts from nothing.
    """

    version: int = 0
    whole_before: int = 0
    values: dict[str, StoredValue] = field(default_factory=dict)

    def apply(self, position: int, change: NamespaceChange) -> None:
        """Take over what the commit at ``position`` changed."""
        if change.clear:
            self.values.clear()
            self.whole_before = position
        for value in change.values:
            self.values[value.key] = StoredValue(value, position)
        self.version = position

    def since(self, name: str, version: int) -> NamespaceSync | None:
        """Return what a host with ``version`` (0: nothing) lacks, ``None`` if it lacks nothing."""
        if version >= self.version:
            return None
        whole = version == 0 or version < self.whole_before
        wanted = [s.value for s in self.values.values() if (not s.is_gone if whole else s.position > version)]
        return NamespaceSync(name, self.version, whole, wanted)

    def without_leftovers(self, now_ns: int) -> "Namespace":
        """Return the namespace without deleted and expired keys."""
        kept = {
            key: s
            for key, s in self.values.items()
            if not s.is_gone and (s.value.expires_ns is None or s.value.expires_ns > now_ns)
        }
        return Namespace(self.version, self.version if len(kept) < len(self.values) else self.whole_before, kept)


class NamespaceRecord(msgspec.Struct, array_like=True):
    """A namespace as a checkpoint stores it."""

    name: str
    version: int
    whole_before: int
    values: list[StoredValue]


def to_records(namespaces: dict[str, Namespace], now_ns: int) -> list[NamespaceRecord]:
    """Return what a checkpoint stores of ``namespaces``."""
    kept = {name: n.without_leftovers(now_ns) for name, n in namespaces.items()}
    return [NamespaceRecord(name, n.version, n.whole_before, list(n.values.values())) for name, n in kept.items()]


def from_records(records: Iterable[NamespaceRecord]) -> dict[str, Namespace]:
    """Return the namespaces that a checkpoint stored."""
    return {r.name: Namespace(r.version, r.whole_before, {s.value.key: s for s in r.values}) for r in records}
