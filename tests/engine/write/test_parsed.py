import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lineprotocol.body import parse_body
from engine.lineprotocol.columnar import parse_columns
from engine.model.precision import Precision
from engine.write.parsed import decode_parsed, decode_terms, encode_parsed, encode_terms
from tests.support.line_protocol import plain, random_body

NOW_NS = 1_234_567_890_123_456_789


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 600]))
def test_a_parsed_body_arrives_as_it_was(seed: int, fewest_tokens: int) -> None:
    body = random_body(random.Random(seed), 20).encode()
    parsed = parse_columns(body, Precision.NANOSECOND, NOW_NS, fewest_tokens=fewest_tokens)
    arrived = decode_parsed(bytearray().join(encode_parsed(parsed)), body)
    assert plain(arrived) == plain(parsed)
    numbers = range(1, parsed.line_count + 1)
    assert [*map(arrived.original_line, numbers)] == [*map(parsed.original_line, numbers)]


def test_numbers_of_lines_with_gaps_arrive() -> None:
    body = b"".join(b"a f=%di %d\n" % (n, n) if n % 3 else b"b g=%d.5 %d\n" % (n, n) for n in range(1, 3_001))
    parsed = parse_body(body, Precision.NANOSECOND, NOW_NS)
    arrived = decode_parsed(bytearray().join(encode_parsed(parsed)), body)
    assert [group.numbers for group in arrived.groups] == [group.numbers for group in parsed.groups]
    assert plain(arrived) == plain(parsed)


@given(st.sampled_from(Precision), st.integers(-(2**63), 2**63 - 1))
def test_terms_arrive(precision: Precision, ingest_time_ns: int) -> None:
    assert decode_terms(encode_terms(precision, ingest_time_ns)) == (precision, ingest_time_ns)
