"""The process of a server: whose it is, which unit, what it takes, and the names of its environment."""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.doctor import machine

PROC = machine.PROC
CGROUPS = Path("/sys/fs/cgroup")
STAT_STARTED = 19  # behind the name; in ticks since the system came up
# Whose values are places or switches, and no secrets; of all others only the name is kept.
VISIBLE = re.compile(
    r"HOME|PATH|XDG_\w+_HOME|OPENCODE_CONFIG|OPENCODE_CONFIG_DIR|OPENCODE_MODELS_PATH"
    r"|OPENCODE_DISABLE_PROJECT_CONFIG|OPENCODE_PURE|OPENCODE_DB"
)
HIDDEN = ""  # stands for the value of a variable that is not looked at
ADDRESSES = {"0100007F": "127.0.0.1", "00000000": "0.0.0.0"}  # noqa: S104 - what is looked for
ADDRESSES |= {"0" * 32: "::", "0" * 24 + "01000000": "::1"}
MAPPED = "0" * 16 + "FFFF0000"  # an IPv4 address in an IPv6 one


@dataclass(frozen=True, slots=True)
class Seen:
    """A running server as the system shows it; ``environ`` is None where we may not look."""

    pid: int
    user: str
    unit: str
    rss: int | None
    limit: int | None
    started_ms: int | None
    environ: Mapping[str, str] | None


def look_at(pid: int) -> Seen:
    """Look at one process."""
    uid = machine.uid_of(pid)
    group = _group(pid)
    return Seen(
        pid=pid,
        user=machine.user_name(uid) if uid is not None else "",
        unit=_unit(group),
        rss=_rss(pid),
        limit=_limit(group),
        started_ms=_started_ms(pid),
        environ=environ_of(pid),
    )


def environ_of(pid: int) -> Mapping[str, str] | None:
    """Return the names of its environment, with the values of places alone; None where we may not look."""
    whole = whole_environ(pid)
    if whole is None:
        return None
    return {name: value if VISIBLE.fullmatch(name) else HIDDEN for name, value in whole.items()}


def whole_environ(pid: int) -> dict[str, str] | None:
    """Return the environment that a process was started with; for one of our own alone."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (entry.partition("=") for entry in os.fsdecode(raw).split("\0") if entry)
    return {name: value for name, _, value in pairs}


def listening(port: int, tables: Mapping[str, str] | None = None) -> set[str]:
    """Return the addresses that take connections on a port, as the system's tables show them."""
    found = set()
    for line in _lines(tables):
        fields = line.split()
        if len(fields) > 3 and fields[3] == machine.LISTENS:  # noqa: PLR2004 - its state
            address, _, number = fields[1].rpartition(":")
            if int(number, 16) == port:
                found.add(_address(address))
    return found


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches an address."""
    return address.startswith("127.") or address == "::1"


def _lines(tables: Mapping[str, str] | None) -> list[str]:
    if tables is None:
        tables = {}
        for name in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                tables[name] = (PROC / "net" / name).read_text()
    return [line for table in tables.values() for line in table.splitlines()[1:]]


def _address(raw: str) -> str:
    if raw in ADDRESSES:
        return ADDRESSES[raw]
    if raw.startswith(MAPPED):
        raw = raw.removeprefix(MAPPED)
    if len(raw) == len("0100007F"):
        return ".".join(str(byte) for byte in reversed(bytes.fromhex(raw)))
    return f"an IPv6 address ({raw})"


def _group(pid: int) -> str:
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return line.removeprefix("0::")
    return ""


def _unit(group: str) -> str:
    name = group.rpartition("/")[2]
    return name if name.endswith(".service") else ""


def _limit(group: str) -> int | None:
    """Return the lowest memory limit of a group and of those that it is in."""
    limits = []
    path = CGROUPS / group.lstrip("/")
    for folder in (path, *path.parents):
        if not folder.is_relative_to(CGROUPS):
            break
        with contextlib.suppress(OSError, ValueError):
            limits.append(int((folder / "memory.max").read_text()))
    return min(limits, default=None)


def _rss(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return None


def _started_ms(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = re.search(r"^btime (\d+)$", (PROC / "stat").read_text(), re.MULTILINE)
        if boot is not None:
            ticks = int(fields[STAT_STARTED]) / os.sysconf("SC_CLK_TCK")
            return int((int(boot[1]) + ticks) * 1000)
    return None
