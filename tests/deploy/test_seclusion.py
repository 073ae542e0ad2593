"""The service's own process: what another of the same user, an agent's command say, reads of it."""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot.seclusion import SET_DUMPABLE, seclude

NOBODY = 65534


def read_by_another(close):
    """Let one process wait, and another of the same user look into it."""
    told, tell = socket.socketpair()
    holder = os.fork()
    if holder == 0:
        _become_somebody()
        if close:
            seclude()
        told.close()
        tell.send(b"x")
        tell.recv(1)
        os._exit(0)
    tell.close()
    told.recv(1)
    looker = os.fork()
    if looker == 0:
        _become_somebody()
        try:
            Path(f"/proc/{holder}/environ").read_bytes()
            Path(f"/proc/{holder}/mem").open("rb").close()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(looker, 0)
    told.close()
    os.waitpid(holder, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _become_somebody():
    if os.geteuid() == 0:  # root reads everything
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        ctypes.CDLL(None).prctl(SET_DUMPABLE, 1, 0, 0, 0)  # which another user's name took away


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc, and no way to close it")
def test_a_process_of_the_same_user_cannot_look_into_the_service():
    assert read_by_another(close=False)
    assert not read_by_another(close=True)


SERVED = """
from bot.app import serve
from bot.errors import StartError
from bot.seclusion import secluded
from config.settings import load_settings

assert not secluded()
try:
    serve(load_settings(None, {"BOT_DATA_DIR": "/proc/no/such/place"}))
except StartError:
    print(secluded())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no way to close a process")
def test_the_service_closes_itself_before_it_does_anything_else(root):
    done = subprocess.run(
        [sys.executable, "-c", SERVED], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout == "True\n"
