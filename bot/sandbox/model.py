"""A scripted, OpenAI-compatible model on loopback: no network, no key, the same answer each time."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from bot.sandbox import demo
from bot.sandbox.script import (
    TITLE_MODEL,
    Call,
    Cut,
    Failure,
    Request,
    Speech,
    Step,
    Wait,
    say,
)

PROVIDER = "demo"
MODEL = "demo"
BODY_LIMIT = 64 * 1024 * 1024
STOP_S = 0.5
TITLE_LETTERS = 24
NARROW = {"context": 20_000, "output": 1_000}

Match = str | Callable[[Request], bool]
Behaviour = Callable[[Request], Step]


@dataclass(slots=True)
class Script:
    """Steps for the turns that ``match`` picks; every turn begins at the first step."""

    match: Match
    steps: tuple[Step, ...]
    once: bool = False
    places: dict[tuple[str, int], int] = field(default_factory=dict)

    def fits(self, request: Request) -> bool:
        """Tell whether this script plays the turn that ``request`` belongs to."""
        if self.once and self.places:
            return _turn_of(request) in self.places
        if isinstance(self.match, str):
            return self.match in request.user
        return self.match(request)

    def next(self, request: Request) -> Step:
        """Return the step whose turn it is; the last is repeated, unless it calls tools."""
        place = self.places.get(_turn_of(request), 0)
        self.places[_turn_of(request)] = place + 1
        if place < len(self.steps):
            return self.steps[place]
        return say("(end of script)") if self.steps[-1].calls else self.steps[-1]


class ScriptedModel:
    """The model. ``behaviour`` answers whatever no script claims."""

    def __init__(self, behaviour: Behaviour = demo.answer) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self._behaviour = behaviour
        self._scripts: list[Script] = []
        self._gates: dict[str, asyncio.Event] = {}
        self._heard = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL for OpenCode's provider configuration."""
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        # Who went away is not answered any more: nobody would hold what stands still for them.
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=STOP_S, handler_cancellation=True
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"http://{host}:{bound}/v1"
        return self.url

    async def stop(self) -> None:
        """Stop listening; what hangs is cut."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def script(self, match: Match, *steps: Step) -> None:
        """Play ``steps`` in each turn whose last user message contains ``match``; newest wins."""
        self._scripts.insert(0, Script(match, steps))

    def queue(self, *steps: Step) -> None:
        """Play ``steps`` once, in the next turn that no earlier queued steps have taken."""
        self._scripts.append(Script("", steps, once=True))

    def release(self, gate: str = "gate") -> None:
        """Let go on what stands still at ``hold(gate)``, now and later."""
        self._gates.setdefault(gate, asyncio.Event()).set()

    def reset(self) -> None:
        """Forget scripts and requests; whoever stands still at a gate goes on."""
        for gate in self._gates.values():
            gate.set()
        self._gates = {}
        self._scripts = []
        self.requests = []

    def asked(self, match: str = "") -> list[Request]:
        """Return the requests whose last user message contains ``match``, without those for titles."""
        return [r for r in self.requests if match in r.user and not r.is_title]

    async def wait_asked(self, match: str = "", count: int = 1) -> Request:
        """Wait until there were ``count`` such requests, and return that one."""
        async with self._heard:
            await self._heard.wait_for(lambda: len(self.asked(match)) >= count)
        return self.asked(match)[count - 1]

    def choose(self, request: Request) -> Step:
        """Decide what to do with a request: scripts first, then the behaviour."""
        if request.is_title:
            return say(demo.title(request.user)[:TITLE_LETTERS])
        script = next((each for each in self._scripts if each.fits(request)), None)
        return script.next(request) if script is not None else self._behaviour(request)

    async def _models(self, _: web.Request) -> web.Response:
        names = (MODEL, "second", "tiny", "eyes", TITLE_MODEL)
        models = [{"id": name, "object": "model", "owned_by": PROVIDER} for name in names]
        return _json({"object": "list", "data": models})

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        try:
            request = Request.parse(orjson.loads(await http.read()), http.headers)
        except ValueError as exc:
            return _json({"error": {"message": str(exc)}}, status=400)
        step = self.choose(request)
        async with self._heard:
            self.requests.append(request)
            self._heard.notify_all()
        wire = _Wire(http, f"chatcmpl-{next(self._numbers)}", request.model)
        try:
            return await (self._stream(wire, step) if request.stream else self._whole(wire, step))
        except ConnectionResetError:  # OpenCode aborted: nobody reads on
            return web.Response()

    async def _stream(self, wire: "_Wire", step: Step) -> web.StreamResponse:
        for piece in step.pieces:
            match piece:
                case Failure():
                    return _failure(piece)
                case Cut():
                    return wire.cut()
                case Wait():
                    await self._wait(piece)
                case Speech():
                    await wire.speak(piece)
                case _:
                    pass
        return await wire.end(step)

    async def _whole(self, wire: "_Wire", step: Step) -> web.StreamResponse:
        for piece in step.pieces:
            match piece:
                case Failure():
                    return _failure(piece)
                case Cut():
                    return wire.cut()
                case Wait():
                    await self._wait(piece)
                case _:
                    pass
        return _json(wire.completion(step))

    async def _wait(self, wait: Wait) -> None:
        # A gate without a name is never opened: our own stop or the client's end ends this request.
        gate = asyncio.Event()
        if wait.gate:
            gate = self._gates.setdefault(wait.gate, gate)
        await gate.wait()


class _Wire:
    """One answer on its way: the chunks of the OpenAI protocol."""

    def __init__(self, http: web.Request, name: str, model: str) -> None:
        self._http = http
        self._head = {"id": name, "created": 1_700_000_000, "model": model}
        self._response: web.StreamResponse | None = None

    async def speak(self, speech: Speech) -> None:
        key = "reasoning_content" if speech.thought else "content"
        for text in speech.pieces():
            await self._send({"delta": {"role": "assistant", key: text}})
            if speech.delay_s:
                await asyncio.sleep(speech.delay_s)

    def cut(self) -> web.StreamResponse:
        transport = self._http.transport
        assert transport is not None, "a request that is being answered has a connection"
        transport.abort()
        return self._response or web.Response()

    async def end(self, step: Step) -> web.StreamResponse:
        calls = [{"index": n} | call for n, call in enumerate(self._calls(step.calls))]
        if calls:
            await self._send({"delta": {"role": "assistant", "tool_calls": calls}})
        await self._send({"delta": {}, "finish_reason": step.finish})
        response = await self._chunk({"choices": [], "usage": _usage(step)})
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def completion(self, step: Step) -> dict[str, object]:
        """Return the answer in one body, for a client that did not ask for a stream."""
        speeches = [piece for piece in step.pieces if isinstance(piece, Speech)]
        message: dict[str, object] = {
            "role": "assistant",
            "content": "".join(s.text for s in speeches if not s.thought),
            "reasoning_content": "".join(s.text for s in speeches if s.thought),
        }
        if step.calls:
            message["tool_calls"] = list(self._calls(step.calls))
        choice = {"index": 0, "message": message, "finish_reason": step.finish}
        body = {"object": "chat.completion", "choices": [choice], "usage": _usage(step)}
        return {**self._head, **body}

    def _calls(self, calls: Iterable[Call]) -> Iterable[dict[str, object]]:
        for number, call in enumerate(calls):
            arguments = orjson.dumps(dict(call.arguments)).decode()
            function = {"name": call.tool, "arguments": arguments}
            name = f"call_{self._head['id']}_{number}"
            yield {"id": name, "type": "function", "function": function}

    async def _send(self, choice: Mapping[str, object]) -> None:
        await self._chunk({"choices": [{"index": 0, "finish_reason": None, **choice}]})

    async def _chunk(self, body: Mapping[str, object]) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            self._response.force_close()  # a connection kept alive would not survive our restart
            await self._response.prepare(self._http)
        chunk = {**self._head, "object": "chat.completion.chunk", **body}
        await self._response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
        return self._response


def provider_config(url: str) -> dict[str, object]:
    """Return the OpenCode configuration that makes the model at ``url`` the one in force."""
    text = {"input": ["text"], "output": ["text"]}
    wide = {"context": 128_000, "output": 8_192}
    plain: dict[str, object] = {"tool_call": True, "limit": wide, "modalities": text}
    sight = {"input": ["text", "image"], "output": ["text"]}
    models = {
        MODEL: {**plain, "name": "Demo (scripted)", "reasoning": True},
        "second": {**plain, "name": "Demo, second"},
        "tiny": {**plain, "name": "Demo, small window", "limit": NARROW},
        "eyes": {**plain, "name": "Demo, sees images", "modalities": sight, "attachment": True},
        TITLE_MODEL: {**plain, "name": "Demo titles"},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Demo (scripted)",
        "options": {"baseURL": url, "apiKey": "none"},
        "models": models,
    }
    return {
        "enabled_providers": [PROVIDER],
        "provider": {PROVIDER: provider},
        "model": f"{PROVIDER}/{MODEL}",
        "small_model": f"{PROVIDER}/{TITLE_MODEL}",
    }


def _turn_of(request: Request) -> tuple[str, int]:
    return request.session, request.turn


def _usage(step: Step) -> dict[str, int]:
    answer = min(10, step.tokens)
    return {
        "prompt_tokens": step.tokens - answer,
        "completion_tokens": answer,
        "total_tokens": step.tokens,
    }


def _failure(failure: Failure) -> web.Response:
    error = {"error": {"message": failure.message, "type": "scripted", "code": failure.status}}
    return _json(error, status=failure.status, headers=failure.headers)


def _json(
    body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )
    response.force_close()
    return response
