"""The program on the page about moving from InfluxDB 3 Core copies every row with its types."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.live import Client
from tests.support.serving import Serving, clean_environment, serving

pytestmark = pytest.mark.process

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()
(PROGRAM,) = re.findall(r"```python\n# move.py\n(.*?)```", PAGE, re.DOTALL)
DAY_NS = 24 * 3600 * 10**9
LINES = f"""
home,room=living\\ room,floor=1 t=21.5,n=-3i,u=18446744073709551615u,ok=true,note="a \\"new\\" one, é" 1772452800000000001
home,room=cellar t=12 {1772452800000000001 + 9 * DAY_NS}
home,room=cellar n=9007199254740993i {1772452800000000000 + 9 * DAY_NS - 1}
odd\\ table,a\\ tag=x\\=y a\\ field=1i 1
"""
SQL = ("SELECT *, CAST(time AS BIGINT) AS ns FROM home ORDER BY time", 'SELECT * FROM "odd table"')


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Serving, Serving]]:
    with serving(tmp_path / "old", "--without-auth") as old, serving(tmp_path / "new", "--without-auth") as new:
        yield old, new


def moved(folder: Path, servers: tuple[Serving, Serving]) -> str:
    (folder / "move.py").write_text(PROGRAM)
    command = [sys.executable, "move.py", *(server.url for server in servers), "home"]
    done = subprocess.run(command, cwd=folder, env=clean_environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rows_are_copied_with_their_types_and_twice_does_no_harm(
    tmp_path: Path, servers: tuple[Serving, Serving]
) -> None:
    first, second = (closing(Client(server.url, "home")) for server in servers)
    with first as old, second as new:
        assert old.write(LINES)
        for _ in range(2):
            assert sorted(moved(tmp_path, servers).splitlines()) == ["home: 3 rows", "odd table: 1 rows"]
            for sql in SQL:
                assert new.rows(sql) == old.rows(sql)
        types = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'iox' ORDER BY 1"
        assert new.rows(types) == old.rows(types)
