"""Object stores of S3, Google and Azure through obstore (port ``Bucket``)."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from engine.errors import ObjectStoreAway, ObjectStoreRefused
from engine.storage.bucket import Conflict, Stored, Version
from engine.storage.cloud_config import CloudConfig, Kind
from engine.storage.transfers import Transfers

logger = logging.getLogger(__name__)

BRISK_S = 5.0
PART_BYTES = 16 << 20
"""Larger files are sent in parts of this size, one after the other, so that none is in memory as a whole."""

_NO_BUCKET = re.compile("NoSuchBucket|specified bucket does not exist|ContainerNotFound|InvalidBucketName")
_NOT_OURS = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_NO_KEYS = re.compile("[Ee]rror getting (?:credentials|token)|missing .*(?:key|credential)|metadata", re.DOTALL)


_STORES: dict[Kind, Any] = {"s3": S3Store, "google": GCSStore, "azure": AzureStore}
_SCHEMES: dict[Kind, str] = {"s3": "s3", "google": "gs", "azure": "az"}


class CloudBucket:
    """See ``Bucket``; ``transfers`` counts what is moved."""

    def __init__(self, config: CloudConfig, transfers: Transfers) -> None:
        self.transfers = transfers
        self._config = config
        self._slots = threading.BoundedSemaphore(config.connections)
        self._patient = _store(config, config.request_timeout_s, _retries(config))
        brisk_s = min(BRISK_S, config.request_timeout_s)
        brisk: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=brisk_s)}
        self._brisk = _store(config, brisk_s, brisk)

    @property
    def url(self) -> str:
        """See ``Bucket``."""
        return f"{_SCHEMES[self._config.kind]}://{self._config.bucket}/{self._config.prefix}"

    def get(self, key: str, *, brisk: bool = False) -> Stored | None:
        """See ``Bucket``."""
        try:
            with self._asking("get") as counted:
                found = obstore.get(self._of(brisk), key)
                version = _version(found.meta)
                data = bytes(found.bytes())
                counted(len(data))
        except FileNotFoundError as error:
            self._refuse_if_no_bucket(error)
            return None
        return Stored(data, version)

    def put(self, key: str, source: Path | bytes) -> None:
        """See ``Bucket``."""
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        with self._asking("put") as counted:
            obstore.put(
                self._patient,
                key,
                source,
                use_multipart=size > PART_BYTES,
                chunk_size=PART_BYTES,
                max_concurrency=1,
            )
            counted(size)
        with self._asking("head"):
            there = obstore.head(self._patient, key)["size"]
        if there != size:
            raise ObjectStoreAway(f"{self.url}: {key} arrived with {there} of {size} bytes")

    def put_if(self, key: str, data: bytes, seen: Version | None, *, brisk: bool = False) -> Version:
        """See ``Bucket``."""
        mode: Any = "create" if seen is None else _given(seen)
        try:
            with self._asking("put") as counted:
                put = obstore.put(self._of(brisk), key, data, mode=mode)
                counted(len(data))
        except (exceptions.PreconditionError, exceptions.AlreadyExistsError) as error:
            raise Conflict(self._text(error)) from error
        return _version(put)

    def list(self, prefix: str) -> list[str]:
        """See ``Bucket``."""
        with self._asking("list"):
            return [found["path"] for page in obstore.list(self._patient, prefix) for found in page]

    def delete(self, keys: Iterable[str]) -> None:
        """See ``Bucket``."""
        gone = list(keys)
        if not gone:
            return
        try:
            with self._asking("delete"):
                obstore.delete(self._patient, gone)
        except FileNotFoundError:  # some stores tell that of one; what became of the others is not said
            for key in gone:
                with suppress(FileNotFoundError), self._asking("delete"):
                    obstore.delete(self._patient, key)

    def _of(self, brisk: bool) -> Any:
        return self._brisk if brisk else self._patient

    @contextmanager
    def _asking(self, operation: str) -> Iterator[Callable[[int], None]]:
        """Be one of the requests that may be under way; what goes wrong is told in our words, and counted."""
        moved = 0

        def counted(size: int) -> None:
            nonlocal moved
            moved = size

        try:
            with self._slots, self.transfers.timed(operation, lambda: moved):
                yield counted
        except (FileNotFoundError, exceptions.PreconditionError, exceptions.AlreadyExistsError) as error:
            self._refuse_if_no_bucket(error)
            raise
        except _NOT_OURS as error:
            raise ObjectStoreRefused(f"{self.url} does not let this server in: {_first_line(error)}") from error
        except (exceptions.BaseError, ValueError, OSError) as error:
            raise ObjectStoreAway(self._text(error)) from error

    def _refuse_if_no_bucket(self, error: Exception) -> None:
        if _NO_BUCKET.search(str(error)):
            word = "container" if self._config.kind == "azure" else "bucket"
            raise ObjectStoreRefused(f"there is no {word} '{self._config.bucket}' for {self.url}") from error

    def _text(self, error: Exception) -> str:
        hint = ""
        if _NO_KEYS.search(str(error)):
            hint = " (no credentials were given, and the machine has none of its own)"
        return f"{self.url}{hint}: {_first_line(error)}"


def _store(config: CloudConfig, timeout_s: float, retries: dict[str, Any] | None) -> Any:
    client = {**config.client, "timeout": timedelta(seconds=timeout_s)}
    given: dict[str, Any] = {"client_options": client, "prefix": config.prefix, "config": dict(config.config)}
    if retries is not None:
        given["retry_config"] = retries
    if config.credentials is not None:
        given["credential_provider"] = config.credentials
    try:
        return _STORES[config.kind](config.bucket, **given)
    except (exceptions.BaseError, ValueError, OSError) as error:
        raise ObjectStoreRefused(f"the object store cannot be set up: {_first_line(error)}") from error


def _retries(config: CloudConfig) -> dict[str, Any] | None:
    retries: dict[str, Any] = {}
    if config.max_retries is not None:
        retries["max_retries"] = config.max_retries
    if config.retry_timeout_s is not None:
        retries["retry_timeout"] = timedelta(seconds=config.retry_timeout_s)
    return retries or None


def _given(seen: Version) -> dict[str, str]:
    known = {"e_tag": seen.e_tag, "version": seen.version}
    return {name: value for name, value in known.items() if value is not None}


def _version(found: Any) -> Version:
    return Version(found["e_tag"], found["version"])


def _first_line(error: Exception) -> str:
    """Return what an error says, in one line, without what stands behind the ``?`` of an address: it may be secret."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)[:400]
