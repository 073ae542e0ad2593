"""The C library's heap is tidied while the service lives."""

import ctypes
from types import SimpleNamespace

from bot import heap


def test_glibcs_heap_is_tidied():
    called = []
    library = SimpleNamespace(malloc_trim=lambda pad: called.append(pad.value))
    assert heap.tidy(library)
    assert called == [0]
    assert heap.tidy(ctypes.CDLL(None)) == hasattr(ctypes.CDLL(None), "malloc_trim")


async def test_a_c_library_without_the_call_ends_the_job(monkeypatch):
    monkeypatch.setattr("bot.heap.ctypes.CDLL", lambda _: SimpleNamespace())
    await heap.keep_tidy()
