"""Bodies of line protocol for tests – good, odd and malformed lines mixed – and what was parsed, in plain Python."""

import random
from dataclasses import dataclass
from typing import Any

from engine.lineprotocol.groups import ParsedBody

# Pieces that mean something to one of the two parsers.
_NOISE = [
    *(
        '"',
        "\\",
        ",",
        "=",
        " ",
        "\n",
        "\r",
        "\t",
        "\0",
        "\1",
        "\2",
        "#",
        "-",
        ".",
        "e",
        "i",
        "u",
        "0x",
        "é",
        "\ufeff",
        "+",
    ),
    *('="', '",', '" ', '\\"', "\\\\", "\\ ", ' "', "a", "1", "  ", ",,", ".e", "nan"),
]
_TABLES = ["cpu", "cpu", "cpu", "mem", "a_table_of_a_long_name", "a_table_of_a_long_nome", "e5", "1i", 'q"', "ß"]
_TAG_KEYS = ["host", "region", "t", "a_tag_key_of_a_long_name", "0x", 'k"']
_TAG_VALUES = [
    "a",
    "b",
    "web-1.east",
    "0x1i",
    "10.0.0.1",
    "é",
    '"',
    '"q"',
    "#",
    "1.e5",
    "true",
    "=x",
    "\ufeffx",
    "N/A",
    "i",
]
_FIELD_KEYS = ["f", "g", "usage", "a_field_key_of_a_long_name", "1i"]
_GOOD_VALUES = {
    "float": ["1", "-1", "0.5", "-0.25", "1e5", "1E-5", "1.5e+3", "007", "-0", "1e999", "1e-999", "0.1", "123456789.123"],
    "integer": ["1i", "-5i", "0i", "9223372036854775807i", "-9223372036854775808i", "007i", "-0i"],
    "uinteger": ["1u", "0u", "18446744073709551615u"],
    "boolean": ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"],
    "string": ['""', '"x"', '"a b,c=d"', r'"say \"hi\""', r'"\\"', '"a\rb"', '"a\tb"', '"é"', r'"C:\dir"', '"1.e5"', '"0x1"'],
}  # fmt: skip
_BAD_VALUES = [
    *(
        ".5",
        "1.",
        "+1",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "-",
        "--1",
        "1.e5",
        "-.5",
        "1_000",
        "1.5.5",
        "0x10",
        "1e",
        "1e5.5",
    ),
    *("0x10i", "-0x10i", "1.5i", "i", "-i", "9223372036854775808i", "99999999999999999999999i", "+1i", "1ii", "1i2"),
    *(
        "-1u",
        "u",
        "18446744073709551616u",
        "0x1u",
        "1.0u",
        "tr",
        "trues",
        "tRUE",
        "yes",
        "truE",
        "",
        "x",
        '"',
        '"a',
        'a"',
    ),
    *(
        '"a"b',
        '"a"b"',
        '"a" "b"',
        '"\\"',
        "1 ",
        "1\r",
        "1\t",
        '"a\nb"',
        "1=2",
        "1,2",
        "0X1f",
        "1\0",
        '"\1"',
        '"\2,"',
        "''",
    ),
]
_NAME_PIECES = [
    "a",
    "b",
    "f",
    "_",
    "1",
    "0x",
    "e5",
    "i",
    "é",
    "温",
    "😀",
    "\u2028",
    "\x7f",
    "\x1b",
    '"',
    "#",
    "-",
    "'",
    "=",
    ",",
]
_NAME_PIECES += [r"\ ", r"\,", r"\=", r"\\", r"\x", r"\"", "\\", "\r", "\3"]
_STRING_PIECES = [
    *_NAME_PIECES[:-3],
    r"\n",
    r"\\\\",
    r"\\\"",
    " ",
    "\n",
    "\r",
    "\t",
    "\1",
    "\2",
    "\0",
    "\v",
    "=",
    ',"',
    '="',
]
_TIMES = [
    "1",
    "-1",
    "0",
    "1700000000",
    "1700000000000",
    "1700000000000000",
    "1700000000000000000",
    "4999999999",
    "5000000000",
]
_BAD_TIMES = [
    "9223372037",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "0x5",
    "+5",
    "5i",
    "-",
]


@dataclass(frozen=True)
class PlainGroup:
    """A group as Python values, comparable."""

    table: str
    tags: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    lines: list[int]
    rows: list[tuple[Any, ...]]


def plain(parsed: ParsedBody) -> tuple[list[PlainGroup], list[tuple[int, str, str]], int, list[str]]:
    """Return all that was parsed; floats as their spelling, so that -0.0 differs from 0.0."""
    groups = []
    for group in [group.columns for group in parsed.groups]:
        for column in (*group.tag_columns, *group.field_columns, group.time):
            column.validate(full=True)
            assert column.null_count == 0
            assert len(column) == len(group.lines)
        columns = [column.to_pylist() for column in (*group.tag_columns, *group.field_columns)]
        spelled = [[repr(value) for value in column] for column in columns]
        times = group.time.cast("int64").to_pylist()
        fields = tuple((key, kind.short) for key, kind in group.fields)
        rows = list(zip(times, *spelled, strict=True))
        groups.append(PlainGroup(group.table, group.tags, fields, group.lines.tolist(), rows))
    rejected = [(line.line_number, line.message, line.original_line) for line in parsed.rejected]
    originals = [parsed.original_line(number + 1) for number in range(parsed.line_count)]
    return groups, rejected, parsed.line_count, originals


