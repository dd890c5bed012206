import pytest

from influxdb3_cli.texts import format_size, os_error, quote, quote_all


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("foo", '"foo"', id="plain"),
        pytest.param("", '""', id="empty"),
        pytest.param('a"b\\c', r'"a\"b\\c"', id="quotes-and-backslashes-are-escaped"),
        pytest.param("it's", '"it\'s"', id="a-single-quote-is-not"),
        pytest.param("a\nb\tc\rd", r'"a\nb\tc\rd"', id="line-break-tab-return"),
        pytest.param("\x1b[1m\x7f", r'"\u{1b}[1m\u{7f}"', id="what-cannot-be-printed-is-hexadecimal"),
        pytest.param("Grad °C 温度", '"Grad °C 温度"', id="printable-unicode-stays"),
    ],
)
def test_a_name_is_quoted_as_the_product_does(text: str, expected: str) -> None:
    assert quote(text) == expected


def test_a_list_of_names_is_quoted() -> None:
    assert quote_all(["a", 'b"']) == r'["a", "b\""]'


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0B"),
        (18, "18B"),
        (175.6, "176B"),
        (1023, "1023B"),
        (1024, "1.00KiB"),
        (1536, "1.50KiB"),
        (10 * 1024**2, "10.00MiB"),
        (3 * 1024**4, "3072.00GiB"),
    ],
)
def test_a_size_is_readable(size_bytes: float, expected: str) -> None:
    assert format_size(size_bytes) == expected


def test_a_system_error_keeps_its_number() -> None:
    assert os_error(FileNotFoundError(2, "No such file or directory", "x")) == "No such file or directory (os error 2)"
