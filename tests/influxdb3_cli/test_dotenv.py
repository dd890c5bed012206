from pathlib import Path

import pytest

from influxdb3_cli.dotenv import DotenvError, find_file, load_file, parse_dotenv


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=1\nB=2\n", {"A": "1", "B": "2"}, id="lines"),
        pytest.param("A=1", {"A": "1"}, id="no-line-break-at-the-end"),
        pytest.param("\n# note\n  \t\n  # more\nA=1\n\n", {"A": "1"}, id="blank-lines-and-comments"),
        pytest.param("  A = 1 ", {"A": "1"}, id="blanks-around"),
        pytest.param("export A=1", {"A": "1"}, id="export"),
        pytest.param("export=1", {"export": "1"}, id="export-as-a-name"),
        pytest.param("A=\nB=2", {"A": "", "B": "2"}, id="empty"),
        pytest.param("A= # note\nB=#note", {"A": "", "B": ""}, id="empty-with-comment"),
        pytest.param("A=1 # note", {"A": "1"}, id="comment-behind-a-blank"),
        pytest.param("A=1#note\nB='1'#x", {"A": "1#note", "B": "1#x"}, id="no-comment-without-a-blank"),
        pytest.param("A='a $B \\n # \"'", {"A": 'a $B \\n # "'}, id="single-quotes-are-literal"),
        pytest.param('A="a b # \' \\" \\\\ \\$ \\n"', {"A": "a b # ' \" \\ $ \n"}, id="double-quotes-with-escapes"),
        pytest.param('A="one\ntwo"\nB=1', {"A": "one\ntwo", "B": "1"}, id="line-break-in-quotes"),
        pytest.param("A=a\\ b'c d'\"e\"", {"A": "a bc de"}, id="pieces-side-by-side"),
        pytest.param("A=http://127.0.0.1:8181/?a=b", {"A": "http://127.0.0.1:8181/?a=b"}, id="equals-in-the-value"),
        pytest.param("A=1\nA=2", {"A": "1"}, id="the-first-line-of-a-name-counts"),
        pytest.param('A=x\nB=$A-${A}y"$A"\nC=$NONE.', {"A": "x", "B": "x-xyx", "C": "."}, id="variables"),
        pytest.param("B=$HOME:$SET", {"B": "/root:set"}, id="variables-of-the-environment"),
        pytest.param("SET=other\nB=$SET", {"B": "set"}, id="the-environment-wins"),
        pytest.param("A.b_1=1", {"A.b_1": "1"}, id="dots-in-names"),
    ],
)
def test_a_file_gives_its_variables(text: str, expected: dict[str, str]) -> None:
    environ = {"HOME": "/root", "SET": "set"}
    assert parse_dotenv(text, environ) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("A=1\nnonsense\n", "nonsense", id="no-equals-sign"),
        pytest.param("1A=1", "1A=1", id="name-begins-with-a-digit"),
        pytest.param("A=1 2", "A=1 2", id="two-words"),
        pytest.param("A='1", "A='1", id="open-single-quote"),
        pytest.param('A="1', 'A="1', id="open-double-quote"),
        pytest.param("A=\\x", "A=\\x", id="unknown-escape"),
        pytest.param('A="\\x"', 'A="\\x"', id="unknown-escape-in-quotes"),
    ],
)
def test_a_line_that_does_not_parse_is_quoted(text: str, line: str) -> None:
    with pytest.raises(DotenvError) as refused:
        parse_dotenv(text, {})
    assert str(refused.value).startswith(f"Error parsing line: '{line}', error at line index: ")


def test_the_nearest_file_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / ".env").write_text("A=1")
    assert find_file(folder) == tmp_path / ".env"
    (folder / ".env").write_text("A=2")
    assert find_file(folder) == folder / ".env"


def test_a_file_may_have_the_line_breaks_of_windows(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=1\r\nB='x'\r\n")
    assert load_file(tmp_path / ".env", {"A": "0"}) == {"B": "x"}


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(DotenvError, match=str(tmp_path)):
        load_file(tmp_path / ".env", {})
