"""What the operating system tells of processes, ports, locks and units; empty where it tells nothing."""

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PROC = Path("/proc")
LISTENS = "0A"  # the state of a listening socket in /proc/net/tcp
ANSWER_S = 3.0  # for a program of the system
CONNECT_S = 1.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens on a port: the user's number always, the process where we may look."""

    uid: int
    pid: int | None
    name: str

    def __str__(self) -> str:
        who = f"process {self.pid} ({self.name})" if self.pid is not None else "a process"
        return f"{who} of user {user_name(self.uid)}"


def user_name(uid: int) -> str:
    """Return what a user is called."""
    with contextlib.suppress(OSError):
        for line in Path("/etc/passwd").read_text(errors="replace").splitlines():
            fields = line.split(":")
            if fields[2:3] == [str(uid)]:
                return fields[0]
    return str(uid)


def uid_of(pid: int) -> int | None:
    """Return the user whom a process belongs to; its folder is root's where it closed itself."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text(errors="replace").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return None


def unit_of(pid: int) -> str:
    """Return the unit that a process is in, as its control group is called; empty for none."""
    with contextlib.suppress(OSError):
        return unit_in((PROC / str(pid) / "cgroup").read_text())
    return ""


def unit_in(groups: str) -> str:
    """Return the unit that the control groups of a process name."""
    names = (line.rpartition("/")[2] for line in groups.splitlines())
    return next((name for name in names if name.endswith(".service")), "")


def arguments() -> Iterator[tuple[int, list[str]]]:
    """Yield every process that we may look at, with its arguments."""
    for pid in _pids():
        with contextlib.suppress(OSError):
            raw = (PROC / str(pid) / "cmdline").read_bytes()
            if raw:
                yield pid, raw.rstrip(b"\0").decode(errors="replace").split("\0")


def name_of(pid: int) -> str:
    """Return the short name of a process."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    return ""


def holder(lock: Path) -> int | None:
    """Return the process that holds the lock on a file; None when nobody does, or we cannot tell."""
    try:
        inode = lock.stat().st_ino
        lines = (PROC / "locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if "FLOCK" in fields and fields[-3].rpartition(":")[2] == str(inode):
            return int(fields[-4])
    return None


def open_files(pid: int) -> tuple[int, int] | None:
    """Return how many files a process may open, and how many it may allow itself."""
    with contextlib.suppress(OSError, ValueError):
        for line in (PROC / str(pid) / "limits").read_text().splitlines():
            if line.startswith("Max open files"):
                soft, hard = line.split()[3:5]
                return int(soft), int(hard)
    return None


def listener(port: int) -> Listener | None:
    """Return who listens on a port of this machine."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    pid = _owner(fields[9])
                    return Listener(int(fields[7]), pid, name_of(pid) if pid is not None else "")
    return None


def is_served(host: str, port: int) -> bool:
    """Tell whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), CONNECT_S):
        return True
    return False


def local_port(url: str) -> int | None:
    """Return the port of an address on this very machine; None for one elsewhere."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return None
    return parts.port or (443 if parts.scheme == "https" else 80)


async def unit(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what systemd says of a unit; empty without systemd, or where there is no such unit.

    Raises ``TimeoutError`` when it says nothing in time.
    """
    asked = (
        "LoadState,ActiveState,UnitFileState,NRestarts,MainPID,FragmentPath,"
        "User,WorkingDirectory,EnvironmentFiles"
    )
    said = await said_by("systemctl", "show", name, f"--property={asked}", environ=environ)
    facts: dict[str, str] = {}
    for line in said.splitlines():
        key, _, value = line.partition("=")
        facts[key] = f"{facts[key]}\n{value}" if key in facts else value
    return facts if facts.get("LoadState") == "loaded" else {}


async def said_by(name: str, *words: str, environ: Mapping[str, str]) -> str:
    """Return what a program of the system says; empty where it is not there, or fails."""
    program = shutil.which(name, path=environ.get("PATH", os.defpath))
    if program is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        *(program, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace") if process.returncode == 0 else ""


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _owner(inode: str) -> int | None:
    """Return the process that has a socket open."""
    wanted = f"socket:[{inode}]"
    for pid in _pids():
        with contextlib.suppress(OSError):
            for entry in (PROC / str(pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(entry.readlink()) == wanted:
                        return pid
    return None
