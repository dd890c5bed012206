"""What a plugin host knows of the cache namespaces: from which version on it has to be told, after every commit and send.

Commits of runs in the same host are known there already, as live objects. A commit of another host's run is missing
until a sync has brought it; it may be heard of late, out of the order of versions.
"""

from dataclasses import dataclass

from engine.host.protocol import NamespaceSync


@dataclass(slots=True)
class _Known:
    upto: int = 0
    synced: int = 0
    missing: int | None = None


class NamespaceKnowledge:
    """The knowledge of one host; not safe for several threads at once.

    Attributes:
        changes: rises with everything that is noted; what was asked for ``since`` before such a change may be outdated.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._known: dict[str, _Known] = {}

    def since(self, namespace: str) -> int:
        """Return the version up to which the host knows all of ``namespace``, 0 = it knows nothing."""
        known = self._known.get(namespace)
        if known is None:
            return 0
        return known.upto if known.missing is None else max(0, min(known.upto, known.missing - 1))

    def note_run(self, namespace: str) -> None:
        """Note that a run is sent that uses ``namespace``."""
        self._known.setdefault(namespace, _Known())

    def note_sync(self, sync: NamespaceSync) -> None:
        """Note that ``sync``, which begins where ``since`` says, is sent."""
        self.changes += 1
        known = self._known.setdefault(sync.namespace, _Known())
        known.upto = max(known.upto, sync.version)
        known.synced = max(known.synced, sync.version)
        if known.missing is not None and known.missing <= sync.version:
            known.missing = None

    def committed_here(self, namespace: str, version: int) -> None:
        """Note a commit of a run of this host; one that comes after ``forget`` is not there any more."""
        self.changes += 1
        known = self._known.get(namespace)
        if known is not None:
            known.upto = max(known.upto, version)

    def committed_elsewhere(self, namespace: str, version: int) -> None:
        """Note a commit of a run of another host."""
        self.changes += 1
        known = self._known.get(namespace)
        if known is not None and version > known.synced:
            known.missing = version if known.missing is None else min(known.missing, version)

    def forget(self, namespace: str) -> None:
        """Note that the host was told to drop ``namespace``."""
        self.changes += 1
        self._known.pop(namespace, None)
