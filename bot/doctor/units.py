"""The systemd unit that runs the service, whatever it is called, and how to look as it does."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.doctor.findings import Finding
from bot.doctor.machine import holder, said_by, unit, unit_of
from bot.doctor.scene import Scene
from config.sources import FILE_VARIABLE

UNIT = "opencode-wecom.service"
START = "systemctl start opencode-wecom, or python -m bot run"
RESTART = "systemctl restart opencode-wecom"
BY_HAND, ANEW = "python -m bot run", "start the service anew"  # where no unit starts it


async def service_unit(
    scene: Scene, unit_around: Callable[[int], str] = unit_of
) -> tuple[str, Mapping[str, str]]:
    """Return the unit of the process that has our data, else the one of our name, and what it is.

    A service that somebody started by hand is in the unit of their terminal, which is not its own.
    """
    pid = holder(scene.lock)
    name = unit_around(pid) if pid is not None else ""
    if name and name != UNIT:
        facts = await unit(name, scene.environ)
        if facts.get("MainPID") == str(pid):
            return name, facts
    return UNIT, await unit(UNIT, scene.environ)


async def as_started(scene: Scene, *mends: str) -> list[str]:
    """Return mends with the command that starts the service anew here: its unit's, if it has one."""
    if not any(START in mend or RESTART in mend for mend in mends):
        return [*mends]
    try:
        name, facts = await service_unit(scene)
    except (TimeoutError, OSError):  # `runtime.unit` says so
        return [*mends]
    return [_as_started(mend, name if facts else "") for mend in mends]


def _as_started(mend: str, unit: str) -> str:
    for words, by_hand in (
        (START, BY_HAND),
        (f"restart the service: {RESTART}", ANEW),
        (RESTART, ANEW),
    ):
        by_unit = words.replace(UNIT.removesuffix(".service"), unit.removesuffix(".service"))
        mend = mend.replace(words, by_unit if unit else by_hand)
    return mend


async def started_anew(scene: Scene, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with mends that start the service as it is started here."""
    mends = await as_started(scene, *(one.mend for one in findings))
    return tuple(replace(one, mend=mend) for one, mend in zip(findings, mends, strict=True))


def environment_files(facts: Mapping[str, str]) -> list[Path]:
    """Return the files from which systemd gives the unit its environment."""
    lines = facts.get("EnvironmentFiles", "").splitlines()
    return [Path(line.rpartition(" (")[0] or line) for line in lines if line]


async def settings_file(name: str, environ: Mapping[str, str]) -> str:
    """Return the settings file that a unit names; of its other variables nothing is kept."""
    said = await said_by("systemctl", "show", name, "--property=Environment", environ=environ)
    with contextlib.suppress(ValueError):  # quoted in a way that we do not know
        pairs = (word.partition("=") for word in shlex.split(said.partition("=")[2]))
        return next((value for key, _, value in pairs if key == FILE_VARIABLE), "")
    return ""


def as_the_unit(facts: Mapping[str, str], file: str) -> str:
    """Return the command that runs the doctor as systemd runs the service."""
    words = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect"]
    words += [f"--uid={facts['User']}"] if facts.get("User") else []
    folder = facts.get("WorkingDirectory", "").lstrip("!-")
    words += [f"--working-directory={folder}"] if folder else []
    words += [f"--property=EnvironmentFile={one}" for one in environment_files(facts)]
    words += [f"--setenv={FILE_VARIABLE}={file}"] if file else []
    return shlex.join([*words, sys.executable, "-m", "bot", "doctor"])
