"""A scripted OpenCode on a real socket, for what the real one will not show on demand."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Literal

import orjson
from aiohttp import web

from bot.clock import now_ms
from tests.fakes.opencode_http import application
from tests.fakes.opencode_run import NO_TOKENS, Run, new_id
from tests.fakes.opencode_turns import say

VERSION = "1.18.33"
WAIT_S = 10
DURABLE = ("session.created", "session.updated", "session.deleted")
DURABLE += ("message.updated", "message.removed", "message.part.updated")
MODELS = {"fake": ["one", "two"]}
AGENTS = [
    {"name": "build", "mode": "primary", "native": True, "permission": [], "options": {}},
    {"name": "plan", "mode": "primary", "native": True, "permission": [], "options": {}},
    {"name": "general", "mode": "subagent", "native": True, "permission": [], "options": {}},
    {"name": "title", "mode": "primary", "hidden": True, "permission": [], "options": {}},
]
COMMANDS = [{"name": "init", "description": "guided setup", "template": "init", "hints": []}]

# refuse: cut before anything happens · drop: do it, then cut · hang: never answer
# error: 500 without doing it · html: the web page instead · proxy: 502 of a proxy
Kind = Literal["refuse", "drop", "hang", "error", "html", "proxy"]


@dataclass
class Prompt:
    session: str
    message: str
    text: str
    agent: str
    model: str
    parts: list
    system: str


class FakeOpenCode:
    """One server. ``script(*actions)`` says how the next prompt is answered; without: "OK"."""

    username = "opencode"
    password = "secret"

    def __init__(self, *, beat_s=10.0):
        self.prompts: list[Prompt] = []
        self.calls: list[str] = []
        self.folders: dict[str, str] = {}  # path -> the folder that its last call named
        self.aborts: list[str] = []
        self.replies: list[tuple[str, object]] = []
        self.sessions, self.messages, self.busy, self.todos = {}, {}, {}, {}
        self.waiting = {}  # request id -> (kind, directory, request, future)
        self.frozen_status = None  # what /session/status says instead of the truth
        self.losing = False  # events go nowhere, the connection stands
        self.failure = "Unexpected server error."  # what it says when a call goes wrong
        self.silent = False  # nothing at all is sent, heartbeats included
        self.refusing_events = 0  # a status for whoever subscribes
        self.agents, self.commands, self.models = list(AGENTS), list(COMMANDS), dict(MODELS)
        self.subscribed = asyncio.Event()
        self.config = {"model": "fake/one", "agent": {}, "provider": {}}
        self.providers = None  # what /config/providers says instead of ``models``
        self.port = 0
        self.version = VERSION
        self.elsewhere = False  # whether it runs on another disk than the service
        self.diffs = []  # what every message changed, for /diff
        self.beat_s = beat_s
        self._scripts = deque()
        self._faults = []
        self._runs = {}
        self._subscribers = []
        self._sequence = 0
        self._runner = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def script(self, *actions):
        """Answer the next prompt that has no script yet with these actions."""
        self._scripts.append(actions)

    def fault(self, path: str, kind: Kind, *, times=1):
        """Let the next calls whose path ends with ``path`` go wrong."""
        self._faults.extend([(path, kind)] * times)

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def start(self):
        """Listen, on the same port as before."""
        self._runner = web.AppRunner(application(self), shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self):
        """Die as from a signal: running turns stay as they are for ever."""
        for run, task in self._runs.values():
            run.killed = True
            task.cancel()
        self.cut_events()
        await self._runner.cleanup()
        self._runs.clear()
        self.busy.clear()
        self.waiting.clear()

    # What happens

    def emit(self, directory, kind, properties):
        """Tell every subscriber; a lasting change a second time, as ``sync``."""
        if self.losing:
            return
        event = {"id": new_id("evt"), "type": kind, "properties": properties}
        frame = {"directory": directory, "project": "global", "payload": event}
        self.send(b"data: " + orjson.dumps(frame) + b"\n\n")
        if kind in DURABLE:
            self._sequence += 1
            inner = {
                "id": event["id"],
                "type": f"{kind}.1",
                "seq": self._sequence,
                "aggregateID": properties["sessionID"],
                "data": properties,
            }
            payload = {"type": "sync", "syncEvent": inner, "id": event["id"]}
            self.send(b"data: " + orjson.dumps({**frame, "payload": payload}) + b"\n\n")

    def send(self, data: bytes):
        """Send raw bytes down every event stream."""
        for queue in self._subscribers:
            queue.put_nowait(data)

    def cut_events(self):
        """Break every event stream in the middle."""
        for queue in self._subscribers:
            queue.put_nowait(None)

    def open_session(self, directory, title, parent="", **more):
        """Make a session and say so; returns its id."""
        session = {
            "id": new_id("ses"),
            "slug": "quiet-fake",
            "version": VERSION,
            "projectID": "global",
            "directory": directory,
            "path": "",
            "title": title,
            "cost": 0,
            "tokens": NO_TOKENS,
            "time": {"created": now_ms(), "updated": now_ms()},
            **({"parentID": parent} if parent else {}),
            **more,
        }
        self.sessions[session["id"]] = session
        self.messages[session["id"]] = []
        self.emit(directory, "session.created", {"sessionID": session["id"], "info": session})
        return session["id"]

    def delete_session(self, session):
        """Delete a session and those of its sub-agents."""
        for child in [s["id"] for s in self.sessions.values() if s.get("parentID") == session]:
            self.delete_session(child)
        del self.messages[session]
        info = self.sessions.pop(session)
        about = {"sessionID": session, "info": info}
        self.emit(info["directory"], "session.deleted", about)

    def store_prompt(self, session, body):
        """Keep a prompt as a user message; the same id again adds to it, as on the real one."""
        known = self.messages[session]
        model = body.get("model") or {"providerID": "fake", "modelID": "one"}
        info = {
            "id": body.get("messageID") or new_id("msg"),
            "role": "user",
            "sessionID": session,
            "time": {"created": now_ms()},
            "agent": body.get("agent") or "build",
            "model": model,
        }
        message = next((m for m in known if m["info"]["id"] == info["id"]), None)
        if message is None:
            message = {"info": info, "parts": []}
            known.append(message)
        directory = self.sessions[session]["directory"]
        self.emit(directory, "message.updated", {"sessionID": session, "info": info})
        for given in body["parts"]:
            part = {"id": new_id("prt"), "sessionID": session, "messageID": info["id"], **given}
            message["parts"].append(part)
            properties = {"sessionID": session, "part": part, "time": now_ms()}
            self.emit(directory, "message.part.updated", properties)
        last = {"id": model["modelID"], "providerID": model["providerID"]}
        self.sessions[session] |= {"agent": info["agent"], "model": last}
        self.touch(session)
        return message

    def touch(self, session):
        """Say that a session changed."""
        info = self.sessions[session]
        info["time"] = {**info["time"], "updated": now_ms()}
        self.emit(info["directory"], "session.updated", {"sessionID": session, "info": info})

    async def wait_for_answer(self, run, kind, request, shown):
        """Put a request up and wait for the decision on it."""
        future = asyncio.get_running_loop().create_future()
        self.waiting[request["id"]] = (kind, run.directory, request, future)
        self.emit(run.directory, f"{kind}.asked", request)
        shown()
        return await future

    # Turns

    def prompted(self, session, message):
        """Answer a prompt, now or with the next step of the turn that runs."""
        run, task = self._runs.get(session) or (None, None)
        if task is not None and not task.done():
            run.next_prompt = message
            return task
        run = Run(self, session)
        task = asyncio.get_running_loop().create_task(self._loop(run, message))
        self._runs[session] = (run, task)
        return task

    def answer_to(self, _message):
        """Return the actions that answer a prompt: the next script."""
        return self._scripts.popleft() if self._scripts else (say("OK"),)

    async def _loop(self, run, message):
        """Answer prompts until there is none: those that came meanwhile together, as one."""
        rested = False
        try:
            while message is not None:
                run.prompt, run.next_prompt = message, None
                rested = await run.turn(self.answer_to(message))
                message = run.next_prompt
        except asyncio.CancelledError:
            if not run.killed:
                run.aborted()
            return
        if not rested:
            run.idle()
            self.touch(run.session)

    def take_prompt(self, session, body):
        """Keep a prompt and answer it; returns the task that does."""
        message = self.store_prompt(session, body)
        model = message["info"]["model"]
        prompt = Prompt(
            session=session,
            message=message["info"]["id"],
            text="\n".join(part["text"] for part in body["parts"] if part["type"] == "text"),
            agent=message["info"]["agent"],
            model=f"{model['providerID']}/{model['modelID']}",
            parts=body["parts"],
            system=body.get("system", ""),
        )
        self.prompts.append(prompt)
        return self.prompted(session, message)

    def refuse_agent(self, session, agent):
        """Fail as the real one does: nothing stored, never idle, said twice."""
        directory = self.sessions[session]["directory"]
        data = {"message": f'Agent not found: "{agent}".'}
        for _ in range(2):
            error = {"name": "UnknownError", "data": data}
            self.emit(directory, "session.error", {"sessionID": session, "error": error})

    async def abort(self, session):
        """Stop what runs, as the server does: it answers after it has cleaned up."""
        self.aborts.append(session)
        run, task = self._runs.get(session) or (None, None)
        if task is None or task.done():
            return
        if not run.stubborn:
            task.cancel()
            await asyncio.wait({task})

    async def settled(self, session):
        """Wait until the turn of a session is over."""
        _, task = self._runs[session]
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({task})

    def next_fault(self, path):
        """Return what is to go wrong with a call, once."""
        found = next((fault for fault in self._faults if path.endswith(fault[0])), None)
        if found is None:
            return None
        self._faults.remove(found)
        return found[1]

    @contextlib.contextmanager
    def subscriber(self):
        """Take part in what is sent; None among it means: break off."""
        queue = asyncio.Queue()
        self._subscribers.append(queue)
        self.subscribed.set()
        try:
            yield queue
        finally:
            self._subscribers.remove(queue)
