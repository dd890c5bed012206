"""What docs/line-protocol.md says of lines is so."""

import re
from pathlib import Path

import pytest

from engine.errors import LineProtocolError
from engine.lineprotocol.lines import parse_line

PAGE = (Path(__file__).parents[2] / "docs" / "line-protocol.md").read_text()
REFUSED = re.findall(r"^\| `(cpu[^`]*)` \| (`+)(.+?)\2 \|$", PAGE, re.MULTILINE)


def test_the_example_is_a_line() -> None:
    (example,) = re.findall(r"^cpu,host=web-1.*$", PAGE, re.MULTILINE)
    assert parse_line(example).values == (0.5, 8, 'all "quiet"')


def test_there_are_reasons() -> None:
    assert len(REFUSED) == 9


@pytest.mark.parametrize(("line", "reason"), [(line, reason.rstrip()) for line, _, reason in REFUSED])
def test_a_line_is_refused_for_its_reason(line: str, reason: str) -> None:
    with pytest.raises(LineProtocolError) as refused:
        parse_line(line)
    assert str(refused.value) == reason


@pytest.mark.parametrize("text", ["1", "-0.5", "1e-3", "5i", "5u", "t", "T", "true", "True", "TRUE"])
def test_values_that_are_told_are_read(text: str) -> None:
    assert f"`{text}`" in PAGE
    assert len(parse_line(f"m f={text}").values) == 1
