"""WeCom's own client in a process of its own, told what to do over a pipe."""

import asyncio
import contextlib
import itertools
import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "peers" / "sdk.mjs"
PATIENCE_S = 30
LINE_BYTES = 8 * 1024 * 1024


class Refusal(Exception):
    """What the SDK was told instead of an answer."""

    def __init__(self, error):
        super().__init__(str(error))
        self.code = error.get("errcode")


class Sdk:
    """Its requests are methods of the script: ``await sdk.do("send", chat=…, body=…)``."""

    def __init__(self, process):
        self.pid = process.pid
        self.events = []
        self._process = process
        self._numbers = itertools.count(1)
        self._answers = {}
        self._changed = asyncio.Event()

    async def do(self, what, **options):
        """Have it done; return what came of it, or raise ``Refusal``."""
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": what, **options})
        self._process.stdin.write(line.encode() + b"\n")
        await self._until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer["ok"]

    async def connect(self, url, bot, secret, **options):
        """Connect, and wait until it has subscribed."""
        await self.do("connect", url=url, bot=bot, secret=secret, **options)
        await self.happened("authenticated")

    async def happened(self, event, number=1):
        """Wait for the n-th event of a name; return it."""
        await self._until(lambda: len(self.of(event)) >= number)
        return self.of(event)[number - 1]

    async def heard(self, msgid):
        """Wait for a message of WeCom's; return its frame."""
        return await self._frame(lambda body: body["msgid"] == msgid)

    async def heard_event(self, kind):
        """Wait for an event of WeCom's; return its frame."""
        return await self._frame(lambda body: body.get("event", {}).get("eventtype") == kind)

    async def _frame(self, fits):
        def found():
            frames = (each["frame"] for each in self.events if "frame" in each)
            return next((frame for frame in frames if fits(frame["body"])), None)

        await self._until(lambda: found() is not None)
        return found()

    def of(self, event):
        return [each for each in self.events if each.get("event") == event]

    async def _until(self, true):
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                await self._changed.wait()

    async def listen(self):
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "id" in said:
                self._answers[said["id"]] = said
            else:
                self.events.append(said)
            self._changed.set()
            self._changed = asyncio.Event()


@asynccontextmanager
async def running_sdk(peers):
    """Run the SDK, its packages in the folder ``peers``."""
    async with running("node", str(SCRIPT), PEERS=str(peers)) as sdk:
        yield sdk


@asynccontextmanager
async def running(*command, **environ):
    """Run a program that is told what to do as the SDK's is."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    sdk = Sdk(process)
    async with asyncio.TaskGroup() as group:
        listener = group.create_task(sdk.listen())
        try:
            yield sdk
        finally:
            process.stdin.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            listener.cancel()
