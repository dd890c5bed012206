import pytest

from engine.query.config import QueryConfig

MB = 2**20


@pytest.mark.parametrize(
    ("limit_bytes", "expected"),
    [
        pytest.param(None, None, id="all share"),
        pytest.param(30 * MB, 3, id="as many as fit"),
        pytest.param(100 * MB, None, id="all of it"),
        pytest.param(101 * MB, None, id="more than there is"),
    ],
)
def test_so_many_queries_hold_memory_at_a_time(limit_bytes: int | None, expected: int | None) -> None:
    assert QueryConfig(100 * MB, limit_bytes).most_holding == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (QueryConfig(100 * MB), "All queries together may use 100 MB, the limit that --exec-mem-pool-size sets."),
        (QueryConfig(100 * MB, 30 * MB), "One query may use 30 MB, the limit that --query-memory-limit sets."),
        (QueryConfig(20 * MB, 30 * MB, is_part=True), "A query in a process of its own may use 20 MB, a part of "),
    ],
)
def test_a_lack_of_memory_names_the_option(config: QueryConfig, expected: str) -> None:
    assert config.memory_told.startswith(expected)
