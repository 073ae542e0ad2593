"""What comes when the answers are written: units, the doctor, and the commands to remember."""

import math
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from bot.doctor import command as doctor
from bot.errors import StartError
from bot.opencode.probe import NEWEST
from bot.setup.draft import Draft
from bot.setup.programs import ROOT, Programs, install_shared
from bot.setup.terminal import Terminal
from bot.setup.units import DEFAULTS, UnitValues, can_install, install, memory_mb
from bot.setup.wizard import Wizard
from config.settings import Settings, catalogue
from config.sources import DEFAULT_FILE, FROM_FILE, OPENCODE_FILE

FINE, FAILED = 0, 1
SPARE_S = 15
NEEDED = ("opencode", "git", "rg", "node", "npm", "bash")
UNITS_FOLDER = "units"


def put_in_place(wizard: Wizard, at: datetime) -> None:
    """Write the files and say which."""
    say_written(wizard.terminal, wizard.draft, at)
    if wizard.generated and not wizard.verified:
        wizard.terminal.say(
            f"Token and EncodingAESKey for WeCom's pages: {wizard.draft.secrets_file}"
        )


def say_written(terminal: Terminal, draft: Draft, at: datetime) -> None:
    """Write the files of a draft and say which, and what was kept of those before."""
    planned = draft.planned()
    backups = draft.write(at)
    for one in planned:
        terminal.say(f"Wrote {one.path}")
    for backup in backups:
        terminal.say(f"Kept what was there as {backup}")
    if not planned:
        terminal.say("All of it was so before: nothing to write.")


def finish(wizard: Wizard, *, doctor: bool) -> int:
    """Install units if that is wished, look at everything, say what to remember."""
    terminal = wizard.terminal
    settings = wizard.draft.settings()
    asked = wizard.units or wizard.own_unit
    if terminal.confirm("Install systemd units?", default=asked):
        wizard.units = install_units(terminal, wizard.draft, settings, wizard.programs)
    if doctor:
        consult(terminal, settings, wizard.draft.file, wizard.environ)
    remember(terminal, wizard.draft.file, units=wizard.units)
    return FINE


def install_units(
    terminal: Terminal, draft: Draft, settings: Settings, programs: Programs | None
) -> bool:
    """Fill in the units and install them; tell whether that is done."""
    try:
        values = unit_values(draft, settings, programs)
        if values.external and can_install():
            install_shared(terminal.say)
        return install(values, draft.file.parent / UNITS_FOLDER, terminal.say)
    except (StartError, OSError) as exc:
        terminal.say(f"The units are not installed: {exc}")
        return False


def unit_values(draft: Draft, settings: Settings, programs: Programs | None) -> UnitValues:
    """Return what the units say of this machine."""
    external = draft.with_opencode_file
    url = settings.opencode.url or ""
    port = url.rpartition(":")[2]
    places = [project.path for project in settings.projects.values()]
    root = settings.workspaces.root
    data = settings.server.data_dir
    if not external and not root.is_relative_to(data):
        places.append(root)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return UnitValues(
        install=ROOT,
        settings=draft.file,
        secrets=draft.secrets_file,
        data=data,
        path=search_path(programs),
        stop_s=max(DEFAULTS.stop_s, math.ceil(settings.turn.grace) + SPARE_S),
        memory_mb=memory_mb(memory),
        writable=tuple(places),
        external=external,
        opencode_secrets=draft.file.with_name(OPENCODE_FILE),
        opencode_port=int(port) if port.isdecimal() else DEFAULTS.opencode_port,
        workspaces=root if external else DEFAULTS.workspaces,
    )


def search_path(programs: Programs | None) -> str:
    """Return a PATH that has every program which was found here, before the usual places."""
    found = [shutil.which(name) for name in NEEDED]
    folders = [str(Path(program).parent) for program in found if program]
    if programs is not None and programs.ripgrep is not None:
        folders.append(str(programs.ripgrep.parent))
    return ":".join(dict.fromkeys([*folders, *DEFAULTS.path.split(":")]))


def consult(terminal: Terminal, settings: Settings, file: Path, environ: Mapping[str, str]) -> None:
    """Let the doctor look at what was set up, as a service will see it that has these files alone."""
    written = {f"{entry.env}{end}" for entry in catalogue() for end in ("", FROM_FILE)}
    left = {name: value for name, value in environ.items() if name not in written}
    terminal.title("Doctor: what is not fine")
    doctor.run_in_short(settings, file, left)


def remember(terminal: Terminal, file: Path, *, units: bool) -> None:
    """Print the commands that an administrator will want."""
    program = ".venv/bin/python -m bot"  # found in the checkout alone
    if file != ROOT / DEFAULT_FILE:
        program = f"{program} --config {file}"
    if units:
        program = f"sudo {program}"
    start = "systemctl status opencode-wecom" if units else f"{program} run"
    terminal.say(
        f"\nOpenCode is proved up to {NEWEST}: `opencode upgrade` brings it there, "
        "`opencode rollback` back."
    )
    terminal.title("Three commands to remember")
    terminal.say(f"In {ROOT}:")
    terminal.say(f"  {start}")
    terminal.say(f"  {program} doctor")
    terminal.say(f"  {program} backup")
