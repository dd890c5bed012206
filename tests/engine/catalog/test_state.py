from tests.support.catalog import NOON_NS, a_state


def test_things_are_found_by_name_and_by_id() -> None:
    state = a_state()
    sensors = state.databases[2]
    assert state.database("sensors") is sensors
    assert state.database_by_id(2) is sensors
    assert state.trigger_by_id(11) == (sensors, sensors.trigger("copy"))
    assert state.token("ci") is state.tokens[1]
    assert (state.database("x"), state.database_by_id(9), state.trigger_by_id(9), state.token("x")) == (None,) * 4
    assert sensors.trigger("x") is None
    assert state.known_ids == {1, 2, 3, 11, 12, 13, 21, 22, 31, 32, 33}


def test_token_is_valid_until_it_expires() -> None:
    forever, limited = a_state().tokens
    assert forever.is_valid_at(2**63)
    assert limited.is_valid_at(NOON_NS + 10**9 - 1)
    assert not limited.is_valid_at(NOON_NS + 10**9)
