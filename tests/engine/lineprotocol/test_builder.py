import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lineprotocol.builder import (
    InfluxDBError,
    InvalidKeyError,
    InvalidLineError,
    InvalidMeasurementError,
    LineBuilder,
)
from engine.lineprotocol.lines import parse_line, split_lines


@pytest.mark.parametrize(
    ("builder", "line"),
    [
        pytest.param(
            LineBuilder("some_table")
            .tag("tag1", "tag1_value")
            .tag("tag2", "tag2_value")
            .int64_field("field1", 1)
            .float64_field("field2", 2.0)
            .string_field("field3", "number three"),
            'some_table,tag1=tag1_value,tag2=tag2_value field1=1i,field2=2.0,field3="number three"',
            id="B7.1",
        ),
        pytest.param(
            LineBuilder("other_table").int64_field("other_field", 1).float64_field("other_field2", 3.14).time_ns(1302),
            "other_table other_field=1i,other_field2=3.14 1302",
            id="B7.2",
        ),
        pytest.param(LineBuilder("t").uint64_field("f2", 20).bool_field("f3", True), "t f2=20u,f3=t", id="B7.3"),
        pytest.param(LineBuilder("a,b").int64_field("f", 1), r"a\,b f=1i", id="B7.4-comma-in-measurement"),
        pytest.param(LineBuilder("t").tag("k", "a b,c=d").int64_field("f", 1), r"t,k=a\ b\,c\=d f=1i", id="B7.7"),
        pytest.param(LineBuilder("t").tag("k", "a\\").int64_field("f", 1), r"t,k=a\\ f=1i", id="backslash-in-tag"),
        pytest.param(LineBuilder("t").string_field("s", r'a "q" \ b'), r't s="a \"q\" \\ b"', id="B7.8"),
        pytest.param(LineBuilder("t").int64_field("a\\b", 1), r"t a\\b=1i", id="backslash-in-field-key"),
        pytest.param(LineBuilder("t").int64_field("f", 1).time_ns(None), "t f=1i", id="no-time"),
        pytest.param(LineBuilder("t").int64_field("f", 1).time_ns(0), "t f=1i 0", id="time-zero"),
        pytest.param(
            LineBuilder("t").int64_field("a", 1).int64_field("b", 2).int64_field("a", 3), "t a=3i,b=2i", id="set-again"
        ),
        pytest.param(LineBuilder("t").tag("k", None).bool_field("f", ""), "t,k=None f=f", id="text-of-any-tag-value"),
        pytest.param(LineBuilder("t").tag("k", "").int64_field("f", True), "t,k= f=Truei", id="refused-when-written"),
        pytest.param(LineBuilder("").int64_field("f", 3.7), " f=3.7i", id="neither-is-checked"),
    ],
)
def test_builder_writes(builder, line):
    assert builder.build() == line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(3, "3.0", id="whole"),
        pytest.param(1e22, "10000000000000000000000.0", id="large"),
        pytest.param(1e-7, "1e-07", id="small"),
        pytest.param(-0.0, "0.0", id="minus-zero"),
        pytest.param(True, "1.0", id="boolean"),
        pytest.param(math.nan, "nan", id="nan"),
        pytest.param(-math.inf, "-inf", id="infinite"),
    ],
)
def test_floats_are_spelled(value, text):
    assert LineBuilder("t").float64_field("f", value).build() == f"t f={text}"


