import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest
from engine.model.toml_layout import header, parse_document, quote, quote_key
from tests.support.catalog import handwritten, states

TEXT = """\
# top
version = 1 # one

# about a
[a]  # here
x = "]" # not [b]
lines = \"\"\"
[not.a.header]
# no comment \"\"\"\"
# inside

many = [ # [x]
  "[y]", ']',
  [1, 2],
]

  [a.'b.c'."d \\" [e]"]
  y = 2026-11-21 03:15:00Z
# end
"""


def test_text_becomes_blocks_that_join_to_it() -> None:
    document = parse_document(TEXT)
    assert document.text == TEXT
    assert [block.path for block in document.blocks] == [(), ("a",), ("a", "b.c", 'd " [e]')]
    assert [block.lead for block in document.blocks] == ["# top\n", "\n# about a\n", "\n"]
    assert document.tail == "# end\n"


@given(st.data())
def test_blocks_of_any_file_join_to_it(data: st.DataObject) -> None:
    text = "".join(piece.text for piece in data.draw(handwritten(data.draw(states()))))
    assert parse_document(text).text == text


@pytest.mark.parametrize(
    ("path", "key", "line"),
    [
        pytest.param((), None, 2, id="what stands before all headers"),
        pytest.param(("a",), None, 5, id="a header"),
        pytest.param(("a",), "x", 6, id="a key"),
        pytest.param(("a",), "many", 12, id="a key behind a text of several lines"),
        pytest.param(("a",), "none", 5, id="a key that is not there: its header"),
        pytest.param(("a", "many"), "deep", 12, id="a key inside a value"),
        pytest.param(("a", "b.c"), None, 17, id="a header that is only implied: the first below it"),
        pytest.param(("a", "b.c", 'd " [e]'), "y", 18, id="a key below a quoted header"),
        pytest.param(("z", "z"), "z", 2, id="nothing like it"),
    ],
)
def test_line_of(path: tuple[str, ...], key: str | None, line: int) -> None:
    assert parse_document(TEXT).line_of(path, key) == line


@pytest.mark.parametrize(
    ("body", "key", "value", "expected"),
    [
        pytest.param("[a]\nx = 1 # old\ny = 2\n", "x", "5", "[a]\nx = 5 # old\ny = 2\n", id="value-replaced"),
        pytest.param("[a]\n'x'=[\n1,\n]\n", "x", "5", "[a]\n'x'=5\n", id="value-of-several-lines-replaced"),
        pytest.param("[a]\nx = 1\n", "z", "5", "[a]\nx = 1\nz = 5\n", id="new-key-comes-last"),
        pytest.param("[a]\n  x = 1", "z", "5", "[a]\n  x = 1\n  z = 5\n", id="indented-and-no-newline-at-the-end"),
        pytest.param("[a]\r\nx = 1\r\n", "z", "5", "[a]\r\nx = 1\r\nz = 5\r\n", id="windows-lines"),
    ],
)
def test_put(body: str, key: str, value: str, expected: str) -> None:
    assert parse_document(body).put(("a",), key, value).text == expected


def test_put_first_comes_below_the_header() -> None:
    assert (
        parse_document("[a] # note\nx = 1\n").put(("a",), "id", "7", first=True).text == "[a] # note\nid = 7\nx = 1\n"
    )


def test_drop_takes_the_lines_of_the_key_only() -> None:
    assert parse_document("[a]\nx = [\n1 ]\n# stays\ny = 2\n").drop(("a",), "x").text == "[a]\n# stays\ny = 2\n"


def test_removed_block_takes_one_blank_line_and_leaves_comments() -> None:
    text = "[a]\nx = 1\n\n# about b\n\n[b]\ny = 1 # in b\n# in b\nz = 1\n[b.c]\n\n# about d\n[d]\n"
    assert parse_document(text).remove(("b",)).text == "[a]\nx = 1\n\n# about b\n\n# about d\n[d]\n"


@pytest.mark.parametrize("text", ["v = 1\n", "v = 1", "v = 1\n\n# end", "[a]\nx = 1\n", "v = 1\r\n"])
def test_inserted_and_removed_is_as_before(text: str) -> None:
    document = parse_document(text)
    longer = document.insert(len(document.blocks), ("n", "m"), ["x = 1"])
    assert tomli.loads(longer.text)["n"] == {"m": {"x": 1}}
    assert longer.remove(("n",)).text.rstrip("\r\n") == text.rstrip("\r\n")


def test_rename_changes_the_part_of_every_header() -> None:
    text = "[ a . 'old' ] # old\n[a.old.x]\n[a.oldest]\n[b.old]\n"
    assert parse_document(text).rename(("a", "old"), "new name").text == (
        '[ a . "new name" ] # old\n[a."new name".x]\n[a.oldest]\n[b.old]\n'
    )


@given(st.text())
def test_quoted_text_is_read_back(text: str) -> None:
    assert tomli.loads(f"x = {quote(text)}") == {"x": text}
    assert tomli.loads(f"{quote_key(text)} = 1") == {text: 1}
    assert tomli.loads(header((text, "b"))) == {text: {"b": {}}}


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        quote("\ud800")
