"""The service as a process of its own: it dies, loses what no sync had saved, and starts again."""

import asyncio
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bot.tls import trusted

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
START_S = 60.0
END_S = 30.0
LOOK_S = 0.02
DATABASE = ("bot.db", "bot.db-wal")
REAL = ("-m", "bot", "run")
SHORT = ("-m", "tests.drill.service")


async def compiled(folder):
    """Return the library of a disk that can be spoiled; None where it cannot be made."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "power.so"
    command = (compiler, "-O2", "-shared", "-fPIC", "-o", library, HERE / "power.c", "-ldl")
    process = await asyncio.create_subprocess_exec(*command)
    return library if await process.wait() == 0 else None


@dataclass
class Victim:
    """One service over its lives. ``library``: preloaded, so that its power can be cut.

    Each life has a log of its own in ``place``, and a time when it began.
    """

    environ: dict
    port: int
    place: Path
    command: tuple = REAL
    library: Path | None = None
    process: asyncio.subprocess.Process | None = None
    began: float = 0.0  # the present life, by the monotonic clock
    began_at: float = 0.0  # and by that of the wall
    logs: list = field(default_factory=list)

    @property
    def data(self):
        return Path(self.environ["BOT_DATA_DIR"])

    @property
    def database(self):
        return self.data / "bot.db"

    @property
    def copies(self):
        """What a cut of the power leaves of the database."""
        return self.place / "copies"

    @property
    def alive(self):
        return self.process is not None and self.process.returncode is None

    def environment(self, extra):
        kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        kept |= self.environ | {"PYTHONPATH": str(ROOT)}
        if self.library is not None:
            self.data.mkdir(parents=True, exist_ok=True)
            self.copies.mkdir(exist_ok=True)
            kept |= {
                "LD_PRELOAD": str(self.library),
                "POWER_ROOT": str(self.data),
                "POWER_COPIES": str(self.copies),
            }
        return kept | extra

    async def start(self, **extra):
        """Begin another life; ``extra`` is its environment's alone."""
        self.logs.append(self.place / f"service-{len(self.logs) + 1}.log")
        environ = self.environment(extra)
        with self.logs[-1].open("ab") as log:
            self.began, self.began_at = time.monotonic(), time.time()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *self.command, cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    async def kill(self):
        if self.alive:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def terminate(self):
        if self.alive:
            self.process.send_signal(signal.SIGTERM)

    async def end(self):
        """End it as an operator does; return its exit code, None when it never ran."""
        if self.process is None:
            return None
        self.terminate()
        async with asyncio.timeout(END_S):
            return await self.process.wait()

    def lose_power(self):
        """Leave of the dead service's database what was synced, and nothing else."""
        for name in (*DATABASE, "bot.db-shm", "bot.db-journal"):
            (self.data / name).unlink(missing_ok=True)
        for name in DATABASE:
            if (self.copies / name).exists():
                shutil.copyfile(self.copies / name, self.data / name)

    async def ready(self):
        """Wait until it listens and has OpenCode."""
        async with asyncio.timeout(START_S), httpx.AsyncClient(verify=trusted()) as http:
            while not await self._is_ready(http):  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(LOOK_S)

    async def _is_ready(self, http):
        try:
            answer = await http.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and answer.json()["parts"]["opencode"] == "ok"
