"""A whole installation in a folder: the service, WeCom's stand-in, a scripted model, the command."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.opencode.binaries import RUNTIME, version_of
from bot.opencode.environment import Folders
from bot.opencode.releases import Release, program_of
from bot.sandbox.model import ScriptedModel, provider_config
from bot.sandbox.script import hold, say
from bot.sandbox.standin import StandIn
from bot.sandbox.timing import Timing
from tests.drill.victim import REAL, ROOT, Victim
from tests.service_fixtures import ADMIN_TOKEN, environment, free_port
from tests.wecom_fixtures import AES_KEY, BOT_ID, BOT_NAME, TOKEN

WECOM = Timing(retry_after_s=1.0, poll_every_s=0.2)
ANSWER_S = 60.0
COMMAND_S = 400.0
LOOK_S = 0.1


def place_of(version, releases):
    """Return where a release is installed: among others, or as the pinned one of this checkout."""
    pinned = program_of(".", RUNTIME)
    if (releases / version).exists() or not pinned.exists():
        return releases / version
    return RUNTIME if version_of(pinned, releases) == version else releases / version


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    text: str
    seconds: float


@dataclass
class Theatre:
    """Everything together; ``releases`` is where installed releases are borrowed from."""

    folder: Path
    releases: Path
    standin: StandIn
    model: ScriptedModel
    victim: Victim
    program: str = "bot"  # what runs the command

    @property
    def folders(self):
        return Folders.under(self.victim.data)

    @property
    def database(self):
        """OpenCode's."""
        return self.folders.xdg("data") / "opencode/opencode.db"

    def borrow(self, *versions):
        """Have releases installed without asking npm."""
        self.folders.releases.mkdir(parents=True, exist_ok=True)
        for version in versions:
            link = self.folders.releases / version
            if not link.exists():
                link.symlink_to(place_of(version, self.releases))

    def choose(self, version):
        """Begin with a release."""
        self.borrow(version)
        Release(version).keep(self.folders.release)

    async def health(self):
        """Everything that the service tells an administrator."""
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.get(
                f"http://127.0.0.1:{self.victim.port}/admin/health",
                headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            )
            return answer.json()

    async def until(self, true, limit_s=ANSWER_S):
        """Wait for what another process brings about."""
        async with asyncio.timeout(limit_s):
            while not await true():  # noqa: ASYNC110  # another process sets no event
                await asyncio.sleep(LOOK_S)

    def script(self, word):
        """Have the model know the answer to a word."""
        self.model.script(f"please {word}!", say(f"answer to {word}."))

    async def frozen(self):
        """Whether the service holds new turns back."""
        return (await self.health())["opencode"]["hold"] is not None

    async def tried(self):
        """Whether the command is at trying the new release."""
        return self.folders.canary.exists()

    async def ask(self, person, word):
        """Say something to the bot, and return the talk once it has been answered."""
        self.script(word)
        talk = await self.standin.say(person, f"please {word}!")
        await self.answered(word)
        return talk

    async def begin(self, person, word):
        """Say something that the model is at until ``gate`` of that name is released."""
        self.model.script(f"please {word}!", hold(word) + say(f"answer to {word}."))
        talk = await self.standin.say(person, f"please {word}!")
        await self.until(self._works_at(1))
        return talk

    def _works_at(self, count):
        async def works():
            now = (await self.health())["turns"]["now"]
            return len([each for each in now if each["prompted"]]) >= count

        return works

    def answers(self, word):
        """Everything shown that holds the answer to a word."""
        wanted = f"answer to {word}."
        items = [item for item in self.standin.book.items if item.kind in {"bubble", "late"}]
        return [item for item in items if wanted in item.content]

    async def answered(self, word, limit_s=ANSWER_S):
        await self.standin.book.until(lambda: self.answers(word), limit_s)

    async def command(self, *arguments, environ=None, stdin=None):
        """Run ``python -m bot opencode …`` as an operator does."""
        process = await self.started(*arguments, environ=environ)
        return await self.ended(process)

    async def started(self, *arguments, environ=None):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self.program, "opencode", *arguments),
            cwd=ROOT,
            env=self.victim.environment(environ or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        process.began = time.monotonic()
        return process

    async def ended(self, process):
        async with asyncio.timeout(COMMAND_S):
            out, _ = await process.communicate()
        return Ran(process.returncode, out.decode(), time.monotonic() - process.began)


@asynccontextmanager
async def theatre(folder, releases, *, contract=True, **overrides):
    """Set a service up that is not started yet, with nothing at home but a scripted model.

    ``contract``: whether an upgrade has the release prove that it keeps it.
    """
    async with AsyncExitStack() as stack:
        model = ScriptedModel()
        url = await model.start()
        stack.push_async_callback(model.stop)
        stack.callback(model.reset)
        standin = StandIn("", TOKEN, AES_KEY, timing=WECOM, bot_id=BOT_ID, bot_name=BOT_NAME)
        await stack.enter_async_context(standin)
        app = web.Application()
        app.add_routes(standin.routes)
        server = TestServer(app)
        await server.start_server()
        stack.push_async_callback(server.close)
        standin.base_url = str(server.make_url("")).rstrip("/")
        port = free_port()
        home = folder / "home"
        config = home / ".config/opencode"
        config.mkdir(parents=True)
        (config / "opencode.json").write_text(json.dumps(provider_config(url)))
        (folder / "no-models.json").write_text("{}")
        environ = environment(folder, standin, port=port, HOME=str(home), **overrides)
        environ["OPENCODE_MODELS_PATH"] = str(folder / "no-models.json")
        victim = Victim(environ, port, folder, command=REAL)
        standin.callback_url = f"http://127.0.0.1:{port}/wecom/bot"
        stack.push_async_callback(victim.end)
        program = "bot" if contract else "tests.rehearse.operator"
        yield Theatre(folder, releases, standin, model, victim, program)
