"""An engine that runs while the reference is made, for what only a running one knows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.runtime import Engine, Outside
from engine.settings import Settings


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Run an engine without plugins in a folder that is removed after it."""
    quiet = Outside(in_background=False)
    with tempfile.TemporaryDirectory() as folder, Engine.open(Settings.for_tests(Path(folder)), quiet) as engine:
        yield engine
