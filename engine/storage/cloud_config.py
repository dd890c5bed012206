"""Where the objects of a node are in a cloud, and how a client reaches them: values only, nothing is opened."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from engine.clock import Clock
from engine.errors import ObjectStoreRefused

Kind = Literal["s3", "google", "azure"]

READ_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CloudConfig:
    """Where the objects are, and how a client reaches them; the members are those of obstore.

    Attributes:
        prefix: stands before all keys, without slashes at its ends.
        client: options of its HTTP client.
        connections: so many requests are under way at one time.
        max_retries, retry_timeout_s: ``None`` = as obstore does.
        credentials: returns keys that change with time; ``None``: ``config`` has them, or the machine.
    """

    kind: Kind
    bucket: str
    prefix: str
    config: Mapping[str, Any] = field(repr=False)
    client: Mapping[str, Any] = field(default_factory=dict)
    connections: int = 64
    request_timeout_s: float = 30.0
    max_retries: int | None = None
    retry_timeout_s: float | None = None
    credentials: Callable[[], Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RemoteConfig:
    """How a node is kept in an object store.

    Attributes:
        cache_bytes: size of the files that are kept on this machine.
        transfers: so many files are moved at one time.
        lease_s: after so many seconds without a sign of life another server may take over.
        take_over: do not wait for another server's lease, and do without what only its log holds.
        machine: names this server to people.
        in_background: a thread renews the lease; otherwise somebody calls ``tick``.
    """

    cache_bytes: int
    transfers: int
    lease_s: float
    take_over: bool
    machine: str
    in_background: bool = True


class KeysFile:
    """Keys for S3 in a JSON file, which is read again when they expire; called by obstore."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def __call__(self) -> dict[str, Any]:
        """Return the keys as they are in the file now.

        Raises:
            ObjectStoreRefused: it cannot be read, or lacks them.
        """
        try:
            content = json.loads(self._path.read_text())
            keys = {
                "access_key_id": content["aws_access_key_id"],
                "secret_access_key": content["aws_secret_access_key"],
            }
            if content.get("aws_session_token"):
                keys["token"] = content["aws_session_token"]
            now = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC)
            expiry = content.get("expiry")
            ends = datetime.fromtimestamp(expiry, UTC) if expiry else now + READ_AGAIN
        except OSError as error:
            raise ObjectStoreRefused(f"the file of keys {self._path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ObjectStoreRefused(
                f"the file of keys {self._path} has to be a JSON object with aws_access_key_id and aws_secret_access_key, "
                "and if need be aws_session_token and expiry (seconds since 1970)"
            ) from error
        return {**keys, "expires_at": ends}
