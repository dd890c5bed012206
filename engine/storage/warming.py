"""The port to who reads folders of Parquet files: it may look at them before queries do."""

from pathlib import Path
from typing import Protocol

from engine.model.schema import TableSchema


class Warmer(Protocol):
    """Keeps what it learns about folders; called by threads that nobody waits for."""

    @property
    def is_used(self) -> bool:
        """Return whether anybody has asked a query yet."""

    def warm(self, folder: Path, schema: TableSchema) -> None:
        """Learn all about ``folder`` that a query of a table with this ``schema`` would otherwise look up."""
