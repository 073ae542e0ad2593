"""Scenes to look at: a service that fares well, in a folder of the test's own, and what spoils it."""

import os
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.doctor.checks import GROUPS
from bot.doctor.examine import examine
from bot.doctor.scene import Scene
from config.settings import salvage_settings
from config.version import VERSION
from tests.wecom_fixtures import AES_KEY, TOKEN

NOW = 1_800_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ADMIN_TOKEN = "an-admin-token-of-tests"


def live(**changed):
    """Return what a service that is well says of itself."""
    return {
        "version": VERSION,
        "uptime_s": 7200,
        "opencode": {"state": "ready", "restarts": 0, "pid": None},
        "platforms": {"wecom.bot": {"on": True, "callbacks": {"message": 12}, "open_bubbles": 1}},
        "watchdogs": {
            "loop": {"ok": True, "since": NOW - HOUR, "p50_ms": 1.0, "max_ms": 12.0},
            "lanes": {"ok": True, "since": NOW - HOUR, "empty": [], "woken": []},
        },
    } | changed


def scene_in(folder, *, file=None, deep=False, told=None, **environ):
    """Return the scene of a service whose data are in a folder."""
    environ = {
        "BOT_DATA_DIR": str(folder / "data"),
        "BOT_PUBLIC_URL": "https://bot.example.com",
        "BOT_ADMIN_TOKEN": ADMIN_TOKEN,
        "BOT_ADMINS": "boss",
        "BOT_MEMBERS": "zhangsan",
        "WECOM_BOT_TOKEN": TOKEN,
        "WECOM_BOT_AES_KEY": AES_KEY,
    } | environ
    environ = {name: value for name, value in environ.items() if value is not None}
    settings, problems = salvage_settings(file, environ)
    settings.server.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Scene(settings, file, environ, deep, NOW, live=told, problems=problems)


async def seen(scene, name):
    """Return what one check finds, as the doctor runs it."""
    group = next(one for one in GROUPS if one.name == name.partition(".")[0])
    alone = replace(group, checks=tuple(one for one in group.checks if one.name == name))
    return list((await examine(scene, groups=[alone])).findings)


async def seen_in(scene, group):
    """Return what a group finds, as the doctor runs it."""
    report = await examine(scene, groups=[one for one in GROUPS if one.name == group])
    return list(report.findings)


async def only(scene, name):
    """Return the one finding of a check."""
    (finding,) = await seen(scene, name)
    return finding


def at(scene, now):
    return replace(scene, now=now)


@asynccontextmanager
async def stand_in(*, status=200, text="ok\n", date=None):
    """Serve one answer to everything, with a clock of its own, in the place of a public server."""

    async def answer(request):
        headers = {"Date": date} if date else {}
        return web.Response(status=status, text=text, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def http_date(offset_s):
    """Return the time that a clock shows which is off by so much."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + offset_s))


@contextmanager
def theirs(name):
    """Have a file or a folder (with a slash) in a place that everybody may go to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, name)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.touch()
        yield path


@contextmanager
def as_nobody(closed):
    """Be somebody whom ``closed`` is not open to, as root may do everything."""
    mode, root = closed.stat().st_mode, os.geteuid() == 0
    closed.chmod(0o700 if root else 0)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        closed.chmod(mode)


def programs(folder, **says):
    """Make a PATH with programs that only speak; the real ones stand behind them."""
    folder.mkdir()
    for name, said in says.items():
        (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def unit(**facts):
    loaded = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
    return "\n".join(f"{key}={value}" for key, value in (loaded | {"NRestarts": 0} | facts).items())
