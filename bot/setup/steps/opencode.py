"""Which OpenCode: the service's own, one with a unit and a user of its own, or one that runs."""

import secrets
from pathlib import Path

from bot.errors import StartError
from bot.opencode.probe import NEWEST
from bot.setup.draft import Draft
from bot.setup.programs import find, install_pinned
from bot.setup.wizard import Wizard
from config.sources import OPENCODE_FILE

PASSWORD_BYTES = 24
LOOPBACK_URL = "http://127.0.0.1:4096"
MANAGED, UNIT, RUNNING = "managed", "unit", "running"
WAYS = {
    MANAGED: "The service starts and watches its own (simplest)",
    UNIT: "A systemd unit with a user of its own (keeps secrets from agents)",
    RUNNING: "A server that runs already",
}


def ask_opencode(wizard: Wizard) -> None:
    """Find OpenCode, install the pinned one if that is wished, and say how it shall run."""
    _find(wizard)
    terminal, draft = wizard.terminal, wizard.draft
    way = terminal.choose("How shall OpenCode run?", WAYS, default=_present(wizard))
    wizard.own_unit = way == UNIT
    draft.with_opencode_file = wizard.own_unit
    if way == MANAGED:
        for name in ("url", "username", "password"):
            draft.drop(f"opencode.{name}")
    elif way == UNIT:
        set_own_unit(draft)
        terminal.say("Its password is made here, and it listens on loopback alone.")
    else:
        wizard.ask("opencode.url", "Its URL:", default=LOOPBACK_URL, needed=True)
        wizard.ask("opencode.username", "Its user name:", default="opencode", needed=True)
        wizard.ask_secret("opencode.password", "Its password:")


def set_own_unit(draft: Draft) -> None:
    """Give an OpenCode with a unit of its own its address and a password that nobody has to know."""
    if not draft.get("opencode.url"):
        draft.put("opencode.url", LOOPBACK_URL)
    if not draft.get("opencode.password"):
        draft.put("opencode.password", secrets.token_urlsafe(PASSWORD_BYTES))


def _find(wizard: Wizard) -> None:
    terminal = wizard.terminal
    data_dir = Path(wizard.draft.text("server.data_dir") or "data")
    while True:
        programs = wizard.programs = find(wizard.environ, data_dir)
        terminal.say(f"Found: {programs.words}")
        if programs.opencode is not None and programs.ripgrep is None:
            terminal.say("There is no ripgrep (rg): searches in files will not work.")
        if programs.proved and programs.ripgrep is not None:
            return
        if not terminal.confirm(f"Install the pinned OpenCode {NEWEST} here?", default=True):
            return
        try:
            install_pinned(terminal.say)
        except StartError as exc:
            terminal.say(f"That did not work: {exc}")


def is_own_unit(wizard: Wizard) -> bool:
    """Tell whether OpenCode was given a unit of its own before."""
    draft = wizard.draft
    return bool(draft.get("opencode.url")) and draft.file.with_name(OPENCODE_FILE).exists()


def _present(wizard: Wizard) -> str:
    if is_own_unit(wizard):
        return UNIT
    return RUNNING if wizard.draft.get("opencode.url") else MANAGED
