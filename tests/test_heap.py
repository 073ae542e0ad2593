"""The C library's heap is tidied while the service lives."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from bot import heap


def test_glibcs_heap_is_tidied():
    called = []
    library = SimpleNamespace(malloc_trim=lambda pad: called.append(pad.value))
    assert heap.tidy(library)
    assert called == [0]
    assert heap.tidy(ctypes.CDLL(None)) == hasattr(ctypes.CDLL(None), "malloc_trim")


THREADS = """
import ctypes, sys, threading
from bot import heap
library = ctypes.CDLL(None)
shared = sys.argv[1] == "own" or heap.share_one(library)
kept, done = [], threading.Barrier(5)
def work():
    kept.append([bytes(2_000) for _ in range(500)])
    done.wait()
for _ in range(4):
    threading.Thread(target=work).start()
done.wait()
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
print(shared)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this is not glibc")
def test_threads_share_one_heap(tmp_path):
    heaps = {}
    for kind in ("one", "own"):
        file = tmp_path / kind
        done = subprocess.run(
            [sys.executable, "-c", THREADS, kind, str(file)], capture_output=True, check=True
        )
        assert done.stdout.split() == [b"True"]
        heaps[kind] = file.read_text().count("<heap nr=")
    assert heaps["one"] == 1
    assert heaps["own"] > 1


async def test_a_c_library_without_the_call_ends_the_job(monkeypatch):
    assert not heap.share_one(SimpleNamespace())
    monkeypatch.setattr("bot.heap.ctypes.CDLL", lambda _: SimpleNamespace())
    await heap.keep_tidy()
