"""OpenCode over HTTP: whether it answers, who may ask, and whether it keeps what we rely on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import orjson

from bot.choices import quiet_directory
from bot.doctor import machine
from bot.doctor.asking import why
from bot.doctor.checks import opencode_machine
from bot.doctor.findings import Check, Finding, check
from bot.doctor.inforce.told import Provider, ask
from bot.doctor.scene import Scene
from bot.errors import OpenCodeError, OpenCodeUnavailable
from bot.opencode.client import OpenCode
from bot.opencode.environment import Folders
from bot.opencode.probe import Address, Probe, warning_about
from bot.opencode.transport import Transport, nothing
from bot.texts import doctor_opencode as titles
from bot.tls import trusted

ANSWER_S = 5.0
FIRST_USE_S = 40.0
LOOKS = 3
SLOW_MS = 3_000
GREETING_S = 5.0
BEAT_S = 15.0  # heartbeats come every ten
HEALTH = "/global/health"
START = {True: "systemctl restart opencode-wecom", False: "systemctl restart opencode"}


@check("opencode.reached", titles.REACHED)
async def reached(scene: Scene) -> Iterable[Finding]:
    """Ask for its version with our password."""
    address = scene.address
    if address is None:
        mend = "start the service: python -m bot run"
        return [reached.warning("the managed server was never started here", mend)]
    try:
        async with Probe(address) as probe:
            version = await probe.version(ANSWER_S)
    except OpenCodeUnavailable:
        return [reached.error(*_silent(scene, address))]
    except OpenCodeError as exc:
        return [reached.error(*_refused(scene, address, exc))]
    return [reached.fine(f"{address.url} answers: OpenCode {version}")]


def _silent(scene: Scene, address: Address) -> tuple[str, str]:
    if not scene.managed:
        mend = f"{START[False]}; then its log: journalctl -u opencode"
        return f"{address.url} does not answer", mend
    refused = scene.told("opencode", "state")
    told = f"; the service says: {refused}" if refused else "; the service is down, so it is, too"
    if scene.slow:
        told = "; the service gives no answer, either"
    folders = Folders.under(scene.data_dir)
    return f"{address.url} does not answer{told}", f"{START[True]}; what it printed: {folders.log}"


def _refused(scene: Scene, address: Address, exc: OpenCodeError) -> tuple[str, str]:
    if exc.status == HTTPStatus.UNAUTHORIZED:
        said = f"{address.url} does not accept the user name and password"
        if scene.managed:
            return said, f"another server took its port; {START[True]}"
        mend = (
            "set opencode.username and opencode.password (OPENCODE_SERVER_PASSWORD) to the server's"
        )
        return said, mend
    return f"{address.url} answers {exc.status} {exc.name}", "see that opencode.url is OpenCode's"


@check("opencode.version", titles.VERSION)
async def version(scene: Scene) -> Iterable[Finding]:
    """Compare its version with the range that was proved."""
    number = await _version(scene)
    if number is None:
        return []
    warned = warning_about(number)
    if warned:
        return [version.warning(warned, "python -m bot opencode upgrade")]
    return [version.fine(f"OpenCode {number} is within the proved range")]


@check("opencode.latency", titles.LATENCY, limit_s=LOOKS * ANSWER_S + 1)
async def latency(scene: Scene) -> Iterable[Finding]:
    """Time the smallest call; the middle one of three counts."""
    if scene.address is None or await _version(scene) is None:
        return []
    taken = []
    async with Probe(scene.address) as probe:
        for _ in range(LOOKS):
            began = time.perf_counter()
            await probe.version(ANSWER_S)
            taken.append((time.perf_counter() - began) * 1000)
    middle = sorted(taken)[LOOKS // 2]
    said = f"{HEALTH} in {middle:.0f} ms (the middle of {LOOKS})"
    if middle > SLOW_MS:
        mend = "see what loads it: running turns, memory, the machine's load"
        return [latency.warning(said, mend)]
    return [latency.fine(said)]


@check("opencode.auth", titles.AUTH)
async def auth(scene: Scene) -> Iterable[Finding]:
    """Ask without a password: whoever is let in can run commands."""
    if scene.address is None:
        return []
    async with httpx.AsyncClient(
        base_url=scene.address.url, trust_env=False, verify=trusted()
    ) as http:
        try:
            status = (await http.get(HEALTH, timeout=ANSWER_S)).status_code
        except httpx.HTTPError:
            return []  # `opencode.reached` says so
    if status == HTTPStatus.UNAUTHORIZED:
        return [auth.fine("a request without a password gets 401")]
    if status == HTTPStatus.OK:
        said = f"{scene.address.url} answers whoever asks: it has no password, and runs commands"
        mend = (
            "set OPENCODE_SERVER_PASSWORD in the server's environment file and in this "
            f"service's, then {START[scene.managed]}"
        )
        return [auth.error(said, mend)]
    return [auth.warning(f"a request without a password gets {status}", "see what answers there")]


@check("opencode.events", titles.EVENTS, limit_s=GREETING_S + BEAT_S + 5)
async def events(scene: Scene) -> Iterable[Finding]:
    """Subscribe: the stream must greet, and with ``--deep`` beat."""
    if scene.address is None or await _version(scene) is None:
        return []
    mend = f"{START[scene.managed]}; no proxy may buffer /global/event"
    heard: list[str] = []
    try:
        async with _stream(scene.address) as kinds:
            async with asyncio.timeout(GREETING_S):
                heard.append(await anext(kinds))
            if scene.deep:
                async with asyncio.timeout(BEAT_S):
                    heard.append(await anext(kinds))
    except (TimeoutError, StopAsyncIteration, httpx.HTTPError) as exc:
        if not heard:
            said = f"/global/event does not greet within {GREETING_S:.0f} s ({why(exc)})"
            return [events.error(said, mend)]
        said = f"/global/event greets, then is silent for {BEAT_S:.0f} s"
        return [events.warning(said, mend)]
    return [events.fine(f"/global/event yields {', '.join(heard)}")]


@contextlib.asynccontextmanager
async def _stream(address: Address) -> AsyncIterator[AsyncIterator[str]]:
    login = httpx.BasicAuth(address.username, address.password) if address.password else None
    limits = httpx.Timeout(ANSWER_S, read=BEAT_S)
    async with (
        httpx.AsyncClient(
            base_url=address.url, auth=login, timeout=limits, trust_env=False, verify=trusted()
        ) as http,
        http.stream("GET", "/global/event") as response,
    ):
        response.raise_for_status()
        yield _kinds(response)


async def _kinds(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                yield str(orjson.loads(line.removeprefix("data:"))["payload"]["type"])


@check("opencode.lists", titles.LISTS, limit_s=FIRST_USE_S)
async def lists(scene: Scene) -> Iterable[Finding]:
    """Read what waits for a person: without these lists an approval would never be found again."""
    if scene.address is None or await _version(scene) is None:
        return []
    folder = await asyncio.to_thread(quiet_directory, scene.settings)
    try:
        async with _client(scene.address) as client:
            waiting = len(await client.permissions(folder)) + len(await client.questions(folder))
    except (OpenCodeError, OpenCodeUnavailable) as exc:
        said = f"/permission or /question cannot be read: {_kind(exc)}"
        return [lists.error(said, "see the group *What is in force* and OpenCode's log")]
    return [
        lists.fine(f"/permission and /question can be read; {waiting} wait for a new chat's folder")
    ]


@check("opencode.sessions", titles.SESSIONS, limit_s=FIRST_USE_S)
async def sessions(scene: Scene) -> Iterable[Finding]:
    """With ``--deep``: open a session, abort it while it rests, delete it."""
    if not scene.deep or scene.address is None or await _version(scene) is None:
        return []
    folder = await asyncio.to_thread(quiet_directory, scene.settings)
    mend = (
        f"{START[scene.managed]}; then OpenCode's log: the disk may be full or its database damaged"
    )
    step = "opening a session"
    try:
        async with _client(scene.address) as client:
            opened = await client.create_session(folder, title="doctor", metadata={})
            try:
                step = "aborting a session that rests"
                await client.abort(opened.id)
                busy = opened.id in await client.status(folder)
            finally:
                await _delete(scene.address, opened.id)
    except (OpenCodeError, OpenCodeUnavailable) as exc:
        return [sessions.error(f"{step} fails: {_kind(exc)}", mend)]
    if busy:
        return [sessions.error("a session that rests counts as busy after an abort", mend)]
    return [sessions.fine("a session was opened, aborted while it rested, and deleted")]


async def _delete(address: Address, session: str) -> None:
    transport = Transport(address.url, address.username, address.password, ANSWER_S)
    try:
        await transport.call("DELETE", f"/session/{session}", nothing)
    finally:
        await transport.close()


@check("opencode.models", titles.MODELS, limit_s=FIRST_USE_S)
async def models(scene: Scene) -> Iterable[Finding]:
    """See that there is a provider with a model and a key; whether the key is accepted shows only a turn."""
    if scene.address is None or await _version(scene) is None:
        return []
    folder = await asyncio.to_thread(quiet_directory, scene.settings)
    told = await ask(scene.address, folder)
    if isinstance(told, str):
        return [
            models.error(told, "see the group *What is in force*: its configuration is refused")
        ]
    able = [provider for provider in told.providers if provider.models]
    if not able:
        said = "no provider has a model: nothing can be answered"
        return [
            models.error(
                said,
                "log in to one: opencode auth login; or write a provider into its configuration",
            )
        ]
    findings = [finding for provider in able for finding in _judged(provider)]
    named = ", ".join(f"{one.id} ({one.models} models, key {one.key})" for one in able[:8])
    return findings or [models.fine(f"{named}; whether a key is accepted shows only a turn")]


def _judged(provider: Provider) -> list[Finding]:
    found = []
    if provider.key == "empty":
        said = f"the key of provider {provider.id} is empty: its configuration names a variable that is not set"
        mend = (
            f"set the variable in the server's environment, or: opencode auth login ({provider.id})"
        )
        found.append(models.error(said, mend))
    for package in provider.fetched:
        said = f"provider {provider.id} needs {package}, which OpenCode fetches at the first prompt"
        mend = 'use "npm": "@ai-sdk/openai-compatible", or let the server reach the npm registry'
        found.append(models.warning(said, mend))
    return found


def _client(address: Address) -> OpenCode:
    return OpenCode(address.url, address.username, address.password, timeout_s=FIRST_USE_S / 2)


async def _version(scene: Scene) -> str | None:
    """Return its version, None when it cannot be asked: `opencode.reached` says so, once."""
    if scene.address is None:
        return None
    try:
        async with Probe(scene.address) as probe:
            return await probe.version(ANSWER_S)
    except (OpenCodeError, OpenCodeUnavailable):
        return None


def _kind(exc: OpenCodeError | OpenCodeUnavailable) -> str:
    """Return what went wrong without its words, which may quote a configuration."""
    return f"{exc.status} {exc.name}".strip() if isinstance(exc, OpenCodeError) else "no answer"


@check("opencode.bound", titles.BOUND)
async def bound(scene: Scene) -> Iterable[Finding]:
    """See which addresses take connections: OpenCode must be reached from this machine alone."""
    if scene.address is None:
        return []
    port = machine.local_port(scene.address.url)
    if port is None:
        parts = urlsplit(scene.address.url)
        if parts.scheme == "https":
            return [
                bound.fine(
                    f"{parts.hostname} is another machine; what it listens on cannot be seen from here"
                )
            ]
        said = (
            f"{scene.address.url} is another machine, without TLS: the password travels in the open"
        )
        return [bound.warning(said, "put TLS before it, or run OpenCode on this machine")]
    return opencode_machine.bound_findings(bound, port)


CHECKS: tuple[Check, ...] = (
    reached,
    version,
    latency,
    auth,
    bound,
    events,
    lists,
    sessions,
    models,
    *opencode_machine.CHECKS,
)
