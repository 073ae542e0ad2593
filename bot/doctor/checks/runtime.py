"""Runtime: whether the service runs, how it fares, and what the machine gives it."""

import asyncio
import contextlib
import os
import platform
import resource
import shlex
import shutil
import sqlite3
import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from bot.doctor.findings import Check, Finding, check
from bot.doctor.machine import holder, is_served, listener, open_files
from bot.doctor.reading import age
from bot.doctor.scene import Scene
from bot.doctor.units import RESTART, START, service_unit
from bot.opencode.environment import Folders
from bot.opencode.hold import read_hold, told
from bot.texts import doctor as titles
from config.version import VERSION

JOURNAL = "journalctl -u opencode-wecom -n 50"
RESTARTS_AN_HOUR = 3
FEWEST_FILES = 1024
LAG_MS = 1000.0
SLOW = "run doctor again when the machine rests; if it stays so, see what loads it, then the log"
HOUR_S = 3600
OWN_WATCHDOGS = ("loop", "opencode")  # told by `runtime.loop` and by OpenCode's own checks


@check("runtime.service", titles.RUNTIME_SERVICE)
async def service(scene: Scene) -> Iterable[Finding]:
    """See whether the service runs, and whether it is this version of it."""
    if scene.live is not None:
        version, uptime = scene.told("version"), _number(scene.told("uptime_s"))
        said = f"version {version}, up for {age(int(uptime * 1000))}, at {scene.url}"
        if version != VERSION:
            return [service.warning(f"{said}; what is installed here is {VERSION}", RESTART)]
        return [service.fine(said)]
    pid = holder(scene.lock)
    if pid is not None and scene.slow:
        said = f"process {pid} runs and is slow: {scene.silence}"
        return [service.warning(said, SLOW)]
    if pid is not None:
        said = f"process {pid} works on the database, and {scene.silence}"
        mend = f"run doctor with the settings of that process; if they are the same: {RESTART}"
        return [service.error(said, mend)]
    return [service.error(f"it does not run: {scene.silence}", START)]


@check("runtime.port", titles.RUNTIME_PORT)
async def port(scene: Scene) -> Iterable[Finding]:
    """See whether somebody else has the port that the service wants."""
    wanted = scene.settings.server.port
    if scene.live is not None or not wanted:
        return []
    host = scene.url.rpartition("//")[2].rpartition(":")[0].strip("[]")
    if not await asyncio.to_thread(is_served, host, wanted):
        return [port.fine(f"{scene.settings.server.host}:{wanted} is free")]
    who = await asyncio.to_thread(listener, wanted)
    lock = holder(scene.lock)
    if lock is not None and who is not None and who.pid in {None, lock}:
        return []  # the service itself, which does not know our token: `runtime.service` says so
    said = f"{scene.settings.server.host}:{wanted} is taken by {who or 'somebody'}"
    return [port.error(said, "end that, or set another server.port (BOT_PORT)")]


@check("runtime.unit", titles.RUNTIME_UNIT)
async def unit_state(scene: Scene) -> Iterable[Finding]:
    """See whether systemd starts the service with the machine."""
    name, facts = await service_unit(scene)
    if not facts:
        return [unit_state.fine(f"there is no {name} here: something else starts the service")]
    state = facts.get("UnitFileState") or "unknown"
    said = f"{name} is {state}, {facts.get('ActiveState') or 'unknown'}"
    if facts.get("ActiveState") == "failed":
        return [unit_state.error(said, JOURNAL)]
    if facts.get("UnitFileState") not in {"enabled", "static", "enabled-runtime", "linked"}:
        mend = f"systemctl enable {name}"
        return [unit_state.warning(f"{said}: it does not start with the machine", mend)]
    return [unit_state.fine(said)]


@check("runtime.restarts", titles.RUNTIME_RESTARTS)
async def restarts(scene: Scene) -> Iterable[Finding]:
    """Look for a restart loop, of the service and of its OpenCode."""
    uptime_s = _number(scene.told("uptime_s"))
    _, facts = await service_unit(scene)
    of_unit = _number(facts.get("NRestarts", "0"))
    of_opencode = _number(scene.told("opencode", "restarts"))
    said = f"the unit {of_unit:.0f} times, OpenCode {of_opencode:.0f} times since the start"
    if of_unit >= RESTARTS_AN_HOUR and uptime_s < HOUR_S:
        return [
            restarts.error(f"{said}; the service is up for {age(int(uptime_s * 1000))}", JOURNAL)
        ]
    if of_opencode >= RESTARTS_AN_HOUR * max(1.0, uptime_s / HOUR_S):
        log = Folders.under(scene.data_dir).log
        return [
            restarts.error(
                f"{said}: it does not stay up", shlex.join(["tail", "-n", "50", str(log)])
            )
        ]
    return [restarts.fine(said)]


