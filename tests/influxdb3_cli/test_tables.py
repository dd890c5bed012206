import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from influxdb3_cli.tables import Screen, fit, share

WIDE = b"""\
+----------+------------------------------------------+---+
| name     | text                                     | n |
+----------+------------------------------------------+---+
| a | b, c | it is some text that has to be folded    | 1 |
| alarm    | first line                               | 2 |
|          | second line                              |   |
+----------+------------------------------------------+---+"""
COLOUR = re.compile("\x1b\\[[0-9;]*m")


def fitted(grid: bytes, width: int, *, is_coloured: bool = False) -> str:
    return "\n".join(fit([grid], Screen(width, is_coloured)))


@pytest.mark.parametrize("grid", [WIDE, b"++\n++", b"", b"no grid\n| at all |", b"+---+\n| a |\n+---+\n+---+"])
def test_what_fits_stays_as_it_is(grid: bytes) -> None:
    assert fitted(grid, 60) == grid.decode()
    assert COLOUR.sub("", fitted(grid, 60, is_coloured=True)) == grid.decode()


def test_pieces_may_end_anywhere() -> None:
    grid = WIDE.replace(b"alarm", "ålarm".encode())
    bytewise = (grid[place : place + 1] for place in range(len(grid)))
    assert "\n".join(fit(bytewise, Screen(60))) == grid.decode()


def test_wide_cells_are_folded() -> None:
    assert (
        fitted(WIDE, 40)
        == """\
+----------+-----------------------+---+
| name     | text                  | n |
+----------+-----------------------+---+
| a | b, c | it is some text that  | 1 |
|          | has to be folded      |   |
+----------+-----------------------+---+
| alarm    | first line            | 2 |
|          | second line           |   |
+----------+-----------------------+---+"""
    )


def test_many_columns_become_lines() -> None:
    assert (
        fitted(WIDE, 22)
        == """\
-[ 1 ]----------------
name | a | b, c
text | it is some text
     |  that has to be
     |  folded
n    | 1
-[ 2 ]----------------
name | alarm
text | first line
     | second line
n    | 2"""
    )


@pytest.mark.parametrize("width", [22, 40, 60])
def test_the_header_is_bold_where_there_are_colours(width: int) -> None:
    coloured = fitted(WIDE, width, is_coloured=True)
    assert "\x1b[1m" in coloured
    assert COLOUR.sub("", coloured) == fitted(WIDE, width)
    assert "\x1b" not in fitted(WIDE, width)


def test_a_grid_without_rows_keeps_its_header() -> None:
    lines = fitted(
        b"+------------------------------+\n| aaaaaaaaaaaaaaaaaaaaaaaaaaaa |\n" + b"+" + b"-" * 30 + b"+", 20
    )
    assert [len(line) for line in lines.splitlines()] == [20] * 5


def test_escapes_of_a_cell_are_shown_not_obeyed() -> None:
    assert "\\u{1b}[31m" in fitted(b"+---------+\n| a       |\n+---------+\n| \x1b[31mred |\n+---------+", 40)


def test_long_results_are_one_table() -> None:
    rows = b"\n".join(b"| %05d | " % number + b"x" * 40 + b" |" for number in range(450))
    rule = b"+-------+" + b"-" * 42 + b"+"
    lines = fitted(b"\n".join([rule, b"| n     | " + b"t".ljust(40) + b" |", rule, rows, rule]), 40).splitlines()
    assert [line[2:7] for line in lines if line[2:7].isdigit()] == [f"{number:05}" for number in range(450)]
    assert {len(line) for line in lines} == {40}
    assert sum(line.startswith("| n ") for line in lines) == 1
    assert not any(above == below for above, below in pairwise(lines) if above.startswith("+"))


@pytest.mark.parametrize(
    ("columns", "available", "expected"),
    [
        ([5, 5], 10, [5, 5]),
        ([5, 50], 20, [5, 15]),
        ([50, 5, 50], 26, [11, 5, 10]),
        ([1_000_000_000, 5], 30, [25, 5]),
        ([50, 50, 50], 20, None),
    ],
)
def test_columns_share_what_there_is(columns: list[int], available: int, expected: list[int] | None) -> None:
    assert share(columns, available) == expected


@given(st.lists(st.tuples(*[st.text("ab |+-日", max_size=30)] * 3), min_size=1, max_size=5), st.integers(20, 100))
def test_every_table_fits(rows: list[tuple[str, ...]], width: int) -> None:
    columns = [max(3, *(cell_len(row[column]) for row in rows)) for column in range(3)]

    def line(cells: tuple[str, ...]) -> str:
        padded = (cell + " " * (size - cell_len(cell)) for cell, size in zip(cells, columns, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "+" + "+".join("-" * (size + 2) for size in columns) + "+"
    grid = "\n".join([rule, line(("one", "two", "3")), rule, *map(line, rows), rule])
    shown = fitted(grid.encode(), width)
    assert all(cell_len(line) <= width for line in shown.splitlines())
    text = "".join(sorted(re.sub(r"[^ab日]", "", shown)))
    assert text == "".join(sorted(re.sub(r"[^ab日]", "", grid)))
