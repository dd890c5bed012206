import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LineProtocolError
from engine.lineprotocol.timestamps import columns_to_ns, ingest_time, to_ns
from engine.model.precision import Precision


@pytest.mark.parametrize(
    ("timestamp", "unit"),
    [
        (1, 1_000_000_000),
        (4_999_999_999, 1_000_000_000),
        (5_000_000_000, 1_000_000),
        (1_708_976_567_000_000, 1_000),
        (1_708_976_567_000_000_000, 1),
        (-4_999_999_999, 1_000_000_000),
        (-5_000_000_000, 1_000_000),
        (-(2**63), 1),
    ],
)
def test_auto_guesses_the_unit_fact_48(timestamp, unit):
    assert to_ns(timestamp, Precision.AUTO) == timestamp * unit


@pytest.mark.parametrize(
    ("timestamp", "precision", "word"),
    [
        pytest.param(9_223_372_037, Precision.SECOND, "Second", id="fact-49"),
        pytest.param(-9_223_372_037, Precision.SECOND, "Second", id="before-1677"),
        pytest.param(9_223_372_036_855, Precision.MILLISECOND, "Millisecond", id="millisecond"),
        pytest.param(9_223_372_036_854_776, Precision.MICROSECOND, "Microsecond", id="microsecond"),
    ],
)
def test_timestamp_beyond_64_bits_is_refused(timestamp, precision, word):
    with pytest.raises(LineProtocolError, match=f"^timestamp, {timestamp}, out of range for precision: {word}$"):
        to_ns(timestamp, precision)


@pytest.mark.parametrize(
    ("precision", "cut"),
    [
        (Precision.AUTO, 1_234_567_890_123_456_789),
        (Precision.NANOSECOND, 1_234_567_890_123_456_789),
        (Precision.MICROSECOND, 1_234_567_890_123_456_000),
        (Precision.MILLISECOND, 1_234_567_890_123_000_000),
        (Precision.SECOND, 1_234_567_890_000_000_000),
    ],
)
def test_time_of_ingestion_is_cut_to_the_precision(precision, cut):
    assert ingest_time(1_234_567_890_123_456_789, precision) == cut


_TIMESTAMPS = st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**11), 10**11) | st.integers(-(10**16), 10**16)


@given(st.lists(_TIMESTAMPS), st.sampled_from(Precision))
def test_a_column_is_converted_as_each_timestamp_is(timestamps, precision):
    def expected(timestamp):
        try:
            return to_ns(timestamp, precision)
        except LineProtocolError:
            return None

    times, refused = columns_to_ns(np.array(timestamps, np.int64), precision)
    is_refused = [False] * len(timestamps) if refused is None else refused.tolist()
    converted = [None if no else time for no, time in zip(is_refused, times.tolist(), strict=True)]
    assert converted == [expected(timestamp) for timestamp in timestamps]
