"""What plugins say of the packages that they need."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PluginError
from engine.plugins.requirements import files_read, of_script, read_wanted

HERE = Path("/plugins")


def header(*lines: str) -> str:
    return "\n".join(
        ["import json", "", "# /// script", *(f"# {line}" if line else "#" for line in lines), "# ///", "x = 1"]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("import json\n", None, id="no-header"),
        pytest.param(header('dependencies = ["humanize==4.9", "rich"]'), ("humanize==4.9", "rich"), id="one-line"),
        pytest.param(
            header("dependencies = [", '  "humanize",', "]", "", "# a comment"), ("humanize",), id="many-lines"
        ),
        pytest.param(
            header('dependencies = [" humanize "]').replace("\n", "\r\n"), ("humanize",), id="line-ends-of-windows"
        ),
        pytest.param(header('requires-python = ">=3.11"'), None, id="only-a-python-that-does"),
        pytest.param(header("dependencies = []"), None, id="no-dependencies"),
        pytest.param(header("[tool.other]", 'dependencies = "x"'), None, id="a-table-of-somebody-else"),
        pytest.param("# /// other\n# dependencies = 1\n# ///\n", None, id="another-type"),
        pytest.param("# /// script\n# dependencies = 1\nx = 1\n", None, id="without-end"),
        pytest.param("# /// script\n#dependencies = 1\n# ///\n", None, id="not-of-the-form"),
    ],
)
def test_a_header_says_what_a_file_needs(text: str, expected: tuple[str, ...] | None) -> None:
    wanted = of_script(text, HERE)
    assert (wanted and wanted.lines) == expected
    assert wanted is None or wanted.arguments == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (header("dependencies = ["), "the script header (PEP 723) of the plugin is not TOML: "),
        (header('dependencies = "x"'), "dependencies in the script header must be a list of texts, not 'x'"),
        (header("dependencies = [1]"), "dependencies in the script header must be a list of texts, not [1]"),
        (header('dependencies = ["--index-url=x"]'), "no packages: '--index-url=x'"),
        (header('dependencies = [""]'), "no packages: ''"),
        (header("requires-python = 3"), "requires-python in the script header must be a text, not 3"),
        (header('requires-python = "new"'), "requires-python 'new' in the script header is not a version specifier"),
        (header('requires-python = "<3.11"'), "it requires Python <3.11; plugins run with Python 3."),
        (header("dependencies = []") * 2, "the plugin has 2 script headers ('# /// script'), only one is allowed"),
    ],
)
def test_a_header_that_cannot_be_met_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PluginError, match=re.escape(problem)):
        of_script(text, HERE)


def test_a_folder_says_it_in_its_requirements(tmp_path: Path) -> None:
    assert read_wanted(tmp_path) is None
    assert files_read(tmp_path) == [tmp_path / "requirements.txt"]
    (tmp_path / "requirements.txt").write_text("# nothing yet\n\n")
    assert read_wanted(tmp_path) is None
    (tmp_path / "requirements.txt").write_text("humanize==4.9  # numbers for people\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("-c=limits.txt\n-r requirements.txt\nrich\n--requirement https://x/y.txt\n")
    (tmp_path / "limits.txt").write_text("rich<15\n")
    wanted = read_wanted(tmp_path)
    assert wanted is not None
    assert wanted.arguments == ("--requirement", str(tmp_path / "requirements.txt"))
    assert set(wanted.lines) >= {"humanize==4.9", "rich", "rich<15"}
    assert [path.name for path in files_read(tmp_path)] == ["requirements.txt", "more.txt", "limits.txt"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"-r nowhere.txt\n", "requirements file not found: "),
        (b"\xff\xfe\n", "is not UTF-8"),
        (b"#" * 1_100_000, "is larger than 1048576 bytes"),
    ],
)
def test_requirements_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)
    with pytest.raises(PluginError, match=problem):
        read_wanted(tmp_path)


def test_comments_make_no_other_environment_and_versions_do(tmp_path: Path) -> None:
    def key(text: str) -> str:
        (tmp_path / "requirements.txt").write_text(text)
        wanted = read_wanted(tmp_path)
        assert wanted is not None
        return wanted.key

    assert key("humanize==4.9\n") == key("# numbers\n\nhumanize==4.9   # for people\n")
    assert key("humanize==4.9\n") != key("humanize==4.10\n")
    script = of_script(header('dependencies = ["humanize==4.9"]'), HERE)
    assert script is not None
    assert script.key == key("humanize==4.9\n")


@given(st.text(alphabet='#/ script\n[]="dependnci', max_size=200))
def test_any_text_gives_requirements_or_an_error_that_people_understand(text: str) -> None:
    with contextlib.suppress(PluginError):
        of_script(f"# /// script\n{text}\n# ///", HERE)
