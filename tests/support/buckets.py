"""Object stores for tests: one in memory whose every call can fail, stop the power, or come through with its answer lost."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from engine.disk import Disk, RealDisk
from engine.errors import ObjectStoreAway
from engine.paths import NodePaths
from engine.storage.bucket import Conflict, Stored, Version
from engine.storage.cloud_config import RemoteConfig
from engine.storage.remote import RemoteObjects
from tests.support.clock import ManualClock
from tests.support.disk import Stopped
from tests.support.stores import FedStore

T = TypeVar("T")
START_NS = 1_700_000_000_000_000_000


@dataclass
class MemoryObjects:
    """What an object store holds, for as many clients as there are."""

    objects: dict[str, tuple[bytes, Version]] = field(default_factory=dict)
    puts: int = 0

    def put(self, key: str, data: bytes) -> Version:
        self.puts += 1
        version = Version(f'"{self.puts}"')
        self.objects[key] = (data, version)
        return version


class MemoryBucket:
    """A ``Bucket`` of one client of ``kept``.

    Attributes:
        calls: what was asked, as (word, key).
        stop_at: the call with this number (from 0) and all after it raise ``Stopped`` – it came through if ``through``.
        is_away: nothing is answered.
        lost_answers: so many puts come through, and their answers are lost.
        before: called with (word, key) before each call.
    """

    url = "mem://bucket/node"

    def __init__(self, kept: MemoryObjects) -> None:
        self.kept = kept
        self.calls: list[tuple[str, str]] = []
        self.stop_at: int | None = None
        self.through = False
        self.is_away = False
        self.lost_answers = 0
        self.before: Callable[[str, str], None] = lambda word, key: None
        self._lock = threading.RLock()

    def get(self, key: str, *, brisk: bool = False) -> Stored | None:
        with self._lock:
            self._begin("get", key)
            found = self.kept.objects.get(key)
            return Stored(*found) if found else None

    def put(self, key: str, source: Path | bytes) -> None:
        data = source.read_bytes() if isinstance(source, Path) else source
        with self._lock:
            self._change("put", key, lambda: self.kept.put(key, data))

    def put_if(self, key: str, data: bytes, seen: Version | None, *, brisk: bool = False) -> Version:
        def put() -> Version:
            found = self.kept.objects.get(key)
            if (found[1] if found else None) != seen:
                raise Conflict(key)
            return self.kept.put(key, data)

        with self._lock:
            return self._change("put_if", key, put)

    def list(self, prefix: str) -> list[str]:
        with self._lock:
            self._begin("list", prefix)
            return [key for key in self.kept.objects if key.startswith(prefix)]

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._lock:
                self._change("delete", key, lambda key=key: self.kept.objects.pop(key, None))  # type: ignore[misc]

    def _change(self, word: str, key: str, change: Callable[[], T]) -> T:
        stops = self.stop_at is not None and len(self.calls) == self.stop_at and self.through
        if not stops:
            self._begin(word, key)
        done = change()
        if stops:
            self._begin(word, key)
        if self.lost_answers:
            self.lost_answers -= 1
            raise ObjectStoreAway("the answer was lost")
        return done

    def _begin(self, word: str, key: str) -> None:
        if self.stop_at is not None and len(self.calls) >= self.stop_at:
            raise Stopped
        self.calls.append((word, key))
        self.before(word, key)
        if self.is_away:
            raise ObjectStoreAway("nobody answers")


class Machine:
    """A store on a folder of its own whose files are in ``kept``; several may have the same."""

    def __init__(
        self,
        folder: Path,
        kept: MemoryObjects,
        *,
        clock: ManualClock | None = None,
        disk: Disk | None = None,
        take_over: bool = False,
        cache_bytes: int = 1 << 30,
        bucket: MemoryBucket | None = None,
    ) -> None:
        self.clock = clock or ManualClock(START_NS)
        self.bucket = bucket or MemoryBucket(kept)
        self.folder = folder
        disk = disk or RealDisk()
        config = RemoteConfig(cache_bytes, 1, 30.0, take_over, folder.name, in_background=False)
        paths = NodePaths(folder, "node")
        self.objects = RemoteObjects(self.bucket, disk, paths, self.clock, config, pause=self._pause)
        self.lost: list[str] = []
        self.fed = FedStore(folder, disk, self.objects)
        self.objects.begin(lambda: len(self.fed.records), self.lost.append)

    def _pause(self, seconds: float) -> None:
        self.clock.advance(round(seconds * 1e9))

    def renew(self) -> None:
        """Let the time of a renewal come."""
        self.clock.advance(10 * 10**9)
        self.objects.tick()

    def close(self) -> None:
        """Stop in good order."""
        self.fed.snapshot()
        self.objects.close(is_complete=True)
