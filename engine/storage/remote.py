"""Keeps the durable files of a node in an object store; the folder of the node is a cache beside the log (port ``Objects``)."""

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from engine.clock import Clock
from engine.disk import Disk, replace_file
from engine.errors import EngineError, ManifestCorrupt, ObjectStoreRefused, OwnershipLost
from engine.paths import NodePaths
from engine.storage.bucket import Bucket, Version, replace_if
from engine.storage.cloud_config import RemoteConfig
from engine.storage.filecache import FileCache
from engine.storage.kept import (
    CATALOG,
    CHECKPOINTS,
    MANIFEST,
    PARQUET,
    Folder,
    Kept,
    decide_folder,
    decode_kept,
    encode_kept,
    file_key,
)
from engine.storage.lease import Lease
from engine.storage.manifest import FileEntry, Manifest, decode_manifest
from engine.storage.objects import FileReader, Home, LocalSets, StoreFigures, read_home, write_home
from engine.storage.owner import Claimant, Owner

logger = logging.getLogger(__name__)

RENEWALS = 3
"""So often a lease is renewed while it lasts."""

LOOK_EVERY_S = 1.0


class RemoteObjects:
    """See ``Objects``; the manifest in the store is the truth, and only the owner of the node's data can replace it.

    ``pause`` waits for so many seconds while another server's lease ends.
    """

    def __init__(
        self,
        bucket: Bucket,
        disk: Disk,
        paths: NodePaths,
        clock: Clock,
        config: RemoteConfig,
        *,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.cache = FileCache(disk, paths.table_folder, self._fetch, config.cache_bytes)
        self._bucket = bucket
        self._disk = disk
        self._paths = paths
        self._clock = clock
        self._config = config
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._owner: Owner
        self._home: Home
        self._kept: Kept | None = None
        self._kept_version: Version | None = None
        self._in_store: set[str] = set()
        self._catalog: bytes | None = None
        self._catalog_version: Version | None = None
        self._catalog_lock = threading.Lock()
        self._position: Callable[[], int] | None = None
        self._renewed_ns = 0
        self._problem: str | None = None
        self._thread: threading.Thread | None = None

    @property
    def problem(self) -> str | None:
        """Return why the object store cannot be used now, ``None`` while it can."""
        return self._problem

    # Objects

    def open(self) -> None:
        """See ``Objects``."""
        home = self._read_home()
        self._home = home or Home(self._bucket.url, secrets.token_hex(8), 0, is_complete=False)
        claimant = Claimant(
            self._home.holder,
            self._config.machine,
            self._config.lease_s,
            self._config.take_over,
            self._pause,
        )
        self._owner = Owner(self._bucket, self._clock, claimant)
        self._judge(self._read_kept(), self._owner.look())  # before anything is changed anywhere
        if home is None:
            write_home(self._disk, self._paths, self._home)
        self._owner.claim()
        self._start_renewing()
        try:
            self._take_in(self._judge(self._read_kept(), self._owner.before))
        except BaseException:
            self._stop_renewing()
            raise

    def reader(self, sets: LocalSets) -> FileReader:
        """See ``Objects``."""
        self.cache.over(sets)
        return self.cache

    def check(self) -> None:
        """See ``Objects``."""
        if self._owner.lost is not None:
            raise OwnershipLost(self._owner.lost)
        if self._problem is not None:
            self._renew()

    def publish(self, manifest: Manifest, encoded: bytes) -> None:
        """See ``Objects``."""
        self.check()
        new = [file for file in manifest.files if file_key(file) not in self._in_store]
        sources = {file_key(file): self._paths.table_folder(file.table_id) / file.name for file in new}
        checkpoint = manifest.checkpoint
        if checkpoint is not None and CHECKPOINTS + checkpoint not in self._in_store:
            sources[CHECKPOINTS + checkpoint] = self._paths.checkpoints / checkpoint
        self._upload(sources)
        self._save_catalog()
        self._put_manifest(checkpoint, encoded)
        self.cache.keep(manifest.files)
        if self._home.epoch != self._owner.lease.epoch:
            self._write_home(is_complete=False)

    def tidy(self, manifest: Manifest) -> None:
        """See ``Objects``; what a query still needs goes a later time."""
        named = {file_key(file): (file.table_id, file.name) for file in manifest.files}
        named_keys = {*named, f"{CHECKPOINTS}{manifest.checkpoint}"}
        used = {f"{PARQUET}{table_id}/{name.removesuffix('.parquet')}." for table_id, name in self.cache.used()}
        gone = [key for key in self._in_store - named_keys if not key.startswith(tuple(used))]
        self.cache.keep(manifest.files)
        try:
            self._bucket.delete(gone)
        except EngineError as error:
            logger.warning("old objects stay for now, the next snapshot tries again: %s", error)
        else:
            self._in_store.difference_update(gone)

    def figures(self) -> StoreFigures:
        """See ``Objects``."""
        return StoreFigures(self._bucket.url, self._problem is None, self.cache.size_bytes)

    def begin(self, position: Callable[[], int], on_lost: Callable[[str], None]) -> None:
        """See ``Objects``."""
        self._owner.on_lost = on_lost
        self._position = position
        if self._owner.lost is not None:
            on_lost(self._owner.lost)

    def tick(self) -> None:
        """See ``Objects``."""
        self._look()

    def close(self, *, is_complete: bool) -> None:
        """See ``Objects``."""
        if self._stopping.is_set():
            return
        self._stop_renewing()
        if not is_complete or self._owner.lost is not None:
            return
        try:
            self._save_catalog()
            self._owner.release(self._log_position())
            self._write_home(is_complete=True)
        except (EngineError, OSError) as error:
            logger.warning("the data could not be given up in good order, others will wait for the lease: %s", error)

    def held(self, file: FileEntry) -> AbstractContextManager[Path | None]:
        """See ``Objects``."""
        return self.cache.held(file)

    # Opening

    def _read_home(self) -> Home | None:
        home = read_home(self._disk, self._paths)
        if home is not None and home.url != self._bucket.url:
            if home.epoch:
                raise ObjectStoreRefused(
                    f"the data of {self._paths.root} is kept in {home.url}, not in {self._bucket.url}: serve it with the "
                    "object store that it belongs to, or choose another --data-dir"
                )
            return None
        return home

    def _read_kept(self) -> Kept | None:
        found = self._bucket.get(MANIFEST, brisk=True)
        self._kept_version = found.version if found else None
        self._kept = decode_kept(found.data, f"{self._bucket.url}/{MANIFEST}") if found else None
        return self._kept

    def _judge(self, kept: Kept | None, owner: Lease | None) -> Folder:
        """Return what the folder is; raise if it cannot be served beside what the store keeps."""
        folder = decide_folder(self._home, kept, has_data=self._has_data())
        root, url = self._paths.root, self._bucket.url
        if folder is Folder.FORGOTTEN:
            raise ObjectStoreRefused(
                f"{url} holds nothing of the data that {root} says is kept there: give the right --bucket, or restore it; "
                f"to keep what is in the folder there anew, remove {self._paths.home}"
            )
        if folder is Folder.FOREIGN:
            raise ObjectStoreRefused(
                f"{root} holds data of its own, and {url} holds other data of a node of this name: choose another "
                "--data-dir to serve what is in the store, or another --node-id or --bucket to keep what is in the folder"
            )
        if folder is Folder.STALE:
            raise ObjectStoreRefused(
                f"another server has taken over {url} since {root} was last served, and the log of that folder may hold "
                "writes that nobody else has: move the folder away to serve what is in the store, or serve a copy of it, "
                f"without its file {self._paths.home.name}, with --object-store file to read them"
            )
        if folder in (Folder.EMPTY, Folder.LEFTOVER) and kept is not None:
            self._check_tail(kept, owner)
        return folder

    def _check_tail(self, kept: Kept, owner: Lease | None) -> None:
        """See that nothing is left behind in the log of another machine, or that somebody wants it so."""
        known = decode_manifest(kept.manifest, f"{self._bucket.url}/{MANIFEST}")
        behind = owner.position - min(known.rows_until, known.state_until) if owner is not None else 0
        if owner is None or owner.released or behind <= 0:
            return
        lacks = (
            f"the newest records of {self._bucket.url}, {behind} or more behind position {known.rows_until}, are only in the "
            f"log of another data folder (that of {owner.machine})"
        )
        if not self._config.take_over:
            raise ObjectStoreRefused(
                f"{lacks}: start the server there, or go on without them with --object-store-take-over"
            )
        logger.error("going on without acknowledged writes: %s", lacks)

    def _take_in(self, folder: Folder) -> None:
        if folder is Folder.LEFTOVER:
            self._clear()
        if self._kept is None:
            if self._disk.exists(self._paths.manifest):
                self._adopt()
            return
        kept = self._fence(self._kept)
        manifest = decode_manifest(kept.manifest, f"{self._bucket.url}/{MANIFEST}")
        self._in_store = {file_key(file) for file in manifest.files}
        if manifest.checkpoint is not None:
            self._in_store.add(CHECKPOINTS + manifest.checkpoint)
            self._bring_checkpoint(manifest.checkpoint)
        self._bring_catalog()
        if not self._disk.exists(self._paths.manifest) or self._disk.read(self._paths.manifest) != kept.manifest:
            replace_file(self._disk, self._paths.manifest, kept.manifest)
        self._write_home(is_complete=False)
        self.cache.keep(manifest.files)
        self._remove_orphans()
        logger.info(
            "data is in the object store: store=%s epoch=%d files=%d here_bytes=%d",
            self._bucket.url,
            kept.epoch,
            len(manifest.files),
            self.cache.size_bytes,
        )

    def _adopt(self) -> None:
        """Bring what the folder holds to the store, which holds nothing of this node."""
        encoded = self._disk.read(self._paths.manifest)
        manifest = decode_manifest(encoded, str(self._paths.manifest))
        logger.info("bringing the folder to the object store: store=%s files=%d", self._bucket.url, len(manifest.files))
        self.publish(manifest, encoded)

    def _fence(self, kept: Kept) -> Kept:
        """Put the manifest anew in our name: no snapshot of the owner before can replace it from now on."""
        while True:
            lease = self._owner.lease
            mine = Kept(lease.epoch, lease.holder, kept.serial + 1, kept.checkpoint, kept.manifest)
            version = replace_if(self._bucket, MANIFEST, encode_kept(mine), self._kept_version, self._is_ours)
            if version is not None:
                self._kept, self._kept_version = mine, version
                return mine
            self._owner.renew(self._owner.lease.position)  # raises if it was not the owner before who was faster
            found = self._read_kept()
            if found is None:
                raise ManifestCorrupt(f"{self._bucket.url}/{MANIFEST} has vanished")
            kept = found

    def _clear(self) -> None:
        """Let go of what the folder holds of a time when it had the data: all of it is in the store."""
        logger.info("another server had the data since: the folder is filled anew folder=%s", self._paths.root)
        for place in (self._paths.wal, self._paths.caches):
            if self._disk.exists(place):
                self._disk.remove_folder(place)
        if self._disk.exists(self._paths.catalog):
            self._disk.replace(self._paths.catalog, self._paths.rejected_catalog(f"epoch-{self._home.epoch}"))
        self._disk.sync_folder(self._paths.root)

    def _bring_checkpoint(self, name: str) -> None:
        path = self._paths.checkpoints / name
        if self._disk.exists(path):
            return
        found = self._bucket.get(CHECKPOINTS + name)
        if found is None:
            raise ManifestCorrupt(f"{self._bucket.url}/{CHECKPOINTS}{name}, which the manifest names, is missing")
        self._disk.write(path, found.data)
        self._disk.sync_file(path)
        self._disk.sync_folder(path.parent)

    def _bring_catalog(self) -> None:
        found = self._bucket.get(CATALOG)
        if found is None:
            return
        self._catalog, self._catalog_version = found.data, found.version
        if not self._disk.exists(self._paths.catalog):
            replace_file(self._disk, self._paths.catalog, found.data)

    def _remove_orphans(self) -> None:
        """Remove what a crash, or a server that is not the owner any more, left beside what the manifest names."""
        try:
            found = {*self._bucket.list(PARQUET), *self._bucket.list(CHECKPOINTS)}
            self._bucket.delete(found - self._in_store)
        except EngineError as error:
            logger.warning("what a crash left in the object store stays for now: %s", error)

    def _has_data(self) -> bool:
        return self._disk.exists(self._paths.manifest) or any(
            self._disk.exists(folder) and self._disk.list_folder(folder)
            for folder in (self._paths.wal, self._paths.parquet)
        )

    # Keeping

    def _fetch(self, file: FileEntry) -> bytes | None:
        found = self._bucket.get(file_key(file))
        return found.data if found else None

    def _upload(self, sources: dict[str, Path]) -> None:
        here = {key: path for key, path in sources.items() if self._disk.exists(path)}
        for key in sources.keys() - here.keys():
            logger.error("a file is missing and does not get into the object store: %s", sources[key])
        with ThreadPoolExecutor(self._config.transfers, "upload") as pool:
            for key, _ in zip(here, pool.map(self._bucket.put, here, here.values()), strict=True):
                self._in_store.add(key)

    def _put_manifest(self, checkpoint: str | None, encoded: bytes) -> None:
        lease = self._owner.lease
        serial = self._kept.serial + 1 if self._kept else 1
        kept = Kept(lease.epoch, lease.holder, serial, checkpoint, encoded)
        version = replace_if(self._bucket, MANIFEST, encode_kept(kept), self._kept_version, self._is_ours)
        if version is None:
            raise self._owner.lose()
        self._kept, self._kept_version = kept, version

    def _is_ours(self, data: bytes) -> bool:
        found = decode_kept(data, f"{self._bucket.url}/{MANIFEST}")
        return (found.epoch, found.holder) == (self._owner.lease.epoch, self._owner.lease.holder)

    def _save_catalog(self) -> None:
        """Keep a copy of the catalog, so that a machine without this folder can start."""
        with self._catalog_lock:
            content = self._disk.read(self._paths.catalog) if self._disk.exists(self._paths.catalog) else b""
            if not content or content == self._catalog:
                return
            version = replace_if(self._bucket, CATALOG, content, self._catalog_version, self._is_still_owner)
            if version is None:
                raise self._owner.lose()
            self._catalog, self._catalog_version = content, version

    def _is_still_owner(self, found: bytes) -> bool:
        """Return whether a catalog that is not as we left it may be replaced: somebody put it there, but owns nothing."""
        self._owner.renew(self._log_position())
        return True

    def _write_home(self, *, is_complete: bool) -> None:
        self._home = Home(self._bucket.url, self._home.holder, self._owner.lease.epoch, is_complete)
        write_home(self._disk, self._paths, self._home)

    # The lease

    def _start_renewing(self) -> None:
        self._renewed_ns = self._clock.monotonic_ns()
        if self._config.in_background:
            self._thread = threading.Thread(target=self._run, name="object-store-lease", daemon=True)
            self._thread.start()

    def _stop_renewing(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(min(LOOK_EVERY_S, self._config.lease_s / RENEWALS)):
            self._look()

    def _look(self) -> None:
        """Renew the lease when it is time, and else see that nobody has taken it: that asks for little."""
        if self._clock.monotonic_ns() - self._renewed_ns >= self._config.lease_s / RENEWALS * 1e9:
            self._look_after()
            return
        with suppress(EngineError):  # a store that is away is noticed when the lease is renewed
            if not self._owner.is_ours():
                self._stopping.set()

    def _look_after(self) -> None:
        """Renew the lease and save the catalog; what fails is told once and tried again."""
        try:
            self._renew()
            self._save_catalog()
        except OwnershipLost:
            self._stopping.set()
        except (EngineError, OSError) as error:
            self._away(str(error))

    def _renew(self) -> None:
        self._renewed_ns = self._clock.monotonic_ns()
        try:
            self._owner.renew(self._log_position())
        except OwnershipLost:
            raise
        except EngineError as error:
            self._away(str(error))
            raise
        if self._problem is not None:
            logger.info("the object store can be used again: store=%s", self._bucket.url)
            self._problem = None

    def _away(self, reason: str) -> None:
        if self._problem is None:
            logger.warning(
                "the object store cannot be used; the log keeps everything until it can: %s",
                reason,
            )
        self._problem = reason

    def _log_position(self) -> int:
        return self._position() if self._position is not None else self._owner.lease.position
