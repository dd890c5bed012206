import math

import pytest

from engine.errors import LineProtocolError
from engine.lineprotocol.lines import MOST_STRING_BYTES, Line, parse_line, split_lines
from engine.model.schema import ColumnType

TRAILING = "Could not parse entire line. Found trailing content: "
NO_FIELDS = "No fields were provided"
BACKSLASH = "Measurements, tag keys and values, and field keys may not end with a backslash"
NEED_SPACE = "Expected at least one space character, got "
NO_EQUALS = "Tag set malformed: could not find equals sign in "
TOO_LONG = "String is greater than 1MB"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        # facts 36, 37, 40, 43, 44
        ("cpu,host=a val= 123", NO_FIELDS),
        ("cpu,host=a usage=0.5,usage=0.6", "invalid line protocol - multiple instances of 'usage' field found"),
        ("cpu,host=a usage=1\r", TRAILING + "`\r`"),
        ("cpu,host=a usage=1 5\r", TRAILING + "`\r`"),
        ("m f=.5", NO_FIELDS),
        ("m f=1.", TRAILING + "`.`"),
        ("m f=+1", NO_FIELDS),
        ("m f=NaN", NO_FIELDS),
        ("m,t= f=1", "Expected tag value, got ` f=1`"),
        ("m,t f=1", NO_EQUALS + "`t f=1`"),
        (",t=a f=1", "Invalid measurement was provided"),
        ("m", NEED_SPACE + "end of input"),
        # What is quoted: ten characters, of the missing blank everything.
        ("m v=1 abcdefghi", TRAILING + "` abcdefghi`"),
        ("m v=1 abcdefghij", TRAILING + "` abcdefghi...`"),
        ("m v=1 ééééééééééé", TRAILING + "` ééééééééé...`"),
        ("m,t=1,uuuuuuuuuuuuuuuuuuuuu v=1", NO_EQUALS + "`t=1,uuuuuu...`"),
        ("m\tabcdefghijklmnop v=1", NEED_SPACE + "`\tabcdefghijklmnop v=1`"),
        # A value is the longest match, what follows is trailing content.
        ("m v=1e", TRAILING + "`e`"),
        ("m v=0x10", TRAILING + "`x10`"),
        ("m v=1_000", TRAILING + "`_000`"),
        ("m v=1.5.5", TRAILING + "`.5`"),
        ("m v=1i2", TRAILING + "`2`"),
        ("m v=1.0i", TRAILING + "`i`"),
        ("m v=-7u", TRAILING + "`u`"),
        ("m v=true1", TRAILING + "`1`"),
        ("m v=tRUE", TRAILING + "`RUE`"),
        ('m v="a"b"', TRAILING + '`b"`'),
        ('m v="abc', NO_FIELDS),
        ("m v=", NO_FIELDS),
        ("m v", NO_FIELDS),
        ("m =1", NO_FIELDS),
        ("m 5", NO_FIELDS),
        ("m ", NO_FIELDS),
        ("m v= 1", NO_FIELDS),
        ("m v =1", NO_FIELDS),
        ("m v=inf", NO_FIELDS),
        # A blank belongs to a timestamp, §13 item 2.
        ("m v=1 ", TRAILING + "` `"),
        ("m v=1  ", TRAILING + "`  `"),
        ("m v=1 5 6 7", TRAILING + "`6 7`"),
        ("m v=1 1.5", TRAILING + "`.5`"),
        ("m v=1 -", TRAILING + "` -`"),
        # Further fields.
        ("m v=1,w=", TRAILING + "`w=`"),
        ("m v=1, w=2", TRAILING + "` w=2`"),
        ("m v=1,w=2,x=", TRAILING + "`,x=`"),
        ("m v=1,w=2,", TRAILING + "`,`"),
        ("m v=1,w=2, 7", TRAILING + "`, 7`"),
        ("m v=1,, ", TRAILING + "`, `"),
        # §13 item 4: what the product lets pass
        ("m f=1, 7", "Expected field key, got ` 7`"),
        ("m f=1,", "Expected field key, got end of input"),
        ("m f=1,,g=2", "Field set malformed: could not find equals sign in `,g=2`"),
        ("m f=1,w,x=2 5", "Field set malformed: could not find equals sign in `w,x=2 5`"),
        ("m w,x=2 5", "Field set malformed: could not find equals sign in `w,x=2 5`"),
        ("m,t=1,,u=2 f=1", NO_EQUALS + "`t=1,,u=2 f...`"),
        ("m,a,b=2 f=1", NO_EQUALS + "`a,b=2 f=1`"),
        # §13 items 3 and 5
        ("m,t=1,u=2,t=3 f=1", "Must not contain duplicate tags, but `t` was repeated"),
        ("m f=1,g=2,f=3", "invalid line protocol - multiple instances of 'f' field found"),
        ("m v=1,v=2 abc", TRAILING + "` abc`"),
        # Tags.
        ("m,", "Expected tag key, got end of input"),
        ("m,t=1,", "Expected tag key, got end of input"),
        ("m, v=1", "Expected tag key, got ` v=1`"),
        ("m,=1 v=1", "Expected tag key, got `=1 v=1`"),
        ("m,,", NO_EQUALS + "`,`"),
        ("m,t=", "Expected tag value, got end of input"),
        ("m,t=,u=2 v=1", "Expected tag value, got `,u=2 v=1`"),
        ("m,t=1", NEED_SPACE + "end of input"),
        ('m,t="a b" v=1', NO_FIELDS),
        # A tab ends a name and separates nothing.
        ("m\tv=1 5", NEED_SPACE + "`\tv=1 5`"),
        ("m,t=a\tb v=1", NEED_SPACE + "`\tb v=1`"),
        ("m,t\tx=1 v=1", NO_EQUALS + "`t\tx=1 v=1`"),
        ("m v\t=1", NO_FIELDS),
        ("m v=1\t5", TRAILING + "`\t5`"),
        ("m v=1 5\t", TRAILING + "`\t`"),
        ("a\0b f=1", NEED_SPACE + "`\0b f=1`"),
        ("a\\\0b f=1", NEED_SPACE + "`\\\0b f=1`"),
        # No name ends with a backslash, escaped or not.
        ("m\\", BACKSLASH),
        ("m\\\\ f=1", BACKSLASH),
        ("m,t\\\\=a f=1", BACKSLASH),
        ("m,t=a\\\\ f=1", BACKSLASH),
        ("m f\\\\=1", BACKSLASH),
        # Ranges.
        ("m v=9223372036854775808i", "Unable to parse integer value `9223372036854775808`"),
        ("m v=-9223372036854775809i", "Unable to parse integer value `-9223372036854775809`"),
        ("m v=18446744073709551616u", "Unable to parse unsigned integer value `18446744073709551616`"),
        ("m v=1 99999999999999999999", "Unable to parse timestamp value `99999999999999999999`"),
        ("m v=1 9223372036854775808", "Unable to parse timestamp value `9223372036854775808`"),
        pytest.param(f"m v={'9' * 5000}i", f"Unable to parse integer value `{'9' * 5000}`", id="5000-digits"),
        pytest.param(f"{'m' * (MOST_STRING_BYTES + 1)} f=1", TOO_LONG, id="long-measurement"),
        pytest.param(f"m,{'t' * (MOST_STRING_BYTES + 1)}=a f=1", TOO_LONG, id="long-tag-key"),
        pytest.param(f"m,t={'é' * (MOST_STRING_BYTES // 2 + 1)} f=1", TOO_LONG, id="long-tag-value"),
        pytest.param(f"m {'f' * (MOST_STRING_BYTES + 1)}=1", TOO_LONG, id="long-field-key"),
        pytest.param(f'm s="{"s" * (MOST_STRING_BYTES + 1)}"', TOO_LONG, id="long-string"),
    ],
)
def test_line_is_refused(line, reason):
    with pytest.raises(LineProtocolError) as refused:
        parse_line(line)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # fact 45
        ("-1e-3", -0.001),
        ("-5i", -5),
        ("7u", 7),
        ("T", True),
        ("FALSE", False),
        (r'"a \"q\" \\ b"', r'a "q" \ b'),
        ("1", 1.0),
        ("007", 7.0),
        ("1E+3", 1000.0),
        ("1.5e-3", 0.0015),
        ("1e999", math.inf),
        ("9223372036854775807i", 2**63 - 1),
        ("-9223372036854775808i", -(2**63)),
        ("18446744073709551615u", 2**64 - 1),
        ("-0i", 0),
        ("00000000000000000000000000005i", 5),
        ("t", True),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("f", False),
        ("F", False),
        ("false", False),
        ("False", False),
        ('""', ""),
        (r'"C:\dir"', r"C:\dir"),
        ('"a\nb\tc"', "a\nb\tc"),  # fact 47
        ('"a, b=c"', "a, b=c"),
    ],
)
def test_value_is_read(text, value):
    (read,) = parse_line(f"m f={text} 1").values
    assert read == value
    assert type(read) is type(value)


