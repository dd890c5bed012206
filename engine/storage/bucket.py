"""The port to an object store: whole objects by key, of which some are replaced only if they are as somebody saw them."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.errors import EngineError, ObjectStoreAway

logger = logging.getLogger(__name__)


class Conflict(EngineError):
    """An object is not as the caller saw it – or an earlier try of the same call came through after all."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which version of an object somebody saw, in the words of the store."""

    e_tag: str | None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read."""

    data: bytes
    version: Version


class Bucket(Protocol):
    """The objects of one node. What a call was told to be done is durable and seen by everybody; all threads may call.

    All methods raise ``ObjectStoreAway`` when the store does not answer or is busy, after tries of their own, and
    ``ObjectStoreRefused`` when it does not let us; what a failed call was to change may have been changed or not.
    ``brisk`` calls give up after seconds.
    """

    @property
    def url(self) -> str:
        """Return where the objects are, for people."""

    def get(self, key: str, *, brisk: bool = False) -> Stored | None:
        """Return an object, ``None`` if there is none."""

    def put(self, key: str, source: Path | bytes) -> None:
        """Make an object of a file or of bytes, whatever was there before, and see that it is there in full."""

    def put_if(self, key: str, data: bytes, seen: Version | None, *, brisk: bool = False) -> Version:
        """Make an object if it is still as ``seen`` (``None``: not there); return its version.

        Raises:
            Conflict: it is not; see there.
        """

    def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, which ends with a slash."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""


def replace_if(
    bucket: Bucket,
    key: str,
    data: bytes,
    seen: Version | None,
    is_ours: Callable[[bytes], bool],
    *,
    brisk: bool = False,
) -> Version | None:
    """Make an object if it is still as ``seen``; return its version, ``None`` if somebody else has replaced it.

    ``is_ours`` tells of what stands there whether we wrote it: a try whose answer was lost may have come through.
    """
    for _ in range(2):
        try:
            return bucket.put_if(key, data, seen, brisk=brisk)
        except Conflict:
            found = bucket.get(key, brisk=brisk)
            if found is not None and found.data == data:
                return found.version
            if found is not None and found.version == seen:
                raise ObjectStoreAway(f"{bucket.url}: somebody else was writing {key}") from None
            if found is None or not is_ours(found.data):
                return None
            seen = found.version
            logger.debug("an earlier try came through key=%s", key)
    return None
