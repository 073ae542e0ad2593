"""What systemd is given: the units of config/systemd with the paths and names of this machine.

https://www.freedesktop.org/software/systemd/man/systemd.exec.html
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import StartError

TEMPLATES = Path(__file__).resolve().parents[2] / "config" / "systemd"
SYSTEM = Path("/etc/systemd/system")
RUNNING = Path("/run/systemd/system")  # there while systemd is what runs this machine
STATE = Path("/var/lib")
HOMES = (Path("/home"), Path("/root"))
SERVICE, OPENCODE = "opencode-wecom.service", "opencode.service"
DROP_IN, EXTERNAL = f"{SERVICE}.d/external.conf", "external.conf"
STEP_LIMIT_S = 90.0
MEGABYTE = 1024 * 1024
HIGH, WHOLE = 5, 6  # the memory at which a unit is slowed down, of that at which it is ended
MACHINE, SHARE = 4, 3  # of the machine's memory, three quarters at most are a unit's
PLAIN = re.compile(r"/[\w./@+:-]*")
PLACES = re.compile(r"/[\w./@+-]*(:/[\w./@+-]*)*")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


@dataclass(frozen=True, slots=True)
class UnitValues:
    """What the units say of a machine; the defaults are those that stand in config/systemd.

    ``external``: an OpenCode of its own user beside the service. ``writable``: folders beside the
    data that agents work in, projects for instance. ``path``: where programs are looked for.
    ``stop_s``: more than ``turn.grace`` and 5 s. ``memory_mb``: the limit of what runs agents.
    """

    install: Path = Path("/opt/opencode-wecom")
    settings: Path = Path("/etc/opencode-wecom/bot.toml")
    secrets: Path = Path("/etc/opencode-wecom/opencode-wecom.env")
    data: Path = Path("/var/lib/opencode-wecom")
    user: str = "opencode-wecom"
    path: str = "/usr/local/bin:/usr/bin:/bin"
    stop_s: int = 30
    memory_mb: int = 6144
    writable: tuple[Path, ...] = ()
    external: bool = False
    opencode_program: Path = Path("/opt/opencode/current/node_modules/.bin/opencode")
    opencode_secrets: Path = Path("/etc/opencode-wecom/opencode.env")
    opencode_data: Path = Path("/var/lib/opencode")
    opencode_user: str = "opencode"
    opencode_port: int = 4096
    shared_group: str = "opencode-work"
    workspaces: Path = Path("/srv/opencode-work")

    @property
    def units(self) -> tuple[str, ...]:
        """Return the names of the units that are enabled."""
        return (OPENCODE, SERVICE) if self.external else (SERVICE,)

    def check(self) -> None:
        """Raise ``StartError`` for what a unit cannot say."""
        for each in fields(self):
            held = getattr(self, each.name)
            for path in held if isinstance(held, tuple) else (held,):
                if isinstance(path, Path) and not PLAIN.fullmatch(str(path)):
                    raise StartError(
                        f"{path} cannot stand in a unit: give an absolute path of letters, digits "
                        "and the characters . _ - @ + :"
                    )
        if not PLACES.fullmatch(self.path):
            raise StartError(f"{self.path} is no list of absolute paths that a unit can hold.")
        for name in (self.user, self.opencode_user, self.shared_group):
            if not NAME.fullmatch(name):
                raise StartError(f"{name} is no name of a user; one looks like opencode-wecom.")


DEFAULTS = UnitValues()


def memory_mb(machine_bytes: int) -> int:
    """Return a limit for what runs agents: the default, or less on a machine that has little."""
    return min(DEFAULTS.memory_mb, machine_bytes * SHARE // MACHINE // MEGABYTE)


def fill(template: str, values: UnitValues) -> str:
    """Put the values in the place of the defaults in a file of config/systemd."""
    values.check()
    paths = _paths(values)
    found = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
    text = re.sub(rf"(?<![\w/])(?:{found})(?![\w-])", lambda match: paths[match[0]], template)
    text = "".join(f"{line}\n" for line in _lines(text.splitlines(), values))
    port = values.opencode_port
    return text.replace("--port 4096", f"--port {port}").replace(":4096/", f":{port}/")


def units(values: UnitValues) -> dict[str, str]:
    """Return what is written, by its path below the folder of units."""
    sources = {SERVICE: SERVICE}
    if values.external:
        sources |= {OPENCODE: OPENCODE, DROP_IN: EXTERNAL}
    return {name: fill(_template(source), values) for name, source in sources.items()}


def write(values: UnitValues, folder: Path, *, now: datetime | None = None) -> list[Path]:
    """Write the units below a folder and return where they are.

    What stands there and says something else is kept beside it, as ``NAME.before-TIME``.
    """
    written = []
    for name, text in units(values).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _keep(place, text, now or datetime.now(UTC))
        place.write_text(text, encoding="utf-8")
        place.chmod(0o644)
        written.append(place)
    return written


def can_install() -> bool:
    """Tell whether this process may give systemd units, and systemd runs here."""
    return os.geteuid() == 0 and RUNNING.is_dir()


def install(values: UnitValues, folder: Path, say: Callable[[str], None]) -> bool:
    """Write the units, make users and folders, enable and start; True when all of it is done.

    Where that cannot be done the units are written to ``folder``, and what to run is said.
    """
    if can_install():
        before = (SYSTEM / SERVICE).exists()
        for place in write(values, SYSTEM):
            say(f"Wrote {place}")
        for step, text in steps(values):
            say(f"Running {' '.join(step)}")
            run(step, text)
        if before:  # a restart interrupts turns: nobody is asked about that here
            say("What runs goes on as it was; it takes what is new by:")
            say(f"  systemctl restart {' '.join(values.units)}")
        return True
    for place in write(values, folder):
        say(f"Wrote {place}")
    say("Then, as root on a machine that systemd runs:")
    for line in commands(values, folder):
        say(f"  {line}")
    return False


def steps(values: UnitValues) -> list[tuple[list[str], str]]:
    """Return the commands that bring written units to life, each with what it reads."""
    return [
        (["systemd-sysusers", "-"], _people(values)),
        (["systemd-tmpfiles", "--create", "-"], _folders(values)),
        (["systemctl", "daemon-reload"], ""),
        (["systemctl", "enable", "--now", *values.units], ""),
    ]


def commands(values: UnitValues, folder: Path) -> list[str]:
    """Return the same for a person: lines for a shell of root."""
    lines = [f"install -D -m 644 {folder / name} {SYSTEM / name}" for name in units(values)]
    for step, text in steps(values):
        read = f" <<'END'\n{text}END" if text else ""
        lines.append(" ".join(step) + read)
    return lines


def run(step: Sequence[str], text: str) -> None:
    """Run one of the steps. Raises ``StartError`` with its own words."""
    try:
        done = subprocess.run(  # noqa: S603  # fixed commands, names that were looked at
            step, input=text, capture_output=True, text=True, check=False, timeout=STEP_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise StartError(f"{' '.join(step)} did not run ({exc}); run it by hand.") from exc
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise StartError(f"{' '.join(step)} failed: {words[-1] if words else 'without a word'}.")


def _people(values: UnitValues) -> str:
    return "".join(
        fill(_template(f"{Path(name).stem}.sysusers"), values) for name in _order(values)
    )


def _folders(values: UnitValues) -> str:
    """Say which folders must be there; a checkout's own folder of settings is left as it is."""
    text = "".join(
        fill(_template(f"{Path(name).stem}.tmpfiles"), values) for name in _order(values)
    )
    if values.settings.is_relative_to(values.install):
        text = text.replace(f"d {values.settings.parent} 0750 root {values.user}\n", "")
    owners = [(values.data, values.user, values.user)]
    if values.external:
        owners.append((values.opencode_data, values.opencode_user, values.shared_group))
    for folder, user, group in owners:
        if folder.parent != STATE:  # there the unit makes it
            text += f"d {folder} 0700 {user} {group}\n"
    return text


