"""A real server on a real disk that is full: what it says, what goes on, and that it recovers by itself."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.engines import eventually
from tests.support.serving import launch

pytestmark = pytest.mark.process

OPTIONS = ("--without-auth", "--wal-segment-size", "256kb", "--min-free-space")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 16 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode(errors='replace').strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Let ``path`` take all the space that is left."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("1mb", id="space kept free", marks=pytest.mark.long),
        pytest.param("0", id="to the last byte"),
    ],
)
def test_writes_are_refused_until_there_is_space_and_nothing_is_lost(small_disk: Path, kept: str) -> None:
    launched = launch(small_disk, *OPTIONS, kept)
    acknowledged = 0
    number = 0
    try:
        served = launched.listening()
        with httpx.Client(base_url=served.url, timeout=30) as client:

            def write() -> httpx.Response:
                nonlocal acknowledged, number
                lines = "\n".join(f'm,t=t{number} v={i},s="{"x" * 100}" {number * 500 + i + 1}' for i in range(500))
                number += 1
                answer = client.post("/api/v3/write_lp?db=foo&precision=ns", content=lines)
                acknowledged += 500 if answer.status_code == 204 else 0
                return answer

            def count() -> int:
                query = {"db": "foo", "q": "SELECT count(*) AS n FROM m", "format": "json"}
                found: int = client.post("/api/v3/query_sql", json=query).json()[0]["n"]
                return found

            assert write().status_code == 204
            fill(small_disk / "ballast")
            refused = eventually(lambda: (answer := write()).status_code != 204 and answer)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "the disk is full" in refused.text
            assert str(small_disk / "data" / "node0") in refused.text
            assert count() == acknowledged
            assert client.get("/health").text == "OK"
            (small_disk / "ballast").unlink()
            assert eventually(lambda: write().status_code == 204)
            assert count() == acknowledged
        served.process.kill()
        served.process.wait()
        launched = launch(small_disk, *OPTIONS, kept)
        with httpx.Client(base_url=launched.listening().url, timeout=30) as client:
            assert count() == acknowledged
    finally:
        launched.end()
    assert "Traceback" not in launched.log.read_text()
