import numpy as np
import pytest

from engine.lineprotocol.tokens import lay_out, place_in_run, scan


def laid_out(text, longest_line=1000):
    body = text.encode() + b"\n"
    return body, lay_out(body, scan(body, longest_line))


@pytest.mark.parametrize(
    "line",
    [
        "m f=1",
        "m,t=a f=1,g=2i 5",
        'm s=""',
        'm s="a, b=c",t="d" 5',
        r'm s="say \"hi\"",t="\\" 5',
        'm s="a\tb\rc\0"',
        "m,t=\1 f=1",
        "m nonsense",
        ",,,",
    ],
)
def test_line_needs_no_care(line):
    _, layout = laid_out(f"a f=1\n{line}\nb f=1")
    assert layout.plain.tolist() == [0, 1, 2]
    assert layout.careful.tolist() == []


@pytest.mark.parametrize(
    "line",
    [
        " m f=1",
        "\tm f=1",
        r"m,t=a\ b f=1",
        "m\tf=1",
        "m f=1\r",
        "m\0 f=1",
        'm,t=" f=1',
        'm,t="a b" f=1',
        'm,t="a" f=1',
        'm,t=",u=2 s=",f=1',
        'm s="a"b',
        'm s="a"b"c"',
        'm s=x"a"',
        'm s="a\\"',
    ],
)
def test_line_needs_care(line):
    body, layout = laid_out(f"a f=1\n{line}\nb f=1")
    assert layout.plain.tolist()[:1] == [0]
    assert 1 not in layout.plain.tolist()
    assert layout.careful.tolist() == [2]
    # A string that is not closed goes on over the rest.
    assert body[layout.begins[1] : layout.stops[1]].decode().startswith(line)


def test_a_line_that_is_too_long_needs_care():
    _, layout = laid_out("a f=1\n" + "m" * 20 + " f=1\nb f=1", longest_line=20)
    assert (layout.plain.tolist(), layout.careful.tolist()) == ([0, 2], [2])


def test_blank_lines_and_comments_do_not_count():
    body, layout = laid_out("\na f=1\n\n# x\n \t\nb f=1\n  # y\n c f=1")
    assert [body[begin:stop] for begin, stop in zip(layout.begins, layout.stops, strict=True)] == [
        b"a f=1",
        b"b f=1",
        b" c f=1",
    ]
    assert layout.plain.tolist() == [1, 5]
    assert layout.numbers[layout.plain].tolist() == [1, 2]
    assert layout.careful.tolist() == [3]


def test_a_string_over_several_lines_makes_them_one():
    body, layout = laid_out('a f=1\nm s="x\ny f=1\n\n" 5\nb f=1')
    assert [body[begin:stop] for begin, stop in zip(layout.begins, layout.stops, strict=True)] == [
        b"a f=1",
        b'm s="x\ny f=1\n\n" 5',
        b"b f=1",
    ]
    assert layout.plain.tolist() == [0, 5]
    assert layout.numbers[layout.plain].tolist() == [1, 3]


def test_separators_in_strings_are_none():
    tokens = scan(b'm,t=a s="x, y=\\"z\\"\r",f=1 5\n', 1000)
    assert tokens.kinds.tobytes() == b",= =,= \n"
    assert tokens.has_escapes


def test_other_bytes_below_the_comma_are_nothing_special():
    tokens = scan(b"m(!),t=$a*&+% f=1\n", 1000)
    assert tokens.kinds.tobytes() == b",= =\n"
    assert not tokens.needs_care.any()


def test_pieces_of_a_body_fit_together():
    tokens = scan(b"m,t=a f=1.5 5\n" * 20_000, 1000)
    assert tokens.counts.tolist() == [6] * 20_000
    assert tokens.separators.reshape(20_000, 6)[:, 0].tolist() == list(range(1, 20_000 * 14, 14))


@pytest.mark.parametrize(
    ("positions", "places"),
    [([], []), ([0], [0]), ([0, 1, 2, 5, 6, 9], [0, 1, 2, 0, 1, 0]), ([3, 5, 7], [0, 0, 0])],
)
def test_place_in_a_run(positions, places):
    assert place_in_run(np.array(positions, np.int64)).tolist() == places
