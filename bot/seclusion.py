"""Keeping this process to itself: others of the same user do not read its memory and environment.

https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
"""

import ctypes
import sys

GET_DUMPABLE, SET_DUMPABLE = 3, 4


def seclude() -> bool:
    """Close this process to other processes of its user; False where there is no way to.

    The commands of agents may be such: without this ``/proc`` hands them WeCom's secrets out of
    our environment. Programs that we start are open all the same.
    """
    return _prctl(SET_DUMPABLE, 0) == 0


def secluded() -> bool:
    """Tell whether this process is closed to others of its user."""
    return _prctl(GET_DUMPABLE, 0) == 0


def _prctl(option: int, value: int) -> int:
    if sys.platform != "linux":  # pragma: no cover - nobody tests there
        return -1
    return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0))