def random_body(choose: random.Random, most_lines: int) -> str:
    """Return a body whose lines are mostly good and share a few shapes, as bodies do, with all that can go wrong."""
    shapes = [_shape(choose) for _ in range(choose.randint(1, 3))]
    if choose.random() < 0.3:
        shapes.append(_odd_shape(choose))
    badness = choose.choice([0, 0, 0.02, 0.1, 0.4])
    lines = []
    for _ in range(choose.randint(1, most_lines)):
        line = _line(choose, choose.choice(shapes), badness)
        if choose.random() < badness:
            line = _damaged(choose, line)
        lines.append(line)
    return "\n".join(lines) + choose.choice(["", "\n", "\n\n"])


def _shape(choose: random.Random) -> tuple[str, list[str], list[tuple[str, str]], bool]:
    tags = choose.sample(_TAG_KEYS, choose.randint(0, 3))
    keys = choose.sample(_FIELD_KEYS, choose.randint(1, 4))
    fields = [(key, choose.choice(list(_GOOD_VALUES))) for key in keys]
    return choose.choice(_TABLES), tags, fields, choose.random() < 0.8


def _odd_shape(choose: random.Random) -> tuple[str, list[str], list[tuple[str, str]], bool]:
    """Return a shape whose names are made of odd pieces, are long, or stand twice."""
    names = [_made_name(choose) for _ in range(choose.randint(2, 5))]
    names += choose.choices([*names, *_FIELD_KEYS, "x" * choose.choice([7, 8, 9, 15, 16, 17, 300])], k=2)
    choose.shuffle(names)
    tags = choose.randint(0, len(names) - 2)
    fields = [(name, choose.choice(list(_GOOD_VALUES))) for name in names[1 + tags :]]
    return names[0], names[1 : 1 + tags], fields, choose.random() < 0.8


def _made_name(choose: random.Random) -> str:
    return "".join(choose.choices(_NAME_PIECES, k=choose.randint(1, 6)))


def _made_value(choose: random.Random, kind: str) -> str:
    """Return a value that no list holds: all digits, exponents and characters occur."""
    minus = choose.choice(["", "-"])
    match kind:
        case "integer" | "uinteger":
            sign = minus if kind == "integer" else ""
            limit = choose.choice([10, 2**31, 2**63, 2**64, 10**30])
            return f"{sign}{choose.choice(['', '0', '000'])}{choose.randint(0, limit)}{kind[0]}"
        case "float":
            fraction = choose.choice(["", f".{_digits(choose)}"])
            exponent = choose.choice(
                ["", "", f"{choose.choice('eE')}{choose.choice(['', '+', '-'])}{_digits(choose, 3)}"]
            )
            return f"{minus}{_digits(choose)}{fraction}{exponent}"
        case "string":
            return '"' + "".join(choose.choices(_STRING_PIECES, k=choose.randint(0, 12))) + '"'
        case _:
            return choose.choice(_GOOD_VALUES[kind])


def _made_time(choose: random.Random) -> str:
    guessed = choose.choice([5 * 10**9, 5 * 10**12, 5 * 10**15, 2**63, 9_223_372_036, 9_223_372_036_854])
    return f"{choose.choice(['', '-'])}{choose.choice(['', '00'])}{guessed + choose.randint(-2, 2)}"


def _digits(choose: random.Random, most: int = 25) -> str:
    return "".join(choose.choices("0123456789", k=choose.randint(1, most)))


def _line(choose: random.Random, shape: tuple[str, list[str], list[tuple[str, str]], bool], badness: float) -> str:
    def draw(good: list[str], bad: list[str]) -> str:
        return choose.choice(bad if bad and choose.random() < badness / 2 else good)

    def value(kind: str) -> str:
        return _made_value(choose, kind) if choose.random() < 0.2 else draw(_GOOD_VALUES[kind], _BAD_VALUES)

    table, tags, fields, has_time = shape
    # Odd tag values would make every other line a bad one: half of all lines have a tame one.
    tag_values = _TAG_VALUES if choose.random() < badness else _TAG_VALUES[:6]
    series = "".join(f",{key}={draw(tag_values, ['', 'a,b', 'a b'])}" for key in tags)
    field_set = ",".join(f"{key}={value(kind)}" for key, kind in fields)
    times = [_made_time(choose)] if choose.random() < 0.1 else _TIMES
    time = f" {draw(times, _BAD_TIMES)}" if has_time else ""
    return f"{table}{series} {field_set}{time}"


def _damaged(choose: random.Random, line: str) -> str:
    match choose.randint(0, 5):
        case 0:
            return choose.choice(
                ["", " ", "\t \t", "# a comment", '  # a "comment', "no fields", "m", ",", "\r", "m,t=1 "]
            )
        case 1:
            return choose.choice([" ", "\t", "  "]) + line
        case 2:
            return line + choose.choice(["\r", " ", "  ", "\t", " 5", ",", '"', " x"])
        case 3:
            at = choose.randint(0, len(line))
            return line[:at] + line[at + choose.randint(1, 3) :]
        case _:
            for _ in range(choose.randint(1, 2)):
                at = choose.randint(0, len(line))
                line = line[:at] + choose.choice(_NOISE) + line[at:]
            return line
