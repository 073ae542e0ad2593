"""The HTTP side of the scripted OpenCode: routes, shapes and refusals of the real one."""

import asyncio
import base64
from pathlib import Path

import orjson
from aiohttp import web

PAGE = "<!doctype html>\n<html><title>OpenCode</title></html>"


def application(fake):
    """Return the server's application."""
    app = web.Application(middlewares=[Gate(fake)], client_max_size=100 * 1024 * 1024)
    calls = Calls(fake)
    app.add_routes(
        [
            web.get("/global/health", calls.health),
            web.get("/global/event", calls.events),
            web.post("/global/dispose", calls.dispose),
            web.get("/config", calls.config),
            web.get("/config/providers", calls.providers),
            web.get("/path", calls.path),
            web.get("/file/content", calls.content),
            web.get("/agent", calls.agents),
            web.get("/command", calls.commands),
            web.get("/skill", calls.skills),
            web.get("/session/status", calls.status),
            web.get("/session", calls.sessions),
            web.post("/session", calls.create),
            web.get("/session/{session}", calls.session),
            web.patch("/session/{session}", calls.rename),
            web.delete("/session/{session}", calls.delete),
            web.get("/session/{session}/children", calls.children),
            web.get("/session/{session}/message", calls.messages),
            web.delete("/session/{session}/message/{message}", calls.delete_message),
            web.post("/session/{session}/prompt_async", calls.prompt),
            web.post("/session/{session}/command", calls.command),
            web.post("/session/{session}/abort", calls.abort),
            web.get("/session/{session}/todo", calls.todos),
            web.get("/session/{session}/diff", calls.diff),
            web.get("/permission", calls.permissions),
            web.post("/permission/{request}/reply", calls.reply_permission),
            web.get("/question", calls.questions),
            web.post("/question/{request}/{verb:reply|reject}", calls.answer_question),
            web.route("*", "/{path:.*}", calls.page),
        ]
    )
    return app


def answer(value, status=200):
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def refuse(status, name, message):
    return answer({"name": name, "data": {"message": message}}, status)


def cut(request, response):
    """Break the connection instead of ending the answer."""
    if request.transport is not None:
        request.transport.abort()
    return response


def page(status=200):
    return web.Response(text=PAGE, status=status, content_type="text/html")


@web.middleware
class Gate:
    """Counts the calls, lets in who knows the password, and lets calls go wrong."""

    def __init__(self, fake):
        self.fake = fake

    async def __call__(self, request, handler):
        fake = self.fake
        fake.folders[request.path] = request.query.get("directory", "")
        fake.calls.append(f"{request.method} {request.path}")
        known = base64.b64encode(f"{fake.username}:{fake.password}".encode()).decode()
        if fake.password and request.headers.get("authorization") != f"Basic {known}":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        match fake.next_fault(request.path):
            case None:
                return await self.act(request, handler)
            case "error":
                return refuse(500, "UnknownError", fake.failure)
            case "html":
                return page()
            case "proxy":
                return page(502)
            case "hang":
                await asyncio.Event().wait()
            case "drop":
                await self.act(request, handler)
        return cut(request, web.Response())

    async def act(self, request, handler):
        session = request.match_info.get("session")
        if session is not None and session not in self.fake.sessions:
            if request.path.endswith("/abort"):
                return answer(True)
            return refuse(404, "NotFoundError", f"Session not found: {session}")
        return await handler(request)


