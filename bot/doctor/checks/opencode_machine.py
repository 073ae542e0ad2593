"""OpenCode as the machine shows it: process, unit, environment, data folder, log, programs."""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bot.doctor import machine
from bot.doctor.findings import Check, Finding, check
from bot.doctor.inforce.process import Seen, is_loopback, listening
from bot.doctor.inforce.world import UNSEEN, World, world_of
from bot.doctor.reading import DAY_MS, HOUR_MS, few, read, size
from bot.doctor.scene import Scene
from bot.errors import StartError
from bot.opencode.binaries import RUNTIME, look
from bot.texts import doctor_opencode as titles
from store.looking import answered

RSS_MUCH = 3_000_000_000
NEARLY = 0.85  # of a memory limit
LOG_MUCH = 500_000_000
ERRORS_MUCH = 20  # within an hour
KINDS = 5
NAMES = 12
DATABASE = ("opencode.db", "opencode.db-wal", "opencode.db-shm")
FOLDERS = ("log", "snapshot", "tool-output", "storage")
ENTRIES = 200_000  # files that are counted at most
REFUSED = {
    "auth": "the provider refused the key",
    "quota": "the provider says that nothing is left to spend",
    "model": "OpenCode or the provider does not know the model",
}
MENDS = {
    "auth": "opencode auth login ({provider}), or correct its key where its configuration has it",
    "quota": "look at the account with {provider}",
    "model": "/model default in that chat, or correct the model in the configuration",
}
ENVIRONMENT_FILE = re.compile(r"(/\S+) \(ignore_errors")  # as `systemctl show` writes it
VARIABLE = re.compile(r"^(?:export )?([A-Za-z_]\w*)=", re.MULTILINE)
SETS_IT = ("User", "MemoryMax", "Restart", "FragmentPath")


def bound_findings(
    bound: Check, port: int, tables: Mapping[str, str] | None = None
) -> list[Finding]:
    """Judge the addresses on which a port is open."""
    addresses = listening(port, tables)
    wide = sorted(address for address in addresses if not is_loopback(address))
    if wide:
        said = f"port {port} is open on {', '.join(wide)}: others than this machine reach it"
        mend = "start it with --hostname 127.0.0.1 (ExecStart of its unit), then restart it"
        return [bound.error(said, mend)]
    if not addresses:
        return [bound.fine(f"nobody listens on port {port} now, or it {UNSEEN}")]
    return [bound.fine(f"port {port} is open on {', '.join(sorted(addresses))} alone")]


@check("opencode.process", titles.PROCESS)
async def process(scene: Scene) -> Iterable[Finding]:
    """Say who runs it and what it takes, against its limit."""
    world = await asyncio.to_thread(world_of, scene)
    seen = world.seen
    if seen is None:
        said = "it does not run" if world.managed else f"its process {UNSEEN}"
        return [process.fine(said)]
    said = f"process {seen.pid} of user {seen.user}{_memory(seen)}"
    mend = "restart OpenCode when it rests; MemoryMax= of its unit sets a limit"
    if seen.rss is not None and _is_much(seen.rss, seen.limit):
        return [process.warning(said, mend)]
    return [process.fine(said)]


def _memory(seen: Seen) -> str:
    if seen.rss is None:
        return ""
    limit = f"of {size(seen.limit)} that it may" if seen.limit is not None else "and no limit"
    return f", {size(seen.rss)} of memory {limit}"


def _is_much(rss: int, limit: int | None) -> bool:
    return rss > (RSS_MUCH if limit is None else NEARLY * limit)


@check("opencode.unit", titles.UNIT)
async def unit(scene: Scene) -> Iterable[Finding]:
    """Say which unit it is, and which variables it has: names, never values."""
    world = await asyncio.to_thread(world_of, scene)
    if world.seen is None:
        return []
    where = "no unit of its own"
    if world.seen.unit:
        where = await said_of_unit(world.seen.unit, scene.environ)
    environ = world.seen.environ
    if environ is None:
        return [unit.fine(f"{where}; the names of its environment: {UNSEEN}")]
    names = sorted(name for name in environ if not name.startswith(("LC_", "LANG")))
    return [unit.fine(f"{where}; its environment has {few(names, NAMES)}")]


async def said_of_unit(name: str, environ: Mapping[str, str]) -> str:
    """Say what systemd knows of a unit, and which variables its environment files set."""
    facts = await machine.unit(name, environ)
    said = f"unit {name}" + "".join(f", {key} {facts[key]}" for key in SETS_IT if facts.get(key))
    files = [Path(found) for found in ENVIRONMENT_FILE.findall(facts.get("EnvironmentFiles", ""))]
    return said + "".join(f"; {file} sets {_names_in(file)}" for file in files)


def _names_in(file: Path) -> str:
    """Return the names in an environment file, never the values."""
    try:
        found = VARIABLE.findall(file.read_text(errors="replace"))
    except OSError as exc:
        return f"what {UNSEEN} ({exc.strerror})"
    return ", ".join(sorted(set(found))) or "nothing"


