"""One release of OpenCode under proof: started on folders of its own, killed, started anew, ended."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from bot.errors import OpenCodeUnavailable, StartError
from bot.opencode import process
from bot.opencode.binaries import RUNTIME, Programs
from bot.opencode.environment import Folders, Wishes, furnish, plan
from bot.opencode.files import last_words
from bot.opencode.identity import HOST, take_up
from bot.opencode.probe import PORT_OPENS_S, Address, Probe
from bot.opencode.process import Process
from bot.opencode.server_managed import USERNAME
from bot.sandbox.model import provider_config

START_LIMIT_S = 90.0
LOOK_S = 0.1
END_S = 3.0
COMMAND = "greet"
"""One of OpenCode's own commands, set up for the run."""
COMMANDS = {
    COMMAND: {"template": "Greet by command: $ARGUMENTS", "description": "Greet", "agent": "build"}
}


class Program:
    """A server of ours on loopback, with the environment that the service gives its own.

    Its model is the scripted one at ``model_url``. Nothing of the user's configuration counts.
    """

    def __init__(self, program: Path, folder: Path, model_url: str) -> None:
        self._programs = Programs(program, _ripgrep())
        self._folders = Folders.under(folder)
        self._environ = _environ(folder, model_url)
        self._process: Process | None = None
        self._folders.make()
        # A run that was killed may have left its server behind: the same mark finds it.
        self._identity, _ = take_up(self._folders)

    @property
    def address(self) -> Address:
        """Return where it listens; the same after every start."""
        return Address(f"http://{HOST}:{self._identity.port}", USERNAME, self._identity.password)

    @property
    def database(self) -> Path:
        """Where it keeps its sessions, if it keeps them in a database."""
        return self._folders.xdg("data") / "opencode" / "opencode.db"

    async def start(self) -> str:
        """Start it on its data, and return its version once it answers. Raises ``StartError``."""
        await asyncio.to_thread(self._clear)
        launch = plan(
            self._folders,
            self._programs,
            self._environ,
            Wishes(),
            self.address,
            self._identity.mark,
        )
        await asyncio.to_thread(furnish, self._folders, self._environ, launch)
        self._process = process.spawn(launch.argv, launch.environ, launch.folder, launch.log)
        return await self._answers(self._process)

    async def _answers(self, started: Process) -> str:
        deadline = time.monotonic() + START_LIMIT_S
        async with Probe(self.address) as probe:
            while time.monotonic() < deadline:
                if not started.alive:
                    words = last_words(self._folders.log, 0)
                    raise StartError(words or "it ended while it was starting, without a word")
                with contextlib.suppress(OpenCodeUnavailable):
                    return await probe.version(PORT_OPENS_S)
                await asyncio.sleep(LOOK_S)
        raise StartError(f"it did not answer within {START_LIMIT_S:.0f} s")

    async def kill(self) -> None:
        """Kill it as the kernel does when the memory is gone, with all that it started."""
        killed = self._process
        assert killed is not None, "only what was started is killed"
        os.kill(killed.pid, signal.SIGKILL)
        await asyncio.to_thread(process.gone, [killed], END_S)
        await asyncio.to_thread(self._clear)

    async def end(self) -> None:
        """End it, and all that it started."""
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        ended, self._process = self._process, None
        if ended is not None:
            process.end_group(ended, END_S)
        process.end(process.marked(self._identity.variable), END_S)


def _environ(folder: Path, model_url: str) -> Mapping[str, str]:
    """Return the environment of a user who has nothing at home, no catalogue and one model."""
    home, catalogue = folder / "user", folder / "no-models.json"
    home.mkdir(parents=True, exist_ok=True)
    catalogue.write_text("{}")
    config = {**provider_config(model_url), "command": COMMANDS}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "OPENCODE_MODELS_PATH": str(catalogue),
        "OPENCODE_CONFIG_CONTENT": orjson.dumps(config).decode(),
    }


def _ripgrep() -> Path | None:
    packed = sorted((RUNTIME / "node_modules/@vscode").glob("ripgrep-*/bin/rg"))
    found = shutil.which("rg")
    return Path(found) if found else next(iter(packed), None)