class Calls:
    """What each route answers."""

    def __init__(self, fake):
        self.fake = fake

    async def page(self, _):
        return page()

    async def health(self, _):
        return answer({"healthy": True, "version": self.fake.version})

    async def events(self, request):
        fake = self.fake
        if fake.refusing_events:
            return page(fake.refusing_events)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with fake.subscriber() as queue:
            beat = b'data: {"payload":{"id":"evt_0","type":"server.%s","properties":{}}}\n\n'
            data = beat % b"connected"
            while data is not None:
                if not fake.silent:
                    await response.write(data)
                try:
                    async with asyncio.timeout(fake.beat_s):
                        data = await queue.get()
                except TimeoutError:
                    data = beat % b"heartbeat"
        return cut(request, response)

    async def dispose(self, _):
        for session in list(self.fake.busy):
            await self.fake.abort(session)
        return answer(True)

    async def config(self, _):
        return answer(self.fake.config)

    async def content(self, request):
        file = Path(request.query["directory"]) / request.query["path"]
        if self.fake.elsewhere or not await asyncio.to_thread(file.is_file):
            return answer({"type": "text", "content": ""})
        return answer({"type": "text", "content": await asyncio.to_thread(file.read_text)})

    async def providers(self, _):
        if self.fake.providers is not None:
            return answer(self.fake.providers)
        models = self.fake.models
        providers = [
            {"id": name, "name": name, "options": {"apiKey": "key"}, "models": {m: {} for m in of}}
            for name, of in models.items()
        ]
        return answer({"providers": providers, "default": {p: of[0] for p, of in models.items()}})

    async def path(self, request):
        directory = request.query["directory"]
        in_git = await asyncio.to_thread((Path(directory) / ".git").exists)
        worktree = directory if in_git else "/"
        return answer({"worktree": worktree, "directory": directory})

    async def agents(self, _):
        return answer(self.fake.agents)

    async def skills(self, _request):
        return answer([])

    async def commands(self, _):
        return answer(self.fake.commands)

    async def status(self, request):
        fake = self.fake
        if fake.frozen_status is not None:
            return answer(fake.frozen_status)
        directory = request.query.get("directory")
        of = {s: v for s, v in fake.busy.items() if fake.sessions[s]["directory"] == directory}
        return answer(of)

    async def sessions(self, request):
        query = request.query
        found = [s for s in self.fake.sessions.values() if s["directory"] == query["directory"]]
        if query.get("roots") == "true":
            found = [s for s in found if "parentID" not in s]
        found.sort(key=lambda s: s["time"]["updated"], reverse=True)
        return answer(found[: int(query.get("limit", 100))])

    async def create(self, request):
        body = orjson.loads(await request.read() or b"{}")
        title = body.pop("title", "New session")
        session = self.fake.open_session(request.query["directory"], title, **body)
        return answer(self.fake.sessions[session])

    async def session(self, request):
        return answer(self.fake.sessions[request.match_info["session"]])

    async def rename(self, request):
        session = self.fake.sessions[request.match_info["session"]]
        session |= orjson.loads(await request.read())
        self.fake.touch(session["id"])
        return answer(session)

    async def delete(self, request):
        self.fake.delete_session(request.match_info["session"])
        return answer(True)

    async def children(self, request):
        parent = request.match_info["session"]
        return answer([s for s in self.fake.sessions.values() if s.get("parentID") == parent])

    async def messages(self, request):
        found = self.fake.messages[request.match_info["session"]]
        limit = int(request.query.get("limit", 0))
        return answer(found[-limit:])

    async def delete_message(self, request):
        session, message = request.match_info["session"], request.match_info["message"]
        if session in self.fake.busy:
            return answer(
                {"_tag": "SessionBusyError", "sessionID": session, "message": "busy"}, 409
            )
        kept = self.fake.messages[session]
        kept[:] = [m for m in kept if m["info"]["id"] != message]
        about = {"sessionID": session, "messageID": message}
        self.fake.emit(self.fake.sessions[session]["directory"], "message.removed", about)
        return answer(True)

    async def prompt(self, request):
        session = request.match_info["session"]
        body = orjson.loads(await request.read())
        if not isinstance(body.get("parts"), list):
            return refuse(400, "BadRequest", 'Missing key\n  at ["parts"]')
        if body.get("agent") not in {a["name"] for a in self.fake.agents}:
            self.fake.refuse_agent(session, body.get("agent"))
            return web.Response(status=204)
        self.fake.take_prompt(session, body)
        return web.Response(status=204)

    async def command(self, request):
        session = request.match_info["session"]
        body = orjson.loads(await request.read())
        if body["command"] not in {c["name"] for c in self.fake.commands}:
            return refuse(500, "UnknownError", "Unexpected server error.")
        provider, _, model = body["model"].partition("/")
        body["model"] = {"providerID": provider, "modelID": model}
        body["parts"] = [{"type": "text", "text": f"{body['command']} {body['arguments']}"}]
        await asyncio.wait({self.fake.take_prompt(session, body)})
        return answer(self.fake.messages[session][-1])

    async def abort(self, request):
        await self.fake.abort(request.match_info["session"])
        return answer(True)

    async def todos(self, request):
        return answer(self.fake.todos.get(request.match_info["session"], []))

    async def diff(self, _):
        return answer(self.fake.diffs)

    def waiting(self, kind, directory):
        waiting = self.fake.waiting.values()
        return answer([request for k, d, request, _ in waiting if (k, d) == (kind, directory)])

    async def permissions(self, request):
        return self.waiting("permission", request.query.get("directory"))

    async def questions(self, request):
        return self.waiting("question", request.query.get("directory"))

    async def reply_permission(self, request):
        body = orjson.loads(await request.read())
        return self.decide("permission", request, body, "replied", {"reply": body["reply"]})

    async def answer_question(self, request):
        if request.match_info["verb"] == "reject":
            return self.decide("question", request, None, "rejected", {})
        answers = orjson.loads(await request.read())["answers"]
        return self.decide("question", request, answers, "replied", {"answers": answers})

    def decide(self, kind, request, decision, verb, more):
        name = request.match_info["request"]
        known = self.fake.waiting.get(name)
        if known is None or known[:2] != (kind, request.query.get("directory")):
            tag = f"{kind.title()}NotFoundError"
            message = f"{kind.title()} request not found: {name}"
            return answer({"_tag": tag, "requestID": name, "message": message}, 404)
        _, directory, asked, future = self.fake.waiting.pop(name)
        self.fake.replies.append((name, decision))
        about = {"sessionID": asked["sessionID"], "requestID": name, **more}
        self.fake.emit(directory, f"{kind}.{verb}", about)
        if not future.done():
            future.set_result(decision)
        return answer(True)
