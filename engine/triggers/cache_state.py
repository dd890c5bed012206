"""What the caches of plugins hold, as far as it is committed: shown to people, and taken away by them."""

from collections.abc import Iterator

from engine.catalog.state import Database
from engine.clock import Clock
from engine.errors import NotFound
from engine.host.protocol import GLOBAL_NAMESPACE, NamespaceChange, StateValue
from engine.model.trigger import TriggerDefinition
from engine.plugins.ports import Executor
from engine.storage.consumers import Consumers, namespace_of
from engine.storage.state import CacheValue
from engine.wal.format import NOBODY, CommitRecord
from engine.wal.ports import Entry
from engine.wal.wal import Wal


class CacheStates:
    """The committed state of all plugins."""

    def __init__(self, consumers: Consumers, wal: Wal, executor: Executor, clock: Clock) -> None:
        self._consumers = consumers
        self._wal = wal
        self._executor = executor
        self._clock = clock

    def of(self, database: Database) -> Iterator[CacheValue]:
        """Yield the values of the triggers of ``database``, then those of the global namespace."""
        for trigger in database.triggers:
            consumer = self._consumers.get(trigger.trigger_id)
            if consumer is not None:
                yield from self._values(namespace_of(trigger.trigger_id, consumer.generation), trigger.name)
        yield from self._values(GLOBAL_NAMESPACE, None)

    def delete(self, trigger: TriggerDefinition | None, key: str | None) -> None:
        """Take away the value ``key`` of ``trigger`` (``None`` = of the global namespace), all of them for no key.

        Durable when this returns, and seen by the runs that begin from then on.

        Raises:
            NotFound: there is nothing under ``key``.
        """
        namespace = self._namespace(trigger)
        whose = f"trigger {trigger.name}" if trigger else "all triggers"
        present = {value.key for value in self._consumers.values(namespace)} if namespace else set()
        if key is not None and key not in present:
            raise NotFound(f"the cache of {whose} holds nothing under {key!r}")
        if not namespace or not present:
            return
        change = NamespaceChange(namespace, key is None, [] if key is None else [StateValue(key, None)])
        commit = CommitRecord(NOBODY, 0, "", (), None, (), (), (change,))
        position = self._wal.append(Entry([commit])).result()[0]
        self._executor.settle("", committed=True, versions={namespace: position})

    def _namespace(self, trigger: TriggerDefinition | None) -> str | None:
        if trigger is None:
            return GLOBAL_NAMESPACE
        consumer = self._consumers.get(trigger.trigger_id)
        return namespace_of(trigger.trigger_id, consumer.generation) if consumer else None

    def _values(self, namespace: str, trigger_name: str | None) -> Iterator[CacheValue]:
        now_ns = self._clock.now_ns()
        for value in self._consumers.values(namespace):
            if value.expires_ns is None or value.expires_ns > now_ns:
                size = None if value.pickled is None else len(value.pickled)
                yield CacheValue(trigger_name, value.key, size, value.expires_ns)
