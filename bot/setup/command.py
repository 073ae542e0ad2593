"""``python -m bot setup``: the wizard, or the same without a question."""

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from bot.setup import automatic
from bot.setup.draft import Draft, known_key
from bot.setup.files import check_writable
from bot.setup.finish import finish, put_in_place
from bot.setup.steps import STEPS
from bot.setup.steps.opencode import is_own_unit
from bot.setup.terminal import Terminal
from bot.setup.units import RUNNING
from bot.setup.wizard import SYSTEM_DATA, SYSTEM_FILE, Wizard, is_root
from config.logs import set_up
from config.problems import SettingsError
from config.sources import DEFAULT_FILE, find_config

FINE, FAILED, MISUSED = 0, 1, 2
WAIT_S = 600.0
WRITE, SHOW, QUIT = "write", "show", "quit"
HERE, SYSTEM = "here", "system"
PLACES = {
    SYSTEM: f"By systemd on this machine ({SYSTEM_FILE.parent})",
    HERE: f"By hand from this folder ({DEFAULT_FILE})",
}


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Set the service up; return the exit code."""
    set_up(json=False, level="critical")  # what the service would log while the wizard listens
    terminal = Terminal()
    file = options.config or find_config(environ)
    if options.non_interactive:
        return automatic.run(options, file, environ, terminal)
    if not sys.stdin.isatty():
        sys.stderr.write(
            "opencode-wecom: the wizard needs a terminal; else use --non-interactive.\n"
        )
        return MISUSED
    try:
        return _ask_all(terminal, options, file, environ)
    except KeyboardInterrupt:
        terminal.say("\nStopped: nothing more was changed. Run it again when you like.")
        return FAILED


def _ask_all(
    terminal: Terminal, options: argparse.Namespace, file: Path | None, environ: Mapping[str, str]
) -> int:
    terminal.say("This sets up opencode-wecom. Nothing is written before you have seen it all.")
    terminal.say("Ctrl-C ends it at any question.")
    units = options.units or _is_for_systemd(terminal, file)
    place = (file or (SYSTEM_FILE if units else DEFAULT_FILE)).absolute()
    check_writable(place)
    draft = _opened(terminal, place)
    if draft is None:
        return FAILED
    wizard = Wizard(terminal, draft, environ, options.wait or WAIT_S, units=units)
    wizard.own_unit = is_own_unit(wizard)
    wizard.credentials_before = wizard.credentials
    wizard.take_defaults()
    wizard.app = bool(draft.get("wecom.app.secret"))
    try:
        automatic.take(draft, options.set)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return MISUSED
    if units and not draft.get("server.data_dir"):
        draft.put("server.data_dir", str(SYSTEM_DATA))
    for step in STEPS:
        terminal.title(step.title)
        step.do(wizard)
    if not _reviewed(wizard):
        terminal.say("Nothing was written.")
        return FAILED
    if options.dry_run:
        terminal.say("This was a dry run: nothing was written.")
        return FINE
    put_in_place(wizard, datetime.now().astimezone())
    return finish(wizard, doctor=not options.no_doctor)


def _is_for_systemd(terminal: Terminal, file: Path | None) -> bool:
    """Ask how the service will run, unless a settings file is there or was named."""
    if file is not None:
        return file.absolute() == SYSTEM_FILE
    likely = SYSTEM if is_root() and RUNNING.is_dir() else HERE
    place = terminal.choose("How shall the service run?", PLACES, default=likely)
    if place == SYSTEM and not is_root():
        terminal.say(f"{SYSTEM_FILE} is root's: run this again with sudo, or choose the other.")
        return _is_for_systemd(terminal, file)
    return place == SYSTEM


def _opened(terminal: Terminal, file: Path) -> Draft | None:
    """Begin with what is there; what is wrong in it is said, and asked anew."""
    try:
        draft = Draft.open(file)
    except SettingsError as exc:
        terminal.say(f"What is configured cannot be read:\n{exc}")
        if not terminal.confirm("Begin afresh? The file is kept as a backup.", default=False):
            return None
        return Draft.afresh(file)
    if file.exists():
        terminal.say(f"{file} is there: what it says is proposed, and what you add by hand stays.")
    try:
        draft.settings()
    except SettingsError as exc:
        terminal.say(f"{exc}\nWhat is wrong is left out, and asked where it belongs.")
        for problem in exc.problems:
            _drop(draft, problem.key)
    return draft


def _drop(draft: Draft, key: str) -> None:
    """Take out the setting in which a mistake is: itself, the list that it is in, or the first of several."""
    key = key.partition(", ")[0]
    steps = key.split(".")
    names = [".".join(steps[:length]) for length in range(len(steps), 0, -1)]
    draft.drop(next((name for name in names if known_key(name)), key))


def _reviewed(wizard: Wizard) -> bool:
    """Show what will be written until it is right; False when nothing shall be."""
    terminal = wizard.terminal
    again = {step.name: f"Again: {step.title}" for step in STEPS}
    while True:
        terminal.title("Review")
        terminal.say(wizard.draft.shown())
        try:
            settings = wizard.draft.settings()
        except SettingsError as exc:
            terminal.say(str(exc))
            options = {**again, QUIT: "Write nothing"}
        else:
            for warning in settings.warnings():
                terminal.say(f"Note: {warning}.")
            if wizard.credentials != wizard.credentials_before and not wizard.verified:
                terminal.say("Note: WeCom has not been seen to take these credentials.")
            options = {WRITE: "Write it", **again, QUIT: "Write nothing"}
        chosen = terminal.choose("Is this right?", options)
        if chosen in {WRITE, QUIT}:
            return chosen == WRITE
        next(step for step in STEPS if step.name == chosen).do(wizard)
