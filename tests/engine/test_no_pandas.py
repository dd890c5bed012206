"""Pandas, where it is installed, costs only those who use it."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import httpx
import msgspec
import pytest

from engine.query.config import QueryConfig
from engine.storage.rewriting import Terms
from tests.support.serving import SERVE, launch

pytestmark = pytest.mark.process

MAKE_AN_ARRAY = "import pyarrow; pyarrow.array([1])"


class Pandas:
    """A package of this name that takes note when it is loaded, which pyarrow then finds too old."""

    def __init__(self, folder: Path) -> None:
        self._loaded = folder / "loaded"
        (folder / "pandas").mkdir()
        (folder / "pandas" / "__init__.py").write_text(
            f"from pathlib import Path\n__version__ = '0.0'\nPath({str(self._loaded)!r}).touch()\n"
        )
        self.environment = {"PYTHONPATH": f"{folder}:{Path.cwd()}"}

    @property
    def is_loaded(self) -> bool:
        return self._loaded.exists()


@pytest.fixture
def pandas(tmp_path: Path) -> Pandas:
    (tmp_path / "packages").mkdir()
    return Pandas(tmp_path / "packages")


def run(program: str, environment: Mapping[str, str], *arguments: str, fds: tuple[int, ...] = ()) -> None:
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    subprocess.run(command, env=environment, check=True, pass_fds=fds, timeout=60)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (MAKE_AN_ARRAY, True),
        (f"from engine.no_pandas import leave_out_pandas; leave_out_pandas(); {MAKE_AN_ARRAY}", False),
        ("from engine.no_pandas import leave_out_pandas; leave_out_pandas(); import pandas", True),
        (
            "from engine.no_pandas import leave_out_pandas; leave_out_pandas(); import pyarrow, contextlib\n"
            "with contextlib.suppress(ImportError): pyarrow.table({'a': [1]}).to_pandas()",
            True,
        ),
    ],
    ids=["as-it-is", "left-out", "imported", "converted"],
)
def test_who_does_not_ask_for_it_goes_without(pandas: Pandas, program: str, expected: bool) -> None:
    run(program, pandas.environment)
    assert pandas.is_loaded is expected


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("engine.write.parsing_child", ["0"]),
        ("engine.storage.rewriting_child", ["/nowhere", msgspec.json.encode(Terms(1, longest_idle_s=0)).decode()]),
        ("engine.query.child", [json.dumps(asdict(QueryConfig(10_000_000)))]),
    ],
)
def test_processes_of_the_server_go_without(pandas: Pandas, module: str, arguments: list[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.shutdown(socket.SHUT_WR)
        program = f"from engine.child_main import main; main(); {MAKE_AN_ARRAY}"
        run(program, pandas.environment, module, str(theirs.fileno()), *arguments, fds=(theirs.fileno(),))
    assert not pandas.is_loaded


@pytest.mark.parametrize("isolation", ["shared", "embedded"])
def test_the_server_goes_without_but_not_plugins_in_it(pandas: Pandas, tmp_path: Path, isolation: str) -> None:
    options = ("--without-auth", "--plugin-isolation", isolation)
    launched = launch(tmp_path / "server", *options, command=SERVE, environment=pandas.environment)
    try:
        server = launched.listening()
        write = httpx.post(f"{server.url}/api/v3/write_lp?db=d", content="\n".join(f"t f={n} {n}" for n in range(500)))
        assert write.status_code == 204
        rows = httpx.get(f"{server.url}/api/v3/query_sql", params={"db": "d", "q": "SELECT count(*) FROM t"}).json()
        assert rows == [{"count(*)": 500}]
        assert pandas.is_loaded is (isolation == "embedded")
    finally:
        launched.end()
