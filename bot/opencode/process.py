"""Processes of the operating system: which one it is, whether it lives, and ending all of a family.

A pid alone names nobody, since pids are used again: a process is a pid and its time of start.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
BOOT = PROC / "sys/kernel/random/boot_id"
LOOK_S = 0.05
PS_LIMIT_S = 5.0
KIB = 1024
STATE, PARENT, THREADS, STARTED = 0, 1, 17, 19  # of /proc/PID/stat, counted behind the name


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``started`` tells it from any later one with the same pid."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs. One that ended and was not waited for does not."""
        return bool(self.started) and started_at(self.pid) == self.started


def spawn(argv: Sequence[str], environ: Mapping[str, str], folder: Path, output: Path) -> Process:
    """Start a process that leads a session of its own, writes to ``output`` and outlives us."""
    with output.open("ab") as sink:
        output.chmod(0o600)
        child = subprocess.Popen(  # noqa: S603  # the program is our own find, not anyone's input
            argv,
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process(child.pid, started_at(child.pid))
    # Waiting is ours (`reap`): without this the object complains when it is dropped.
    child.returncode = 0
    return process


def reap(pid: int) -> int | None:
    """Take note of the end of a child of ours, so that its pid is free again.

    Return its exit code, or the signal that ended it as a negative number; None while it runs,
    and when it was no child of ours or its end was noted before.
    """
    with contextlib.suppress(ChildProcessError):
        ended, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None
    return None


def started_at(pid: int) -> str:
    """Return when a process was started, in the system's own words; empty when it is over."""
    if not _has_proc():
        return _ps_started(pid)
    fields = _stat(pid)
    if not fields or _is_over(fields):
        return ""
    return f"{BOOT.read_text().strip()}:{fields[STARTED]}"


def marked(mark: str) -> list[Process]:
    """Return the processes that were started with ``mark`` in their environment.

    Without ``/proc`` there is no way to tell, and the list is empty.
    """
    needle = mark.encode()
    found: list[Process] = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            entries = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
            if needle in entries and pid != os.getpid():
                found.append(Process(pid, started_at(pid)))
    return [process for process in found if process.alive]


def works_in(pid: int, folder: Path) -> bool | None:
    """Tell whether a process works in ``folder``, wherever that was moved; None: cannot be told."""
    try:
        return (PROC / str(pid) / "cwd").samefile(folder)
    except OSError:
        return None


def family(root: int) -> list[Process]:
    """Return the children of a process, and theirs."""
    parents = dict(_parents())
    pids = {root}
    while grown := {pid for pid, parent in parents.items() if parent in pids} - pids:
        pids |= grown
    return [Process(pid, started_at(pid)) for pid in sorted(pids - {root})]


def resident(root: int) -> int:
    """Return how much memory a process holds with its children and theirs, in bytes."""
    pids = [root, *(process.pid for process in family(root))]
    if not _has_proc():
        listed = _ps("-o", "rss=", "-p", ",".join(map(str, pids)))
        return sum(int(line) * KIB for line in listed.split())
    return sum(_resident_pages(pid) for pid in pids) * os.sysconf("SC_PAGE_SIZE")


def end(processes: Iterable[Process], limit_s: float) -> int:
    """Ask processes to end, and kill those that have not after ``limit_s``; return how many there were."""
    living = [process for process in processes if process.alive]
    _signal(living, signal.SIGTERM)
    if not gone(living, limit_s):
        _signal(living, signal.SIGKILL)
        gone(living, limit_s)
    return len(living)


def end_group(leader: Process, limit_s: float) -> None:
    """Ask a process group to end, and kill it after ``limit_s``."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not leader.alive:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, number)
        gone([leader], limit_s)


def gone(processes: Sequence[Process], limit_s: float) -> bool:
    """Wait until the processes are over, at most ``limit_s``; tell whether they are."""
    deadline = time.monotonic() + limit_s
    while True:
        for process in processes:
            reap(process.pid)
        if not any(process.alive for process in processes):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_S)


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    for pid in [process.pid for process in processes if process.alive]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _is_over(fields: Sequence[str]) -> bool:
    """Tell whether a process has ended; while other threads than its first live it has not."""
    return fields[STATE] in "ZX" and int(fields[THREADS]) <= 1


def _has_proc() -> bool:
    return BOOT.exists()


def _stat(pid: int) -> list[str]:
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name may hold blanks and brackets


def _resident_pages(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):  # it is over
        return 0


def _pids() -> Iterator[int]:
    if _has_proc():
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _parents() -> Iterator[tuple[int, int]]:
    if not _has_proc():
        yield from _ps_parents()
        return
    yield from ((pid, int(fields[PARENT])) for pid in _pids() if (fields := _stat(pid)))


def _ps_started(pid: int) -> str:
    state, _, started = _ps("-o", "state=,lstart=", "-p", str(pid)).strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def _ps_parents() -> Iterator[tuple[int, int]]:
    for line in _ps("-A", "-o", "pid=,ppid=").splitlines():
        pid, parent = line.split()
        yield int(pid), int(parent)


def _ps(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603  # fixed arguments and a number
        ["ps", *arguments],  # noqa: S607  # a part of every Unix, and not always in /bin
        capture_output=True,
        text=True,
        check=False,
        timeout=PS_LIMIT_S,
    ).stdout
