"""Every file name under the data directory."""

from pathlib import Path

CATALOG = "catalog.toml"
MANIFEST = "manifest"
LOCK = "lock"


class NodePaths:
    """Where the things of one node are, below ``<data-dir>/<node-id>/``."""

    def __init__(self, data_dir: Path, node_id: str) -> None:
        self.root = data_dir / node_id
        self.catalog = self.root / CATALOG
        self.manifest = self.root / MANIFEST
        self.lock = self.root / LOCK
        self.home = self.root / "object-store"
        self.wal = self.root / "wal"
        self.parquet = self.root / "parquet"
        self.checkpoints = self.root / "checkpoints"
        self.file_sets = self.root / "file-sets"
        self.plugin_cache = self.root / "plugin-cache"
        self.backfills = self.root / "backfills"
        self.caches = self.root / "caches"
        self.backups = self.root / "backups"
        self.flight = self.root / "flight.sock"

    def rejected_catalog(self, stamp: str) -> Path:
        """Return where a catalog file that was refused is kept, ``stamp`` telling when."""
        return self.root / f"{CATALOG}.rejected-{stamp}"

    def table_folder(self, table_id: int) -> Path:
        """Return the folder of one table's Parquet files."""
        return self.parquet / str(table_id)
