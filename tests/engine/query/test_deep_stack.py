import threading

import pytest

from engine.query.deep_stack import STACK_BYTES, call_with_deep_stack


def test_the_result_comes_from_another_thread() -> None:
    assert call_with_deep_stack(threading.current_thread) is not threading.current_thread()


def test_what_is_raised_is_raised_where_one_waits() -> None:
    with pytest.raises(KeyError, match="gone"):
        call_with_deep_stack(lambda: {}["gone"])


def test_other_threads_keep_their_stack_size() -> None:
    assert threading.stack_size() != STACK_BYTES
    call_with_deep_stack(threading.stack_size)
    assert threading.stack_size() != STACK_BYTES
