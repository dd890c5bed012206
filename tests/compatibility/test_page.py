"""The page about plugins made for InfluxDB 3 lists exactly the tests that there are."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = (FOLDER.parents[1] / "docs" / "compatibility.md").read_text()


def test_page_lists_every_way() -> None:
    listed = re.split(r"Test in `tests/compatibility/(test_\w+\.py)`", PAGE)[1:]
    found = {name: re.findall(r"`(test_\w+)`", text) for name, text in zip(listed[::2], listed[1::2], strict=True)}
    files = sorted(FOLDER.glob("test_*.py"))
    there = {
        path.name: re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
        for path in files
        if path.name != Path(__file__).name
    }
    assert {name: sorted(tests) for name, tests in found.items()} == {
        name: sorted(tests) for name, tests in there.items()
    }
