from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.query.temporal_text import temporal_text
from tests.support.tables import RustWriters

NS = 10**9
INTERVAL = pa.month_day_nano_interval()


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (pa.timestamp("ns"), 2998574936 * NS, "2065-01-07T17:28:56"),
        (pa.timestamp("ns"), 1 * NS + 500_000_000, "1970-01-01T00:00:01.500"),
        (pa.timestamp("ns"), 1 * NS + 1_000, "1970-01-01T00:00:01.000001"),
        (pa.timestamp("ns"), 123, "1970-01-01T00:00:00.000000123"),
        (pa.timestamp("ns"), -1, "1969-12-31T23:59:59.999999999"),
        (pa.timestamp("s"), 253402300800, "+10000-01-01T00:00:00"),
        (pa.timestamp("s"), -62198755200, "-0001-01-01T00:00:00"),
        (pa.timestamp("s", "UTC"), 4922899199, "2125-12-31T23:59:59Z"),
        (pa.timestamp("ns", "+00:00"), 0, "1970-01-01T00:00:00Z"),
        (pa.timestamp("s", "America/New_York"), 0, "1969-12-31T19:00:00-05:00"),
        (pa.timestamp("ms", "+05:30"), 1500, "1970-01-01T05:30:01.500+05:30"),
        (pa.timestamp("s", "Europe/London"), 1700000000, "2023-11-14T22:13:20Z"),
        (pa.timestamp("s", "Europe/London"), 1690000000, "2023-07-22T05:26:40+01:00"),
        (pa.date32(), 1, "1970-01-02"),
        (pa.date32(), -800000, "-0221-09-04"),
        (pa.date64(), 86400000, "1970-01-02T00:00:00"),
        (pa.time64("ns"), 36000 * NS + 500_000_000, "10:00:00.500"),
        (pa.time32("s"), 1, "00:00:01"),
        (pa.duration("ns"), 1234567, "PT0.001234567S"),
        (pa.duration("ms"), -1500, "-PT1.5S"),
        (pa.duration("s"), 0, "P0D"),
        (INTERVAL, (1, 2, 3 * NS), "1 mons 2 days 3.000000000 secs"),
        (INTERVAL, (0, 0, 0), "0 secs"),
        (INTERVAL, (-1, 0, -3661 * NS - 1), "-1 mons -1 hours -1 mins -1.000000001 secs"),
    ],
)
def test_times_have_the_form_of_server_api_1_9(type_: pa.DataType, value: object, text: str) -> None:
    assert temporal_text(array_of([value, None], type_)).to_pylist() == [text, None]


TYPES = [
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.timestamp("ms", zone) for zone in ("UTC", "Asia/Kolkata", "America/New_York", "Europe/London", "-03:30")),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.date32(), pa.time64("us"), pa.time32("ms"), INTERVAL),
]
MOST = {"time64[us]": 86400 * 10**6 - 1, "time32[ms]": 86400 * 10**3 - 1, "date32[day]": 10**6, "timestamp[s]": 10**12}
MOST_DEFAULT = 4 * 10**12  # ms until the year 2096


@settings(max_examples=40, deadline=None)
@given(data=st.data(), type_=st.sampled_from(TYPES))
def test_times_read_as_those_of_the_rust_writers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, type_: pa.DataType
) -> None:
    most = MOST.get(str(type_), 2**62 if str(type_) in ("timestamp[ns]", "duration[ns]") else MOST_DEFAULT)
    least = 0 if pa.types.is_time(type_) else -most
    if type_ == INTERVAL:
        small = st.integers(-40, 40)
        value: st.SearchStrategy[object] = st.tuples(small, small, st.integers(-(10**13), 10**13))
    else:
        value = st.one_of(st.integers(least, most), st.integers(least // 10**3, most // 10**3).map(lambda n: n * 10**3))
    values = data.draw(st.lists(st.one_of(st.none(), value), min_size=1, max_size=100))
    assert_as_written(tmp_path_factory.mktemp("written"), array_of(values, type_))


def assert_as_written(folder: Path, column: pa.Array) -> None:
    batch = pa.record_batch({"x": column, "y": pa.array([1] * len(column))})
    written = RustWriters(folder).csv(batch).decode().splitlines()[1:]
    assert [f"{text or ''},1" for text in temporal_text(column).to_pylist()] == written


def array_of(values: list[object], type_: pa.DataType) -> pa.Array:
    if type_ == INTERVAL:
        return pa.array(values, type_)
    return pa.array(values, pa.int32() if type_.bit_width == 32 else pa.int64()).view(type_)


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(0, 9)), min_size=17, max_size=40),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_few_times_have_the_texts_of_many(values: list[int | None], unit: str) -> None:
    many = pa.array([None if v is None else v // 10**9 if unit == "s" else v for v in values], pa.timestamp(unit))
    few = [text for start in range(len(many)) for text in temporal_text(many.slice(start, 1)).to_pylist()]
    assert temporal_text(many).to_pylist() == few