@check("runtime.loop", titles.RUNTIME_LOOP)
async def loop(scene: Scene) -> Iterable[Finding]:
    """See how late the event loop was within the last minute."""
    if scene.live is None:
        return []
    p50, longest = (_number(scene.told("watchdogs", "loop", one)) for one in ("p50_ms", "max_ms"))
    said = f"late by {p50:.0f} ms in the median, {longest:.0f} ms at most, within a minute"
    if longest >= LAG_MS:
        return [loop.warning(said, "give the machine less to do, or more cores")]
    return [loop.fine(said)]


@check("runtime.watchdogs", titles.RUNTIME_WATCHDOGS)
async def watchdogs(scene: Scene) -> Iterable[Finding]:
    """Pass on what the service's own watchdogs see."""
    seen = scene.told("watchdogs")
    if not isinstance(seen, Mapping):
        return []
    found = []
    for name, facts in seen.items():
        if isinstance(facts, Mapping) and name not in OWN_WATCHDOGS and not facts.get("ok", True):
            since = age(scene.now - int(_number(facts.get("since"))))
            said = f"{name} for {since}: {_counted(facts)}"
            found.append(watchdogs.warning(said, "docs/howto/operate.md says what each asks for"))
    return found or [watchdogs.fine("none sees a trouble")]


def _counted(facts: Mapping[str, object]) -> str:
    """Return what a watchdog saw, without the names of chats in it."""
    shown = {
        key: len(value) if isinstance(value, list) else value
        for key, value in facts.items()
        if key not in {"ok", "since"} and not isinstance(value, str)
    }
    return ", ".join(f"{key} {value}" for key, value in shown.items())


@check("runtime.hold", titles.RUNTIME_HOLD)
async def hold(scene: Scene) -> Iterable[Finding]:
    """Look for a hold that an upgrade has left behind."""
    found = read_hold(Folders.under(scene.data_dir).hold)
    if found is None:
        return [hold.fine("nothing is held back")]
    mend = "python -m bot opencode upgrade, which goes on, or python -m bot opencode rollback"
    said = told(found, scene.now)
    return [hold.warning(said, "wait for it") if found.owned else hold.error(said, mend)]


@check("runtime.files", titles.RUNTIME_FILES)
async def files(scene: Scene) -> Iterable[Finding]:
    """See how many files and connections the service may have open."""
    pid = holder(scene.lock)
    whose = "a process started here" if pid is None else f"the service (process {pid})"
    of_service = None if pid is None else open_files(pid)
    soft, hard = of_service or resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{whose} may have {soft} open, {hard} if it asks"
    if soft < FEWEST_FILES:
        mend = f"LimitNOFILE=65536 in the unit, or ulimit -n {FEWEST_FILES} before the start"
        return [files.warning(said, mend)]
    return [files.fine(said)]


@check("runtime.programs", titles.RUNTIME_PROGRAMS)
async def programs(scene: Scene) -> Iterable[Finding]:
    """Look for git, with which workspaces are made; OpenCode's own checks look for the rest."""
    git = shutil.which("git", path=scene.environ.get("PATH", os.defpath))
    if git is None:
        said = "git is not on the PATH: no workspace can be made, the service does not start"
        return [programs.error(said, "apt install git")]
    return [programs.fine(f"git is {git}")]


@check("runtime.python", titles.RUNTIME_PYTHON)
async def python(scene: Scene) -> Iterable[Finding]:
    """Say which Python and SQLite there are."""
    here = platform.python_version()
    said = f"Python {here}, SQLite {sqlite3.sqlite_version}"
    runs = scene.told("python")
    if runs not in (None, here):
        return [python.warning(f"{said}; the service runs with Python {runs}", RESTART)]
    return [python.fine(said)]


@check("runtime.zone", titles.RUNTIME_ZONE)
async def zone(scene: Scene) -> Iterable[Finding]:
    """Say in which time zone times are told, and whether the system knows it."""
    named = scene.environ.get("TZ", "").lstrip(":")
    if named and not named.startswith("/"):
        try:
            zoneinfo.ZoneInfo(named)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            said = f"TZ is {named!r}, which this system does not know: UTC is used"
            return [zone.warning(said, "set TZ to a name of timedatectl list-timezones")]
    local = datetime.fromtimestamp(scene.now / 1000, UTC).astimezone()
    return [zone.fine(f"{named or local.tzname()} (UTC{local:%z})")]


def _number(value: object) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return float(str(value))
    return 0.0


CHECKS: tuple[Check, ...] = (
    *(service, port, unit_state, restarts),
    *(loop, watchdogs, hold),
    *(files, programs, python, zone),
)
