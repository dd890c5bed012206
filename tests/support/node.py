"""An engine whose plugins run as a test says, by a clock that the test owns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.disk import Disk, RealDisk
from engine.model.trigger import ErrorBehavior, TriggerDefinition
from engine.model.trigger_spec import parse_trigger_spec
from engine.runtime import Engine, Outside
from engine.settings import Settings
from engine.write.service import WriteParams
from tests.support.batches import rows_of
from tests.support.clock import ManualClock
from tests.support.disk import CrashingDisk
from tests.support.scripted_executor import ScriptedExecutor

START_NS = 1_700_000_000_000_000_000
DATABASE = "db"


class Node:
    """An open engine on ``folder`` with a scripted executor and a manual clock."""

    def __init__(
        self, folder: Path, *, disk: Disk | None = None, clock: ManualClock | None = None, **changes: Any
    ) -> None:
        self.folder = folder
        self.disk = disk or RealDisk()
        self.is_crashed = False
        self.changes = changes
        self.clock = clock or ManualClock(START_NS)
        self.executor = ScriptedExecutor()
        plugins = folder / "plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        (plugins / "p.py").write_text("def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n")
        settings = Settings.for_tests(folder, **({"plugin_dir": plugins} | changes))
        outside = Outside(self.clock, self.disk, executor=self.executor, in_background=False)
        self.engine = Engine.open(settings, outside)
        self.engine.quiet()

    def write(self, lines: str, *, no_sync: bool = False) -> None:
        """Write line protocol; return when it is acknowledged."""
        params = WriteParams(DATABASE, no_sync=no_sync)
        self.engine.write(params, lines.encode()).result(10)

    def trigger(self, name: str, spec: str, **options: Any) -> None:
        """Make a trigger."""
        behavior = ErrorBehavior(options.pop("error_behavior", "log"))
        if self.engine.catalog.state.database(DATABASE) is None:
            self.engine.tables.create_database(DATABASE)
        definition = TriggerDefinition(0, name, "p.py", parse_trigger_spec(spec), error_behavior=behavior, **options)
        self.engine.create_trigger(DATABASE, definition)

    def rows(self, sql: str, database: str = DATABASE, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query, without columns that are null."""
        with self.engine.query(database, sql, params or {}) as result:
            return [row for batch in result.batches for row in rows_of(batch)]

    def advance(self, seconds: float) -> None:
        """Let time pass, and the engine do what is due then."""
        self.clock.advance(int(seconds * 1e9))
        self.engine.tick()

    def settle(self) -> None:
        """Return when everything that was handed to the log before is durable, lazy entries too."""
        self.write("settled v=1")
        self.engine.quiet()

    def restarted(self) -> "Node":
        """Stop in good order, and return a new engine on the same folder."""
        self.close()
        return Node(self.folder, clock=self.clock, **self.changes)

    def crashed(self, into: Path) -> "Node":
        """Lose what was not synced, as a loss of power does; return an engine on what is left, in ``into``."""
        assert isinstance(self.disk, CrashingDisk)
        self.disk.crash(into)
        self.is_crashed = True
        self._end_threads()
        return Node(into, clock=self.clock, disk=CrashingDisk(into), **self.changes)

    def close(self) -> None:
        """Stop in good order."""
        self.engine.close()

    def _end_threads(self) -> None:
        """Let nothing of a crashed engine go on, as nothing of a process does."""
        self.engine.wal.close()
        self.engine._aside.close()
