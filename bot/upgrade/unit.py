"""The server behind a systemd unit: ended and started by systemctl, its release a symbolic link."""

import asyncio
import contextlib
import os
import pwd
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import OpenCodeError, OpenCodeUnavailable, UpgradeError
from bot.opencode.environment import Folders
from bot.opencode.files import sync
from bot.opencode.hold import HoldState
from bot.opencode.probe import Address, Probe
from bot.opencode.releases import PROGRAM, Release
from bot.upgrade.engine import OBEY_S, READY_S, Engine, answering
from bot.upgrade.service import RunningService
from config.settings import Settings

CURRENT = "current"
RELEASES = "releases"
LIMIT_S = 120.0
AWAKE_S = 15.0
PATIENCE_S = 5.0  # for an answer, between two looks at the unit
OVER = ("inactive", "failed")
SHOWN = ("LoadState", "ActiveState", "InvocationID", "ExecStart", "Environment", "User", "MainPID")
PLACES = ("HOME", "XDG_DATA_HOME", "OPENCODE_DB")  # where its data may be
PATH_OF = re.compile(r"path=([^ ;]+)")


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd tells of a unit. ``living``: the places that its server knows, if it runs."""

    name: str
    state: str
    invocation: str
    program: Path
    environ: Mapping[str, str]
    user: str
    living: Mapping[str, str]

    @property
    def current(self) -> Path:
        """The link to the release in use. Raises ``UpgradeError`` where there is none."""
        root = self.program
        for _ in Path(PROGRAM).parts:
            root = root.parent
        if root.name != CURRENT or not str(self.program).endswith(PROGRAM) or not root.is_symlink():
            raise UpgradeError(
                f"{self.name} starts {self.program}. To be upgraded it must start "
                f"<folder>/{CURRENT}/{PROGRAM}, where {CURRENT} is a link to {RELEASES}/<version>."
            )
        return root

    @property
    def home(self) -> Path:
        """The home of the server."""
        if home := self.environ.get("HOME"):
            return Path(home)
        return Path(pwd.getpwnam(self.user).pw_dir) if self.user else Path("/root")


def systemctl(*arguments: str) -> str:
    """Run systemctl and return what it prints; raises ``UpgradeError``. Blocks."""
    try:
        done = subprocess.run(  # noqa: S603  # the unit's name is the operator's
            ["systemctl", *arguments],  # noqa: S607  # wherever this system has it
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise UpgradeError(f"systemctl {arguments[0]}: {exc}.") from exc
    if done.returncode != 0:
        words = done.stderr.strip() or f"exit code {done.returncode}"
        raise UpgradeError(f"systemctl {' '.join(arguments)}: {words}")
    return done.stdout


def show(name: str) -> Unit:
    """Ask systemd for a unit. Blocks."""
    text = systemctl("show", name, *(f"--property={each}" for each in SHOWN))
    facts = dict(line.partition("=")[::2] for line in text.splitlines())
    if facts.get("LoadState") != "loaded":
        raise UpgradeError(
            f"systemd knows no unit {name}. Name it with --unit; a server that is started in "
            "another way has to be upgraded by whoever starts it."
        )
    found = PATH_OF.search(facts.get("ExecStart", ""))
    pairs = (pair.partition("=")[::2] for pair in shlex.split(facts.get("Environment", "")))
    return Unit(
        name,
        facts.get("ActiveState", ""),
        facts.get("InvocationID", ""),
        Path(found[1]) if found else Path("/"),
        dict(pairs),
        facts.get("User", ""),
        _living(facts.get("MainPID", "")),
    )


def _living(pid: str) -> dict[str, str]:
    """Return the places that a running server was told, by files of its environment, too."""
    try:
        raw = Path("/proc", pid, "environ").read_bytes()
    except OSError:
        return {}
    pairs = (pair.partition("=")[::2] for pair in os.fsdecode(raw).split("\0"))
    return {name: value for name, value in pairs if name in PLACES}


def _data(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("XDG_DATA_HOME") or home / ".local/share") / "opencode"


def _must_be_there(unit: Unit, data: Path) -> None:
    """Refuse a server whose data are elsewhere than its unit says: no backup would hold them.

    What it was told by a file is not seen once it is ended, so that cannot be gone by.
    """
    if unit.environ.get("OPENCODE_DB") or unit.living.get("OPENCODE_DB"):
        raise UpgradeError(
            f"{unit.name} has OPENCODE_DB set: its database is elsewhere, and no backup would hold "
            "it. Unset it, or upgrade the unit by hand."
        )
    if unit.living and _data(unit.living, Path(unit.living.get("HOME") or unit.home)) != data:
        raise UpgradeError(
            f"The server of {unit.name} does not have its data in {data}. What says where they are "
            "(HOME, XDG_DATA_HOME) must stand in the unit as Environment=, not in a file."
        )


class UnitEngine(Engine):
    """A server that systemd runs."""

    kind = "unit"

    def __init__(self, settings: Settings, name: str) -> None:
        folders = Folders.under(settings.server.data_dir)
        super().__init__(folders, RunningService(settings))
        self._settings = settings
        self._name = name
        self._ended: str | None = None  # the run of it that we ended
        unit = show(name)
        home = unit.home
        self._current = unit.current
        self.words = f"{name}, at {settings.opencode.url}"
        self.data = _data(unit.environ, home)
        _must_be_there(unit, self.data)
        config = Path(unit.environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
        self.configs = (config, home / ".opencode")
        self.releases = self._current.parent / RELEASES
        self.record = folders.root / "unit.json"
        self.environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)} | dict(
            unit.environ
        )

    @property
    def address(self) -> Address:
        """Return where the settings say that it is."""
        opencode = self._settings.opencode
        password = opencode.password.get_secret_value() if opencode.password else ""
        return Address(opencode.url or "", opencode.username, password)

    def choose(self, release: Release) -> None:
        """Let the link name another release, at once and for good."""
        fresh = self._current.with_name(f".{CURRENT}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(RELEASES) / release.version)
        fresh.replace(self._current)
        sync(self._current.parent)
        release.keep(self.record)

    def chosen(self) -> str:
        """Return the release that the link names."""
        return self._current.resolve().name

    def release(self) -> Release:
        """Return what is written down, if the link has not been changed by hand since."""
        known = Release.load(self.record)
        return known if known.version == self.chosen() else Release(self.chosen())

    async def resort(self, release: Release, version: str) -> Release:  # noqa: ARG002
        """Return the release: the link always names one."""
        return release

    async def current(self) -> str:
        """Ask the server, else the link."""
        try:
            async with Probe(self.address) as probe:
                return await probe.version()
        except (OpenCodeUnavailable, OpenCodeError):
            return self.chosen()

    async def awake(self) -> None:
        """Wait for the server, if systemd is at starting it."""
        unit = await asyncio.to_thread(show, self._name)
        if unit.state in {"activating", "active", "reloading"}:
            with contextlib.suppress(UpgradeError):
                await answering(self.address, AWAKE_S)

    async def obeyed(self, state: HoldState) -> None:
        """Wait for the service; one that is down starts no turns."""
        await self._obeyed_by_service(state, OBEY_S)

    async def end(self) -> None:
        """Let turns make way, then stop the unit; asked again, see that nobody has started it."""
        await self.obeyed("held")
        unit = await asyncio.to_thread(show, self._name)
        if unit.state not in OVER:
            await asyncio.to_thread(systemctl, "stop", self._name)
            unit = await asyncio.to_thread(show, self._name)
        if unit.state not in OVER:
            raise UpgradeError(f"{self._name} is {unit.state} after it was stopped.")
        ended, self._ended = self._ended, unit.invocation
        if ended not in {None, unit.invocation}:
            raise UpgradeError(f"{self._name} was started by another hand meanwhile.")

    async def begin(self) -> str:
        """Start the unit and wait until the server answers."""
        self._ended = None
        # Starts that failed are counted, and a good one would be refused for the bad ones before it.
        await asyncio.to_thread(systemctl, "reset-failed", self._name)
        await asyncio.to_thread(systemctl, "start", self._name)
        ends = asyncio.get_running_loop().time() + READY_S
        while True:
            try:
                return await answering(self.address, PATIENCE_S)
            except UpgradeError:
                state = (await asyncio.to_thread(show, self._name)).state
                if state in OVER or asyncio.get_running_loop().time() > ends:
                    raise

    async def close(self) -> None:
        """Leave all as it is: systemd runs the server."""
