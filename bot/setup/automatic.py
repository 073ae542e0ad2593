"""The setup for automation: every answer by the environment or a flag, and not one question."""

import argparse
import asyncio
import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bot.doctor.callback import APP_PATH, PATH
from bot.errors import StartError
from bot.setup.draft import Draft, known_key, typed
from bot.setup.files import check_writable
from bot.setup.finish import consult, install_units, remember, say_written
from bot.setup.listening import Heard, PortTaken, opened_door, wait_verified
from bot.setup.live import find_live
from bot.setup.programs import Programs, find, install_pinned
from bot.setup.seen import PROVED, Seen
from bot.setup.steps.address import doubts_about
from bot.setup.steps.opencode import set_own_unit
from bot.setup.terminal import Terminal
from bot.setup.wizard import (
    APP_KEYS,
    CALLBACK_KEYS,
    CONNECTION_KEYS,
    SYSTEM_DATA,
    SYSTEM_FILE,
)
from config.keys import Entry
from config.problems import Problem, SettingsError
from config.quantities import write_seconds
from config.settings import Settings
from config.sources import DEFAULT_FILE, OPENCODE_FILE

FINE, FAILED, MISUSED = 0, 1, 2
PUBLIC_URL = "server.public_url"
_Given = TypeVar("_Given")
PEOPLE = ("access.admins", "access.maintainers", "access.members")


def run(
    options: argparse.Namespace, file: Path | None, environ: Mapping[str, str], terminal: Terminal
) -> int:
    """Set the service up from what is given; every problem is named at once."""
    place = (file or (SYSTEM_FILE if options.units else DEFAULT_FILE)).absolute()
    check_writable(place)
    try:
        draft = _answered(options, place, environ)
        settings = draft.settings()
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return MISUSED
    _say_doubts(terminal, settings)
    programs = _programs(options, settings, environ, terminal)
    if options.dry_run:
        terminal.say(draft.shown())
        terminal.say("This was a dry run: nothing was written.")
        return FINE
    say_written(terminal, draft, datetime.now().astimezone())
    if options.wait and not asyncio.run(_waited(terminal, settings, options.wait)):
        return FAILED
    in_force = not options.units or install_units(terminal, draft, settings, programs)
    if not in_force:
        terminal.say("The units are not in force yet: see above.")
    if not options.no_doctor:
        consult(terminal, settings, place, environ)
    remember(terminal, place, units=options.units)
    return FINE if in_force else FAILED


def take(draft: Draft, assignments: Iterable[str]) -> None:
    """Lay ``KEY=VALUE`` over a draft; raises ``SettingsError`` with every mistake."""
    problems: list[Problem] = []
    for assignment in assignments:
        key, sign, raw = assignment.partition("=")
        entry = known_key(key)
        if entry is None or not sign:
            problems.append(_unknown(key))
        elif entry.secret:
            problems.append(_secret(entry))
        else:
            try:
                draft.put(key, typed(key, raw))
            except SettingsError as exc:
                problems += exc.problems
    if problems:
        raise SettingsError(problems)


def _answered(options: argparse.Namespace, place: Path, environ: Mapping[str, str]) -> Draft:
    """Return the draft with everything that is given; raises ``SettingsError`` with all that is not."""
    draft = Draft.open(place)
    problems = [
        *_problems_of(draft.take, environ),
        *_problems_of(functools.partial(take, draft), options.set),
    ]
    if options.units and not draft.get("server.data_dir"):
        draft.put("server.data_dir", str(SYSTEM_DATA))
    draft.with_opencode_file = options.own_opencode or place.with_name(OPENCODE_FILE).exists()
    if options.own_opencode:
        set_own_unit(draft)
    wrong = {problem.key for problem in problems}
    problems += [one for one in _missing(draft) if one.key not in wrong]
    if problems:
        raise SettingsError(problems)
    return draft


def _problems_of(lay: Callable[[_Given], None], given: _Given) -> tuple[Problem, ...]:
    try:
        lay(given)
    except SettingsError as exc:
        return exc.problems
    return ()


def _missing(draft: Draft) -> list[Problem]:
    absent = [key for key in _needed(draft) if not draft.get(key)]
    if not any(draft.get(key) for key in PEOPLE):
        absent.append(PEOPLE[0])
    return [_lacking(entry) for key in absent if (entry := known_key(key)) is not None]


def _needed(draft: Draft) -> list[str]:
    """Return what must be given: of each channel that is begun all of it; of none, the callback's."""
    app = APP_KEYS if draft.get("wecom.app.secret") or draft.get("wecom.app.corp_id") else ()
    if draft.get("wecom.bot.secret"):
        return [*CONNECTION_KEYS, *app, *([PUBLIC_URL] if app else [])]
    callback = any(draft.get(key) for key in CALLBACK_KEYS)
    return [*(CALLBACK_KEYS if callback or not app else ()), *app, PUBLIC_URL]


def _say_doubts(terminal: Terminal, settings: Settings) -> None:
    wecom, url = settings.wecom, settings.server.public_url
    called = {"the bot": (wecom.bot.on, PATH), "the application": (wecom.app.on, APP_PATH)}
    addresses = {what: f"{url}{path}" for what, (on, path) in called.items() if on}
    doubts = doubts_about(url, called=bool(addresses)) if url is not None else []
    for doubt in [*doubts, *settings.warnings()]:
        terminal.say(f"Note: {doubt}.")
    for what, address in addresses.items():
        terminal.say(f"The callback URL of {what}, to enter in WeCom's page: {address}")


def _programs(
    options: argparse.Namespace,
    settings: Settings,
    environ: Mapping[str, str],
    terminal: Terminal,
) -> Programs:
    programs = find(environ, settings.server.data_dir)
    if options.install_opencode and not programs.proved and not options.dry_run:
        try:
            install_pinned(terminal.say)
        except StartError as exc:
            terminal.say(f"That did not work: {exc}")
        programs = find(environ, settings.server.data_dir)
    terminal.say(f"Found: {programs.words}")
    return programs


async def _waited(terminal: Terminal, settings: Settings, limit_s: float) -> bool:
    """Wait until each channel has shown that it works; tell whether that is so."""
    terminal.say(f"Waiting for WeCom for {write_seconds(limit_s)} …")
    heard = Heard()
    live = await find_live(settings)
    try:
        if live is not None:
            await wait_verified(live, live.before, heard, terminal.say, limit_s)
        else:
            async with opened_door(settings, heard) as door:
                await wait_verified(door, Seen(), heard, terminal.say, limit_s)
    except PortTaken as exc:
        terminal.say(f"Nobody can wait for it: {exc}.")
    except TimeoutError:
        terminal.say("Nothing has come in time.")
    for name in sorted(heard.proved):
        terminal.say(PROVED[name])
    return heard.verified


def _lacking(entry: Entry) -> Problem:
    how = f"set {entry.env}" + (f" or {entry.env}_FILE" if entry.secret else "")
    mend = how if entry.secret else f"{how}, or give --set {entry.key}=…"
    return Problem(entry.key, entry.env, "is missing", entry.shape, mend)


def _secret(entry: Entry) -> Problem:
    mend = f"set {entry.env} or {entry.env}_FILE"
    problem = "is a secret: others can read the arguments of a command"
    return Problem(entry.key, entry.env, problem, entry.shape, mend)


def _unknown(key: str) -> Problem:
    mend = "see docs/reference/settings.md"
    return Problem(key, "", "is no setting of this service", "--set KEY=VALUE", mend)
