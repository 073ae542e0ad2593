"""An archive for a bug report: what the doctor saw and what surrounds it, fit to be read by strangers."""

import asyncio
import contextlib
import importlib.metadata
import io
import os
import platform
import secrets
import sqlite3
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from bot.doctor import render
from bot.doctor.examine import Report
from bot.doctor.machine import said_by
from bot.doctor.reading import read
from bot.doctor.redact import Redactor, known_secrets
from bot.doctor.scene import Scene
from bot.doctor.secret_places import OWN
from bot.doctor.units import service_unit
from config.settings import catalogue
from config.version import VERSION
from store import looking

PRIVATE = 0o600
FOLDER = "opencode-wecom-doctor"
LOG_LINES = 500
PACKAGE = "opencode-wecom"
SAID = ("exception", "stack")  # of a log entry: may quote what somebody wrote
# Settings that name people, or a company's bot: whether they are set is enough.
NAMES = ("access.admins", "access.maintainers", "access.members")
PRIVATE_WORDS = (
    *("wecom.bot.bot_id", "wecom.bot.name", "wecom.app.corp_id", "wecom.app.agent_id"),
    "opencode.username",
)
README = """\
What `python -m bot doctor --bundle` wrote, for a bug report.

report.txt, report.json  what the doctor saw
in-force.json            where OpenCode's configuration comes from: names of keys, no values
versions.json            of the service, OpenCode, Python, SQLite, the system and the packages
settings.json            each setting; of secrets and names only whether they are set
environment.json         names of variables, no values
health.json              what the running service says of itself
database.json            the schema, and how many rows there are
log.jsonl                the last entries of the service's own log; empty without a journal

People, chats and groups stand as `id-…`: the same word for the same one within this archive.
No message, no answer, no secret and no name of a person is in it. Read it before you send it.
"""


async def write(file: Path, scene: Scene, report: Report, in_force: Mapping[str, object]) -> None:
    """Write the archive, for its owner alone; one that is there is not written over (OSError)."""
    people = await read(scene, looking.people) or set()
    access = scene.settings.access
    named = {*people, *access.admins, *access.maintainers, *access.members} - {"*"}
    home = scene.environ.get("HOME", "").rstrip("/")  # mostly called by a person's name
    places = {home: "~"} if home else {}
    salt = secrets.token_bytes(16)
    redactor = Redactor(known_secrets(scene), places=places, people=named, salt=salt)
    members: dict[str, bytes] = {
        "README.txt": README.encode(),
        "report.txt": redactor.text(render.for_terminal(report)).encode(),
        "report.json": _json(redactor, render.as_json(report)),
        "in-force.json": _json(redactor, in_force),
        "versions.json": _json(redactor, _versions(scene)),
        "settings.json": _json(redactor, _settings(scene, redactor)),
        "environment.json": _json(redactor, _environment(scene)),
        "health.json": _json(redactor, scene.live or {"silence": scene.silence}),
        "database.json": _json(redactor, await read(scene, _database) or {}),
        "log.jsonl": b"\n".join(_json_line(redactor, one) for one in await _log(scene)),
    }
    await asyncio.to_thread(_pack, file, members, scene.now // 1000)


def _pack(file: Path, members: Mapping[str, bytes], at: int) -> None:
    """Write the archive, whole or not at all."""
    with open(file, "xb", opener=_private) as target:
        try:
            with tarfile.open(fileobj=target, mode="w:gz") as tar:
                for name, content in members.items():
                    member = tarfile.TarInfo(f"{FOLDER}/{name}")
                    member.size, member.mtime, member.mode = len(content), at, PRIVATE
                    tar.addfile(member, io.BytesIO(content))
            target.flush()
        except BaseException:
            file.unlink(missing_ok=True)
            raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)


def _json(redactor: Redactor, value: object) -> bytes:
    return orjson.dumps(redactor.value(value), default=str, option=orjson.OPT_INDENT_2)


def _json_line(redactor: Redactor, value: object) -> bytes:
    return orjson.dumps(redactor.value(value), default=str)


def _versions(scene: Scene) -> dict[str, object]:
    return {
        "opencode-wecom": VERSION,
        "opencode": scene.told("opencode", "version"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(_packages())),
    }


def _packages() -> Iterable[tuple[str, str]]:
    found = ((one.metadata["Name"], one.version) for one in importlib.metadata.distributions())
    return ((name, version) for name, version in found if name not in {None, PACKAGE})


def _settings(scene: Scene, redactor: Redactor) -> dict[str, object]:
    """Return each setting by its key; of what is nobody's business whether it is set."""
    values = scene.settings.model_dump(mode="json")
    shown: dict[str, object] = {"projects": {"count": len(scene.settings.projects)}}
    for entry in catalogue():
        if entry.key.startswith("projects."):
            continue
        value: object = values
        for step in entry.key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if entry.key in NAMES:
            shown[entry.key] = [_name(one, redactor) for one in _list(value)]
        elif entry.secret or entry.key in PRIVATE_WORDS:
            shown[entry.key] = "set" if value else "not set"
        else:
            shown[entry.key] = value
    shown["problems"] = [f"{one.key or one.env}: {one.problem}" for one in scene.problems]
    return shown


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _name(one: object, redactor: Redactor) -> str:
    return "*" if one == "*" else redactor.stand_in(str(one))


def _environment(scene: Scene) -> dict[str, list[str]]:
    return {"names": sorted(name for name in scene.environ if name.startswith(OWN))}


def _database(connection: sqlite3.Connection) -> dict[str, object]:
    reached, _ = looking.schema(connection)
    return {
        "schema": reached,
        "schema_of_this_version": looking.newest_schema(),
        "rows": looking.counts(connection),
        "turns": looking.turn_states(connection),
        "deliveries": {state: one.count for state, one in looking.deliveries(connection).items()},
        "tables": looking.tables(connection),
    }


async def _log(scene: Scene) -> list[dict[str, object]]:
    """Return the last entries of our own log that the journal has: those that are JSON, no more."""
    said = ""
    with contextlib.suppress(TimeoutError):
        name, _ = await service_unit(scene)
        words = ("--unit", name, "--lines", str(LOG_LINES), "--output", "cat", "--no-pager")
        said = await said_by("journalctl", *words, environ=scene.environ)
    return [entry for line in said.splitlines() if (entry := _entry(line)) is not None]


def _entry(line: str) -> dict[str, object] | None:
    with contextlib.suppress(ValueError):
        entry = orjson.loads(line)
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            return {name: _told(name, value) for name, value in entry.items()}
    return None


def _told(name: str, value: object) -> object:
    """Return what an entry says; of an exception where it was and its kind, not its words."""
    if name not in SAID:
        return value
    lines = str(value).splitlines()
    where = [line.strip() for line in lines if line.startswith("  File ")]
    return [*where, lines[-1].partition(":")[0] if lines else ""]
