"""Who owns the data of a node in an object store: a lease that names its holder, pure decisions and their bytes."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import ManifestCorrupt

MARGIN_S = 5.0
"""So much longer than it lasts a lease is watched before somebody takes over: answers take time, and clocks run unlike."""

SKEW_S = 120.0
"""Clocks of two machines differ by less; a lease that ended longer ago needs not be watched."""

VERSION = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """What the object ``owner`` says.

    Attributes:
        epoch: grows with every claim.
        holder: the id of the data folder whose server has it.
        machine: host name and process, for people.
        renewed_ns: when it was renewed, by the holder's clock.
        duration_s: so long after that it holds.
        position: the log of the holder went so far then.
        released: the holder has ended in good order, with all rows in the store.
    """

    epoch: int
    holder: str
    machine: str
    renewed_ns: int
    duration_s: float
    position: int = 0
    released: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """The lease may be claimed, with this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Watch:
    """The lease may be claimed when it has not been renewed for so many seconds more."""

    seconds: float


def decide_claim(found: Lease | None, holder: str, now_ns: int, watched_s: float, *, take_over: bool) -> Take | Watch:
    """Return whether ``holder`` may claim a lease that was ``found`` and has not changed for ``watched_s``."""
    if found is None:
        return Take(1)
    ended_s = (now_ns - found.renewed_ns) / 1e9 - found.duration_s
    left_s = found.duration_s + MARGIN_S - watched_s
    if found.released or found.holder == holder or take_over or ended_s > SKEW_S or left_s <= 0:
        return Take(found.epoch + 1)
    return Watch(left_s)


def encode_lease(lease: Lease) -> bytes:
    """Return the bytes of the object, which people can read."""
    return json.dumps({"version": VERSION} | asdict(lease), indent=1).encode()


def decode_lease(data: bytes, where: str) -> Lease:
    """Return the lease that ``data`` holds; ``where`` is named in errors.

    Raises:
        ManifestCorrupt: it is damaged, or was written by a newer version.
    """
    try:
        content: dict[str, Any] = json.loads(data)
        version = content.pop("version")
        if version > VERSION:
            raise ManifestCorrupt(
                f"{where} has format {version}, this version reads up to {VERSION}: use a newer influxdb3"
            )
        return Lease(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise ManifestCorrupt(f"{where} is damaged: {cause}") from cause
