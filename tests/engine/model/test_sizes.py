import pytest

from engine.model.sizes import format_size, parse_memory_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("10485760", 10_485_760),
        ("7b", 7),
        ("3kb", 3 * 1024),
        ("64mb", 64 * 1024**2),
        ("64 MB", 64 * 1024**2),
        ("10 GiB", 10 * 1024**3),
        (" 1tb ", 1024**4),
    ],
)
def test_units_are_powers_of_1024(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "mb", "-1", "1.5gb", "1 2", "1xb", "1k", "20%", "9" * 5_000])
def test_other_sizes_are_refused_with_the_units(text):
    with pytest.raises(ValueError, match="b, kb, mb, gb, tb"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("100", 100 * 1024**2), ("100b", 100), ("1gb", 1024**3), ("20%", 200), ("0%", 0), (" 100 % ", 1_000)],
)
def test_memory_is_megabytes_or_a_unit_or_a_share(text, size_bytes):
    assert parse_memory_size(text, lambda: 1_000) == size_bytes


def test_more_than_all_memory_is_refused():
    with pytest.raises(ValueError, match=r"%") as refused:
        parse_memory_size("101%", lambda: 1_000)
    assert str(refused.value) == (
        "failed to parse '101%' as a percentage of available memory: relative memory size must be in [0, 100] but is 101"
    )


def test_the_machine_is_asked_only_for_a_share():
    assert parse_memory_size("1mb", lambda: pytest.fail("asked")) == 1024**2


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KB"),
        (100 << 20, "100 MB"),
        (1610612736, "1.5 GB"),
        (1 << 42, "4096 GB"),
    ],
)
def test_a_size_for_people(size: int, text: str) -> None:
    assert format_size(size) == text
