from pathlib import Path

import pytest

from engine.config_file import parse_config, read_config_file
from engine.errors import InvalidRequest

FILE = Path("/etc/influxdb3/influxdb3-core.conf")

SEED = """\
# plugin-dir="/var/lib/influxdb3/plugins"
object-store="file"
data-dir="/var/lib/influxdb3/data"

without_auth = true
"max-http-request-size" = 500 # bytes
"""


def test_the_form_of_the_seeds_is_read_with_its_lines() -> None:
    file = parse_config(SEED, FILE)
    assert file.values == {
        "object-store": "file",
        "data-dir": "/var/lib/influxdb3/data",
        "without_auth": True,
        "max-http-request-size": 500,
    }
    assert file.place("data-dir") == f"data-dir in {FILE}, line 3"
    assert [file.lines[key] for key in file.values] == [2, 3, 5, 6]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (
            "a = 1\nplugin-dir=/srv/plugins\n",
            f"{FILE}, line 2: Invalid value (at line 2, column 12); a line is <setting>",
        ),
        ("a = 1\na = 2\n", f"{FILE}, line 2: "),
        ("a = '", f"{FILE}: "),
        ("a = 1\n[serve]\nplugin-dir = 'x'\n", f"serve in {FILE}, line 2 is a table: each setting stands on a line"),
        ("serve.plugin-dir = 'x'\n", f"serve in {FILE}, line 1 is a table"),
        ("a = { b = 1 }\n", f"a in {FILE}, line 1 is a table"),
    ],
)
def test_what_is_no_flat_toml_is_told_with_its_line(text: str, start: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_config(text, FILE)
    assert str(refused.value).startswith(start)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"a = '\xff'", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.conf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=reason):
        read_config_file(path)
