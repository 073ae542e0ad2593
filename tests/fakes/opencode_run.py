"""One session of the scripted OpenCode at work: messages, parts and events as the real one has them."""

import asyncio
import contextlib
import itertools

from bot.clock import now_ms

TOKENS = {"total": 12, "input": 10, "output": 2, "reasoning": 0, "cache": {"read": 0, "write": 0}}
NO_TOKENS = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}

_counter = itertools.count(1)


def new_id(kind):
    stamp = (now_ms() * 0x1000 + next(_counter) % 0x1000) % (1 << 48)
    return f"{kind}_{stamp:012x}" + "A" * 14


class Ended(Exception):
    """The turn ends here; nothing that follows in its script happens."""

    def __init__(self, *, rested=False):
        super().__init__()
        self.rested = rested  # the session was said to be idle, or is not to be


class Run:
    """One session at work."""

    def __init__(self, fake, session):
        self.fake = fake
        self.session = session
        self.directory = fake.sessions[session]["directory"]
        self.prompt = None
        self.message = None  # the assistant's message of the step at hand
        self.started = False  # its step-start was sent
        self.open_parts = []
        self.so_far = {}  # what an open text holds: not to be read before its end
        self.stubborn = False
        self.killed = False
        self.next_prompt = None  # came while the session was busy

    def emit(self, kind, **properties):
        self.fake.emit(self.directory, kind, {"sessionID": self.session, **properties})

    def status(self, **status):
        if status["type"] == "idle":
            self.fake.busy.pop(self.session, None)
        else:
            self.fake.busy[self.session] = status
        self.emit("session.status", status=status)

    def idle(self):
        self.status(type="idle")
        self.emit("session.idle")

    def updated(self):
        self.emit("message.updated", info=self.message["info"])

    def put(self, part):
        """Add or change a part of the message."""
        parts = self.message["parts"]
        if not any(known is part for known in parts):
            parts.append(part)
        self.emit("message.part.updated", part=part, time=now_ms())
        return part

    def part(self, kind, **more):
        info = self.message["info"]
        return {
            "id": new_id("prt"),
            "messageID": info["id"],
            "sessionID": self.session,
            "type": kind,
            **more,
        }

    async def turn(self, actions):
        """Play the actions as the answer to the newest prompt; True when it rests already."""
        try:
            for action in actions:
                await action(self)
                await asyncio.sleep(0)
            self.begin()
            self.end("stop")
            self.status(type="busy")
        except Ended as ended:
            return ended.rested
        return False

    def call(self):
        """Begin a message, as the server does before it asks the model."""
        if self.message is not None:
            return
        prompt = self.prompt["info"]
        self.status(type="busy")
        info = {
            "id": new_id("msg"),
            "parentID": prompt["id"],
            "role": "assistant",
            "mode": prompt["agent"],
            "agent": prompt["agent"],
            "path": {"cwd": self.directory, "root": self.directory},
            "cost": 0,
            "tokens": NO_TOKENS,
            "modelID": prompt["model"]["modelID"],
            "providerID": prompt["model"]["providerID"],
            "time": {"created": now_ms()},
            "sessionID": self.session,
        }
        self.message = {"info": info, "parts": []}
        self.fake.messages[self.session].append(self.message)
        self.updated()
        self.status(type="busy")

    def begin(self):
        """Begin a step: a message and its first part."""
        self.call()
        if not self.started:
            self.started = True
            self.put(self.part("step-start"))

    def end(self, finish):
        """End the step at hand."""
        self.put(self.part("step-finish", reason=finish, cost=0, tokens=TOKENS))
        info = self.message["info"]
        info |= {"finish": finish, "tokens": TOKENS}
        self.updated()
        info["time"] = {**info["time"], "completed": now_ms()}
        self.updated()
        self.message, self.started = None, False

    def fail(self, error):
        """End the turn as the server ends one that failed: idle first, the facts later."""
        self.call()
        self.emit("session.error", error=error)
        self.idle()
        for part in self.open_parts:
            self.close_part(part)
        info = self.message["info"]
        info["time"] = {**info["time"], "completed": now_ms()}
        info["error"] = error
        self.updated()
        self.message, self.started = None, False
        self.idle()

    def close_part(self, part):
        if part["type"] == "text":
            part["text"] = self.so_far.pop(part["id"], "")
            part["time"] = {**part["time"], "end": now_ms()}
        else:
            state = part["state"]
            state |= {"status": "error", "error": "Tool execution aborted"}
            state["time"] = {"start": state["time"]["start"], "end": now_ms()}
        self.put(part)

    def aborted(self):
        if self.message is not None:
            self.fail({"name": "MessageAbortedError", "data": {"message": "Aborted"}})
        else:
            self.idle()
        self.open_parts.clear()

    @contextlib.contextmanager
    def opened(self, part):
        """Keep a part open; an abort closes it."""
        self.open_parts.append(part)
        yield part
        self.open_parts.remove(part)

    def tool_part(self, name, given):
        """Begin a tool: pending first, then running."""
        part = self.part("tool", tool=name, callID=new_id("call"))
        part["state"] = {"status": "pending", "input": {}, "raw": ""}
        self.put(part)
        part["state"] = {"status": "running", "input": given, "time": {"start": now_ms()}}
        return part

    def completed(self, part, output, title="", metadata=None):
        state = part["state"]
        part["state"] = {
            "status": "completed",
            "input": state["input"],
            "output": output,
            "title": title,
            "metadata": {**(metadata or {}), "truncated": False},
            "time": {"start": state["time"]["start"], "end": now_ms()},
        }
        self.put(part)

    def failed(self, part, error):
        state = part["state"]
        part["state"] = {
            "status": "error",
            "input": state["input"],
            "error": error,
            "time": {"start": state["time"]["start"], "end": now_ms()},
        }
        self.put(part)