def test_minus_zero_keeps_its_sign():
    (value,) = parse_line("m f=-0").values
    assert math.copysign(1, value) == -1


def test_types_follow_the_values():
    line = parse_line('m a=1,b=1i,c=1u,d=t,e=""')
    assert [kind for _, kind in line.fields] == [
        ColumnType.FLOAT,
        ColumnType.INTEGER,
        ColumnType.UINTEGER,
        ColumnType.BOOLEAN,
        ColumnType.STRING,
    ]


@pytest.mark.parametrize(
    ("line", "table", "tags", "keys", "timestamp"),
    [
        pytest.param(r"m\ x\,y,t\ k=v\=1 f\,g=1 1", "m x,y", {"t k": "v=1"}, ["f,g"], 1, id="fact-46"),
        pytest.param("m,b=1,a=2 g=1,f=2", "m", {"b": "1", "a": "2"}, ["g", "f"], None, id="order-is-kept"),
        pytest.param("m,t==b f=1", "m", {"t": "=b"}, ["f"], None, id="equals-sign-in-a-tag-value"),
        pytest.param('"m","k"="v" "f"=1 1', '"m"', {'"k"': '"v"'}, ['"f"'], 1, id="quotes-are-ordinary-in-names"),
        pytest.param("m,t=a\rb f=1", "m", {"t": "a\rb"}, ["f"], None, id="carriage-return-in-a-tag-value"),
        pytest.param(r"m\=x,t=a\=x,u=a\"x f=1", r"m\=x", {"t": "a=x", "u": r"a\"x"}, ["f"], None, id="escapes"),
        pytest.param("m  f=1   5  ", "m", {}, ["f"], 5, id="several-blanks"),
        pytest.param(" \t m f=1", "m", {}, ["f"], None, id="blanks-before-the-line"),
        pytest.param("m f=1 -9223372036854775808", "m", {}, ["f"], -(2**63), id="lowest-timestamp"),
        pytest.param("m f=1 0009223372036854775807", "m", {}, ["f"], 2**63 - 1, id="highest-timestamp"),
        pytest.param("ß,é=\ufeff 温度=1", "ß", {"é": "\ufeff"}, ["温度"], None, id="any-utf-8"),
        pytest.param("m\\\tx f=1", "m\\\tx", {}, ["f"], None, id="escaped-tab-is-kept-with-its-backslash"),
    ],
)
def test_line_is_read(line, table, tags, keys, timestamp):
    read = parse_line(line)
    assert isinstance(read, Line)
    assert read.table == table
    assert dict(zip(read.tags, read.tag_values, strict=True)) == tags
    assert [key for key, _ in read.fields] == keys
    assert read.timestamp == timestamp