def _order(values: UnitValues) -> tuple[str, ...]:
    return tuple(reversed(values.units))  # the service's user is a member of OpenCode's group


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _paths(values: UnitValues) -> dict[str, str]:
    """Return the path for each that stands in a template; the folder of the settings is one, too."""
    found = {str(DEFAULTS.settings.parent): str(values.settings.parent)}
    for each in fields(values):
        default, value = getattr(DEFAULTS, each.name), getattr(values, each.name)
        if isinstance(default, Path):
            found[str(default)] = str(value)
    return found


def _lines(lines: Sequence[str], values: UnitValues) -> Iterator[str]:
    names = {
        DEFAULTS.user: values.user,
        DEFAULTS.opencode_user: values.opencode_user,
        DEFAULTS.shared_group: values.shared_group,
    }
    for line in lines:
        key, is_setting, value = line.partition("=")
        if not is_setting and re.match(r"[ugmdz] ", line):  # of sysusers and tmpfiles
            yield " ".join(names.get(word, word) for word in line.split(" "))
        elif key in {"User", "Group", "SupplementaryGroups"}:
            yield f"{key}={names[value]}"
        else:
            yield from _setting(key, line, values)


def _setting(key: str, line: str, values: UnitValues) -> Iterator[str]:
    """Yield the lines for one whose value depends on more than a word for a word."""
    if key in {"StateDirectory", "StateDirectoryMode"}:
        yield from _state(line, values)
    elif line == f"TimeoutStopSec={DEFAULTS.stop_s}":
        yield f"TimeoutStopSec={values.stop_s}"
    elif line == "MemoryMax=6144M":
        yield f"MemoryMax={values.memory_mb}M"
    elif line == "MemoryHigh=5120M":
        yield f"MemoryHigh={values.memory_mb * HIGH // WHOLE}M"
    elif line == f"Environment=PATH={DEFAULTS.path}":
        yield f"Environment=PATH={values.path}"
    elif line == "ProtectHome=yes" and _at_home(values):
        yield "ProtectHome=read-only"
    else:
        yield line
    if key == "ProtectSystem":
        yield from (f"ReadWritePaths={path}" for path in values.writable)


def _state(line: str, values: UnitValues) -> Iterator[str]:
    """Let systemd make the data folder where it can; elsewhere it is only made writable."""
    of_service = DEFAULTS.data.name
    key, _, name = line.partition("=")
    folder = values.data if name == of_service else values.opencode_data
    if key == "StateDirectoryMode":
        yield line
    elif folder.parent == STATE:
        yield f"StateDirectory={folder.name}"
    else:
        yield f"ReadWritePaths={folder}"


def _at_home(values: UnitValues) -> bool:
    """Tell whether anything that is needed lies in somebody's home, programs included."""
    given = [getattr(values, each.name) for each in fields(values)]
    python = (values.install / ".venv/bin/python").resolve()
    programs = [python, *map(Path, values.path.split(":"))]
    paths = [path for path in (*given, *values.writable, *programs) if isinstance(path, Path)]
    return any(path.is_relative_to(home) for path in paths for home in HOMES)


def _keep(place: Path, text: str, now: datetime) -> None:
    """Put what stands in a place aside, under a name that nothing has."""
    if not place.exists() or place.read_text(encoding="utf-8") == text:
        return
    name = f"{place.name}.before-{now:%Y%m%dT%H%M%SZ}"
    kept = place.with_name(name)
    while kept.exists():
        kept = kept.with_name(f"{kept.name}-1")
    place.rename(kept)
