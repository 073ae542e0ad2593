"""Processes of the system: known by their start, and ended."""

import subprocess
import sys
import time

import pytest

from bot.opencode import process
from bot.opencode.process import Process

pytestmark = pytest.mark.opencode


def test_a_process_is_known_by_its_start_and_a_zombie_is_over():
    child = subprocess.Popen(["sleep", "60"])
    one = Process(child.pid, process.started_at(child.pid))
    assert one.alive
    assert not Process(child.pid, "another time").alive
    child.kill()
    deadline = time.monotonic() + 10
    while one.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not one.alive
    child.wait()
    assert not process.started_at(child.pid)


WITHOUT_PROC = """
import subprocess, time
from pathlib import Path
from bot.opencode import process
from bot.opencode.process import Process

process.BOOT = Path("/nowhere")
with subprocess.Popen(["sh", "-c", "sleep 61 & wait"]) as child:
    one = Process(child.pid, process.started_at(child.pid))
    assert one.alive
    deadline = time.monotonic() + 10
    while not (kin := process.family(child.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(kin) == 1
    assert process.marked("X=1") == []
    assert process.end([*kin, one], 5) == 2
    assert not one.alive
assert not Process(child.pid, "").alive
"""


def test_without_proc_ps_tells_the_same():
    # In a process of its own: the server that the tests share is watched by this very module.
    subprocess.run([sys.executable, "-c", WITHOUT_PROC], check=True, timeout=60)


def test_a_process_that_ignores_the_request_is_killed():
    script = (
        "import signal,time;signal.signal(15,signal.SIG_IGN);print(1,flush=True);time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        child.stdout.readline()
        one = Process(child.pid, process.started_at(child.pid))
        process.end_group(one, 0.2)
        assert not one.alive
        process.end_group(one, 0.2)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        one = Process(child.pid, process.started_at(child.pid))
        assert process.end([one], 0.2) == 1
        assert not one.alive
