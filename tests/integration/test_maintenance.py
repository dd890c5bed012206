"""What the engine does by itself while data comes."""

from pathlib import Path
from typing import NoReturn

import pytest

from engine.disk import RealDisk
from engine.runtime import Engine
from engine.settings import Settings
from engine.storage import maintenance
from engine.write.service import WriteParams
from tests.support.engines import eventually, open_engine


def test_a_full_buffer_becomes_files_and_the_log_goes_on_in_its_segment(tmp_path: Path) -> None:
    """To begin another one makes writes wait; only who asks for a snapshot has the log as empty as can be."""
    settings = Settings.for_tests(tmp_path, force_snapshot_mem_size_bytes=1000)
    log = tmp_path / "data" / "node0" / "wal"
    with Engine.open(settings) as engine:
        engine.tables.create_database("db")
        engine.snapshot()
        segments = sorted(log.iterdir())
        body = "\n".join(f"cpu,host=h{n} v=1 {n}" for n in range(200))
        engine.write(WriteParams("db"), body.encode()).result()
        eventually(lambda: engine.store.manifest.files)
        assert sorted(log.iterdir()) == segments
        engine.snapshot()
        assert not set(segments) & set(log.iterdir())


def test_what_nobody_expected_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(RealDisk):
        is_odd = True

        def sync_file(self, path: Path) -> None:
            if self.is_odd and path.suffix == ".parquet":
                self.fail()
            super().sync_file(path)

        def fail(self) -> NoReturn:
            self.is_odd = False
            raise RuntimeError("odd")

    monkeypatch.setattr(maintenance, "AGAIN_S", 0.0)
    with open_engine(tmp_path, disk=Odd(), force_snapshot_mem_size_bytes=1000) as engine:
        engine.tables.create_database("db")
        engine.write(WriteParams("db"), b"\n".join([b"cpu v=1 %d" % n for n in range(200)])).result()
        eventually(lambda: engine.store.manifest.files)
    assert "a snapshot failed; the log keeps everything, and it is tried again" in caplog.text