@check("opencode.data", titles.DATA, limit_s=30.0)
async def data(scene: Scene) -> Iterable[Finding]:
    """Say where it keeps everything and how large that is."""
    world = await asyncio.to_thread(world_of, scene)
    if world.data is None:
        return [data.fine(f"its data folder {UNSEEN}")]
    return [data.fine(await asyncio.to_thread(_sizes, world.data))]


def _sizes(folder: Path) -> str:
    if not folder.exists():
        return f"{folder} is not there yet"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"{folder} {UNSEEN}"
    found = [(name, _bytes(folder / name)) for name in DATABASE if (folder / name).is_file()]
    found += [(f"{name}/", _tree(folder / name)) for name in FOLDERS if (folder / name).is_dir()]
    held = ", ".join(f"{name} {size(many)}" for name, many in found) or "empty"
    return f"{folder}: {held}; {size(shutil.disk_usage(folder).free)} free on its disk"


def _bytes(file: Path) -> int:
    with contextlib.suppress(OSError):
        return file.stat().st_size
    return 0


def _tree(folder: Path) -> int:
    total = count = 0
    for place, _, names in os.walk(folder):
        total += sum(_bytes(Path(place, name)) for name in names)
        count += len(names)
        if count > ENTRIES:
            break
    return total


@check("opencode.log", titles.LOG, limit_s=20.0)
async def log(scene: Scene) -> Iterable[Finding]:
    """Count the errors of its log by kind, with times; their words stay in the log."""
    world: World = await asyncio.to_thread(world_of, scene)
    if world.log is None:
        said = "there is no log yet" if world.managed else f"its log {UNSEEN}"
        return [log.fine(said)]
    file, lately = world.log.file, world.log.since(scene.now - HOUR_MS)
    day = world.log.since(scene.now - DAY_MS)
    if len(lately) >= ERRORS_MUCH:
        kinds = Counter(str(one) for one in lately).most_common(KINDS)
        named = ", ".join(f"{kind} ×{many}" for kind, many in kinds)
        said = f"{len(lately)} errors within an hour, the last at {_at(lately[-1].at)}: {named}"
        return [log.warning(said, shlex.join(["less", "+G", str(file)]))]
    if world.log.bytes > LOG_MUCH:
        said = f"{file} has {size(world.log.bytes)}"
        return [log.warning(said, shlex.join(["truncate", "--size=0", str(file)]))]
    last = f"; the last at {_at(day[-1].at)}: {day[-1]}" if day else ""
    return [log.fine(f"{file}, {size(world.log.bytes)}: {len(day)} errors within a day{last}")]


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@check("opencode.answers", titles.ANSWERS)
async def answers(scene: Scene) -> Iterable[Finding]:
    """See how the last turn of each provider ended: only a turn shows whether a key is accepted."""
    rows = await read(scene, lambda database: answered(database, scene.now - DAY_MS)) or []
    last = {model.partition("/")[0]: (n, model, _reason(facts), at) for n, model, facts, at in rows}
    found = []
    for provider, (n, model, reason, at) in last.items():
        if reason in MENDS:
            said = f"turn {n} with {model} at {_at(at)}: {REFUSED[reason]}"
            found.append(answers.error(said, MENDS[reason].format(provider=provider)))
    failed = sum(bool(_reason(facts)) for _, _, facts, _ in rows)
    return found or [
        answers.fine(f"{len(rows)} turns within a day, {failed} of them with an error")
    ]


def _reason(facts: str) -> str:
    value = orjson.loads(facts)
    return str(value.get("reason", "")) if isinstance(value, dict) else ""


@check("opencode.ripgrep", titles.RIPGREP)
async def ripgrep(scene: Scene) -> Iterable[Finding]:
    """See that it finds `rg`: without it each search first tries to download one."""
    return [await asyncio.to_thread(_ripgrep, scene)]


def _ripgrep(scene: Scene, runtime: Path = RUNTIME) -> Finding:
    mend = "apt-get install ripgrep, then restart OpenCode: it remembers that there was none"
    world = world_of(scene)
    if world.seen is not None and world.seen.environ is not None:
        path, whose = world.seen.environ.get("PATH", ""), f"of process {world.seen.pid}"
        found = shutil.which("rg", path=path)
    elif world.managed:
        try:
            program = look(scene.environ, runtime).ripgrep
        except StartError as exc:
            return ripgrep.error(str(exc), "install what it names")
        found, whose = str(program or ""), "that a managed server would get"
    else:
        return ripgrep.fine(f"whether it finds rg {UNSEEN}")
    if not found:
        return ripgrep.error(f"there is no rg on the PATH {whose}: searches in files fail", mend)
    return ripgrep.fine(f"{found}, by the PATH {whose}")


CHECKS: tuple[Check, ...] = (process, unit, data, log, answers, ripgrep)