@pytest.mark.parametrize("kind", ["tag", "field"])
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param("", "{kind} key cannot be empty", id="empty"),
        pytest.param("a b", "{kind} key 'a b' cannot contain spaces", id="spaces"),
        pytest.param("a,b", "{kind} key 'a,b' cannot contain commas", id="commas"),
        pytest.param("a=b", "{kind} key 'a=b' cannot contain equals signs", id="equals-signs"),
    ],
)
def test_key_is_refused_b7_5(kind, key, reason):
    builder = LineBuilder("t")
    setters = {
        "tag": [lambda: builder.tag(key, "v")],
        "field": [
            lambda: builder.uint64_field(key, 1),
            lambda: builder.int64_field(key, 1),
            lambda: builder.float64_field(key, 1.0),
            lambda: builder.string_field(key, "v"),
            lambda: builder.bool_field(key, True),
        ],
    }
    for setter in setters[kind]:
        with pytest.raises(InvalidKeyError) as refused:
            setter()
        assert str(refused.value) == reason.format(kind=kind)


def test_blank_in_measurement_is_refused_b7_4():
    with pytest.raises(InvalidMeasurementError, match=r"^Measurement name cannot contain spaces$"):
        LineBuilder("a b")


def test_negative_unsigned_is_refused_b7_6():
    with pytest.raises(ValueError, match=r"^uint64 field 'a' cannot be negative$"):
        LineBuilder("t").uint64_field("a", -1)


@pytest.mark.parametrize(
    ("builder", "series"),
    [
        pytest.param(LineBuilder("some_table"), "some_table", id="B7.9"),
        pytest.param(LineBuilder("t").tag("k", "a b"), r"t,k=a\ b", id="with-tags"),
    ],
)
def test_line_without_field_is_refused(builder, series):
    with pytest.raises(InvalidLineError) as refused:
        builder.build()
    assert str(refused.value) == f"At least one field is required: {series}"


def test_what_is_no_string_has_no_string_field():
    with pytest.raises(AttributeError):
        LineBuilder("t").string_field("s", 5)


def test_errors_have_one_root():
    assert all(
        issubclass(error, InfluxDBError) for error in (InvalidMeasurementError, InvalidKeyError, InvalidLineError)
    )


def test_attributes_show_what_was_set():
    builder = LineBuilder("m").tag("t", 5).int64_field("i", 1).string_field("s", "x")
    assert (builder.measurement, builder.tags, builder.fields) == ("m", {"t": "5"}, {"i": "1i", "s": '"x"'})


# What a builder does not escape cannot come back: blanks of any kind and backslashes where it leaves them single.
_MEASUREMENTS = st.text(st.characters(exclude_characters="\\ \t\n\0", codec="utf-8"), min_size=1).filter(
    lambda name: not name.startswith("#")
)
_TAG_KEYS = st.text(st.characters(exclude_characters="\\ \t\n,=", codec="utf-8"), min_size=1)
_NAMES = st.text(st.characters(exclude_characters="\t\n", codec="utf-8"), min_size=1).filter(
    lambda name: not name.endswith("\\")
)
_FIELD_KEYS = st.text(st.characters(exclude_characters=" \t\n,=", codec="utf-8"), min_size=1).filter(
    lambda name: not name.endswith("\\")
)
_VALUES = st.one_of(
    st.tuples(st.just("int64_field"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("uint64_field"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("float64_field"), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("string_field"), st.text(st.characters(codec="utf-8"))),
    st.tuples(st.just("bool_field"), st.booleans()),
)


@given(
    _MEASUREMENTS,
    st.dictionaries(_TAG_KEYS, _NAMES, max_size=4),
    st.dictionaries(_FIELD_KEYS, _VALUES, min_size=1, max_size=4),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_built_is_parsed_as_it_was_set(measurement, tags, fields, time):
    builder = LineBuilder(measurement).time_ns(time)
    for key, value in tags.items():
        builder.tag(key, value)
    for key, (method, value) in fields.items():
        getattr(builder, method)(key, value)
    (line,) = split_lines(builder.build())
    parsed = parse_line(line)
    assert parsed.table == measurement
    assert dict(zip(parsed.tags, parsed.tag_values, strict=True)) == tags
    assert [key for key, _ in parsed.fields] == list(fields)
    assert list(parsed.values) == [value for _, value in fields.values()]
    assert parsed.timestamp == time
