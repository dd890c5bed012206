"""Claims the data of a node in an object store, keeps it by renewing a lease, and notices when another server has it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.clock import Clock
from engine.errors import EngineError, FolderInUse, OwnershipLost
from engine.storage.bucket import Bucket, Conflict, Version, replace_if
from engine.storage.lease import Lease, Watch, decide_claim, decode_lease, encode_lease

logger = logging.getLogger(__name__)

KEY = "owner"
LOST = "another process has written to the WAL ahead of this one"
"""Clients know this text from the product."""

LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: the id of its data folder, a name for people, and how.

    Attributes:
        duration_s: how long a lease holds.
        take_over: do not wait for a lease that another server holds.
        pause: waits for so many seconds.
    """

    holder: str
    machine: str
    duration_s: float
    take_over: bool
    pause: Callable[[float], object]


def _nobody(reason: str) -> None:
    """Tell nobody."""


class Owner:
    """The lease of one node's data; ``renew`` is to be called several times while it lasts.

    Attributes:
        lease: as it was claimed or last renewed.
        before: what the claim took the place of, ``None`` if the data never had an owner.
        on_lost: is told why, when another server has the data.
    """

    def __init__(self, bucket: Bucket, clock: Clock, claimant: Claimant) -> None:
        self.lease = Lease(0, claimant.holder, claimant.machine, 0, claimant.duration_s)
        self.before: Lease | None = None
        self.on_lost: Callable[[str], None] = _nobody
        self._bucket = bucket
        self._clock = clock
        self._claimant = claimant
        self._version: Version | None = None
        self._lock = threading.Lock()
        self._lost: str | None = None
        self._waits = False

    @property
    def lost(self) -> str | None:
        """Return why the data is not ours any more, ``None`` while it is."""
        return self._lost

    def look(self) -> Lease | None:
        """Return who has the data, ``None`` if it never had an owner."""
        return self._read()[0]

    def claim(self) -> None:
        """Take the data; wait until the lease of a server that is gone has ended.

        Raises:
            FolderInUse: its holder lives.
        """
        found, seen = self._read()
        first, began_ns = found, self._clock.monotonic_ns()
        while True:
            watched_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            take_over = self._claimant.take_over
            claim = decide_claim(found, self._claimant.holder, self._clock.now_ns(), watched_s, take_over=take_over)
            if isinstance(claim, Watch):
                self._wait(found, claim.seconds)
            elif self._take(found, claim.epoch, seen):
                return
            found, seen = self._read()
            if found is not None and found != first and not found.released and not take_over:
                raise FolderInUse(self._in_use(found))

    def is_ours(self) -> bool:
        """Return whether nobody has taken the data; if somebody has, ``on_lost`` was told. Raises like ``look``."""
        now = self.look()
        if self._lost is None and now is not None and now.epoch > self.lease.epoch:
            self.lose()
        return self._lost is None

    def renew(self, position: int) -> None:
        """Prolong the lease, saying how far the log goes.

        Raises:
            OwnershipLost: another server has the data now; ``on_lost`` was told.
            EngineError: the store cannot be reached; the lease is as it was, and may be renewed later.
        """
        with self._lock:
            self._put(replace(self.lease, renewed_ns=self._clock.now_ns(), position=position))

    def release(self, position: int) -> None:
        """Give the data up: all rows are in the store. Raises like ``renew``."""
        with self._lock:
            self._put(replace(self.lease, renewed_ns=self._clock.now_ns(), position=position, released=True))

    def lose(self) -> OwnershipLost:
        """Note that another server has the data, tell ``on_lost``, and return what to raise."""
        if self._lost is None:
            now = self._read_quietly()
            who = f" ({now.machine}, epoch {now.epoch})" if now else ""
            self._lost = f"{LOST}: the data in {self._bucket.url} belongs to another server now{who}"
            logger.critical("%s", self._lost)
            self.on_lost(self._lost)
        return OwnershipLost(self._lost)

    def _put(self, lease: Lease) -> None:
        if self._lost is not None:
            raise OwnershipLost(self._lost)
        version = replace_if(self._bucket, KEY, encode_lease(lease), self._version, self._is_ours, brisk=True)
        if version is None:
            raise self.lose()
        self.lease, self._version = lease, version

    def _is_ours(self, data: bytes) -> bool:
        found = decode_lease(data, f"{self._bucket.url}/{KEY}")
        return (found.holder, found.epoch) == (self.lease.holder, self.lease.epoch)

    def _take(self, found: Lease | None, epoch: int, seen: Version | None) -> bool:
        mine = Lease(
            epoch,
            self._claimant.holder,
            self._claimant.machine,
            self._clock.now_ns(),
            self._claimant.duration_s,
            found.position if found else 0,
        )
        data = encode_lease(mine)
        try:
            self._version = self._bucket.put_if(KEY, data, seen, brisk=True)
        except Conflict:
            now = self._bucket.get(KEY, brisk=True)
            if now is None or now.data != data:
                return False
            self._version = now.version
        self.lease, self.before = mine, found
        return True

    def _read(self) -> tuple[Lease | None, Version | None]:
        found = self._bucket.get(KEY, brisk=True)
        if found is None:
            return None, None
        return decode_lease(found.data, f"{self._bucket.url}/{KEY}"), found.version

    def _read_quietly(self) -> Lease | None:
        try:
            return self.look()
        except EngineError:
            return None

    def _wait(self, found: Lease | None, most_s: float) -> None:
        if not self._waits:
            self._waits = True
            logger.warning(
                "the data has an owner that may be gone, its lease ends in at most %.0f s: store=%s owner=%s",
                most_s,
                self._bucket.url,
                found.machine if found else None,
            )
        self._claimant.pause(min(LOOK_EVERY_S, most_s))

    def _in_use(self, lease: Lease) -> str:
        return (
            f"the data in {self._bucket.url} is in use by another influxdb3 server ({lease.machine}, which renewed its "
            "lease just now); stop that one, choose another --node-id, or take its place with --object-store-take-over"
        )
