"""A disk of a few bytes, to be filled by a test."""

import contextlib
import ctypes
import os

import pytest


@contextlib.contextmanager
def small_disk(folder, options):
    """Mount a file system of its own at ``folder``; where that is forbidden the test is skipped."""
    folder.mkdir(parents=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options.encode()) != 0:
        pytest.skip(f"no small disk can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(bytes(folder), 2)