def test_the_longest_strings_are_read():
    name = "é" * (MOST_STRING_BYTES // 2)
    line = parse_line(f'{name},{name}={name} {name}="{name}" 1')
    assert (line.table, line.tags, line.tag_values, line.values) == (name, (name,), (name,), (name,))


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("# only a comment", [], id="fact-29"),
        pytest.param("\n  # a comment\n\t \n  m v=1\n", ["  m v=1"], id="blank-lines-and-comments-do-not-count"),
        pytest.param('m f="a\nb" 1\nm g=2i 2', ['m f="a\nb" 1', "m g=2i 2"], id="fact-47"),
        pytest.param('m f="a\\"\nb" 1\nm g=2i 2', ['m f="a\\"\nb" 1', "m g=2i 2"], id="escaped-quote-in-a-string"),
        pytest.param('m"a f=1 1\nx', ['m"a f=1 1', "x"], id="quote-in-the-measurement"),
        pytest.param('m,k="a f=1 1\nx', ['m,k="a f=1 1', "x"], id="quote-in-a-tag-value"),
        pytest.param('m f"x=1 1\nx', ['m f"x=1 1', "x"], id="quote-in-a-field-key"),
        pytest.param('m f=1"\nx', ['m f=1"', "x"], id="quote-behind-a-value"),
        pytest.param('m f=1 1 "\nx', ['m f=1 1 "', "x"], id="quote-behind-the-timestamp"),
        pytest.param('m f="a"b"\nx', ['m f="a"b"', "x"], id="quote-behind-a-string"),
        pytest.param('m f\\="\nx', ['m f\\="', "x"], id="quote-behind-an-escaped-equals-sign"),
        pytest.param('# a="x\nm f=1', ["m f=1"], id="quote-in-a-comment"),
        pytest.param('  m,t="a\nm2 f=1', ['  m,t="a', "m2 f=1"], id="blanks-before-do-not-swallow-a-line-break"),
        pytest.param('m f="a\nx\n', ['m f="a\nx'], id="a-string-that-nobody-closes-goes-on-to-the-end"),
        pytest.param("m\\\nx", ["m\\", "x"], id="a-backslash-does-not-escape-a-line-break"),
        pytest.param('m\\\nx f="', ["m\\", 'x f="'], id="nor-does-it-where-a-quote-follows"),
    ],
)
def test_body_is_split(body, lines):
    assert list(split_lines(body)) == lines
