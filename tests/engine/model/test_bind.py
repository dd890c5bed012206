import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.bind import Bind, parse_bind


@pytest.mark.parametrize(
    ("text", "bind", "is_loopback"),
    [
        ("127.0.0.1:8181", Bind("127.0.0.1", 8181), True),
        ("127.9.9.9:0", Bind("127.9.9.9", 0), True),
        ("localhost:80", Bind("localhost", 80), True),
        ("[::1]:8181", Bind("::1", 8181), True),
        ("[::]:8181", Bind("::", 8181), False),
        ("0.0.0.0:65535", Bind("0.0.0.0", 65535), False),
        ("127.example.org:1", Bind("127.example.org", 1), False),
    ],
)
def test_an_address_is_read_and_known_to_be_private_or_not(text, bind, is_loopback):
    assert parse_bind(text) == bind
    assert bind.is_loopback is is_loopback
    assert str(bind) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8181",
        ":8181",
        "localhost",
        "localhost:",
        "::1:8181",
        "a b:1",
        "[::1]",
        "x:65536",
        "x:-1",
        "x:1 ",
        "http://x:1",
    ],
)
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8181"):
        parse_bind(text)


@given(st.sampled_from(["localhost", "10.0.0.1", "::1", "fe80::1"]), st.integers(0, 65_535))
def test_what_is_shown_reads_back(host, port):
    assert parse_bind(str(Bind(host, port))) == Bind(host, port)
