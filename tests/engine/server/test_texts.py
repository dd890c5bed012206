from hypothesis import given
from hypothesis import strategies as st

from engine.server.texts import header_text


@given(st.text())
def test_any_text_is_one_line_of_a_header(text: str) -> None:
    line = header_text(text)
    assert not any(byte < 0x20 or byte == 0x7F for byte in line)


def test_what_latin1_lacks_is_escaped() -> None:
    assert header_text("é ✓\nx") == b"\xe9 \\u2713 x"
