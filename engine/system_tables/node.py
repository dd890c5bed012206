"""The system tables about the server itself: its nodes, which are one, and how long the chunks of its files are."""

from uuid import UUID, uuid5

import pyarrow as pa

from engine.catalog.state import Database
from engine.model.durations import NS_PER_SECOND
from engine.system_tables.ports import SystemSources
from engine.system_tables.storage import COUNT, NAMES, TEXT

MODES = ("core",)
CATALOG_ID = 0

NODES = pa.schema(
    [
        ("node_id", TEXT),
        ("node_catalog_id", pa.uint32()),
        ("instance_id", TEXT),
        ("mode", NAMES),
        ("core_count", COUNT),
        ("state", TEXT),
        ("updated_at", pa.timestamp("ms")),
        ("cli_params", TEXT),
    ]
)
GENERATION_DURATIONS = pa.schema([("level", pa.uint8()), ("duration_seconds", COUNT)])


def nodes(sources: SystemSources, database: Database) -> pa.Table:
    """Return this node; ``updated_at`` is when it was started, ``instance_id`` stays with its data."""
    node = sources.node()
    row = {
        "node_id": node.node_id,
        "node_catalog_id": CATALOG_ID,
        "instance_id": str(uuid5(UUID(sources.catalog().cluster_uuid), node.node_id)),
        "mode": MODES,
        "core_count": node.core_count,
        "state": "running",
        "updated_at": node.started_ns // 1_000_000,
        "cli_params": node.settings_json,
    }
    return pa.Table.from_pylist([row], schema=NODES)


def generation_durations(sources: SystemSources, database: Database) -> pa.Table:
    """Return the one generation that there is: the time that a chunk of a table spans."""
    row = {"level": 1, "duration_seconds": sources.node().gen1_duration_ns // NS_PER_SECOND}
    return pa.Table.from_pylist([row], schema=GENERATION_DURATIONS)
