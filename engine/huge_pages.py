"""Whether a process gets memory in huge pages where numpy and Arrow ask for them, which is up to the kernel otherwise."""

import ctypes

_PR_SET_THP_DISABLE = 41


def allow_huge_pages(is_allowed: bool) -> bool:
    """Allow or refuse them to this process and those that it starts; return whether the kernel knows of this at all."""
    answer: int = ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 0 if is_allowed else 1, 0, 0, 0)
    return answer == 0
