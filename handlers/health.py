"""Whether the service lives, whether it may be sent messages, and the whole truth for administrators."""

import asyncio
import contextlib
import platform
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import get_args

import orjson
import prometheus_client
from aiohttp import web

from bot import heap
from bot.choices import NOBODY, in_force, quiet_directory
from bot.errors import StoreError
from bot.metrics import Counts, Metrics
from bot.opencode.hold import told
from bot.services import Services
from bot.watchdogs import DISK_LOW_BYTES, Watchdogs
from config.version import VERSION
from handlers.guard import Guard, unauthorized
from store.records import DeliveryState

FORWARDED = (
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"),
    *("Via", "CF-Connecting-IP", "True-Client-IP"),
)
STORE_S = 3.0  # for the store to show that it can keep something
OFFER_S = 2.0  # for OpenCode to say what it has: the first time it loads plugins for that
OTHERS = 0o077
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
LISTED = 50  # running turns in one answer
CAUSES = 5  # of answers that have not arrived


@dataclass(frozen=True, slots=True)
class PlatformState:
    """What a platform says of itself: is it on, and when did it last hear from its people."""

    name: str
    on: bool
    facts: dict[str, object]

    @property
    def trouble(self) -> str:
        """What is wrong with it, as a sentence to act on; empty while nothing is."""
        return str(self.facts.get("trouble") or "")

    @property
    def standing(self) -> str:
        """How it stands, in a word or two that may be told to anybody."""
        if not self.on:
            return "off"
        state = str(self.facts.get("state") or "up")
        if state != "up":
            return f"degraded: {state}"
        return "degraded" if self.trouble else "ok"


class Health:
    """Looks at every part. ``closing`` tells whether a shutdown has begun."""

    def __init__(
        self,
        services: Services,
        callbacks: Counts,
        platforms: Callable[[], list[PlatformState]],
        closing: Callable[[], bool],
        guard: Guard,
        watchdogs: Watchdogs,
    ) -> None:
        self._services = services
        self._metrics = Metrics(callbacks, lambda: services.turns.ended)
        self._platforms = platforms
        self._closing = closing
        self._guard = guard
        self._watchdogs = watchdogs
        self._started_at = services.clock()

    @property
    def routes(self) -> list[web.RouteDef]:
        """What is mounted."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        """Answer as long as the process does; nothing else is asked."""
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.Response:
        """503 only when messages cannot be stored or a shutdown has begun; all else is degraded."""
        stored = await self._store_problem()
        server = self._services.server
        parts = {
            "service": "closing" if self._closing() else "ok",
            "store": stored or "ok",
            "opencode": "ok" if server.state == "ready" else f"degraded: {server.state}",
        }
        parts |= {one.name: one.standing for one in self._platforms()}
        if server.warning:
            parts["opencode_version"] = server.warning
        if (hold := server.gate.hold) is not None:
            parts["hold"] = f"degraded: {hold.state}"
        if server.refused:
            parts["opencode"] = "degraded: refused"  # the sentence may hold paths: `truth` has it
        ready = not stored and not self._closing()
        return _json({"ready": ready, "parts": parts}, status=200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus, for administrators and for whoever asks from this very machine."""
        if not self._guard.is_admin(request) and not is_local(request):
            raise unauthorized()
        await self._gauge()
        body = prometheus_client.generate_latest(self._metrics.registry)
        return web.Response(
            body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        )

    async def truth(self) -> dict[str, object]:
        """Return everything that an administrator needs to know."""
        services = self._services
        store = services.store.health()
        return {
            "version": VERSION,
            "python": platform.python_version(),
            "uptime_s": (services.clock() - self._started_at) // 1000,
            "opencode": await self._opencode(),
            "platforms": {one.name: {"on": one.on} | one.facts for one in self._platforms()},
            "turns": await _counted(services.store.turns.counts) | {"now": self._running()},
            "deliveries": await _counted(services.store.deliveries.counts)
            | await self._undelivered(),
            "database": store,
            "disk": self._disk(),
            "watchdogs": self._watchdogs.report(),
            "warnings": await self._warnings(),
        }

    async def _store_problem(self) -> str:
        try:
            async with asyncio.timeout(STORE_S):
                await self._services.store.ping(self._services.clock())
        except StoreError as exc:
            return f"cannot store messages: {exc}"
        except TimeoutError:
            return f"cannot store messages: no write ended within {STORE_S:.0f} s"
        return ""

    async def _opencode(self) -> dict[str, object]:
        server, feed = self._services.server, self._services.feed
        facts: dict[str, object] = {
            "state": server.state,
            "managed": server.managed,
            "url": server.address.url,
            "version": server.version,
            "restarts": server.restarts,
            "pid": server.pid,
            "follow": "poll" if feed is None else "events",
            "refused": server.refused,
            "capabilities": server.capabilities.facts(),
            "lacks": list(server.capabilities.lacks),
            "hold": self._hold(),
        }
        if feed is not None:
            facts["feed"] = {
                "connected": feed.connected,
                "last_event_at": feed.last_event_at,
                "reconnects": feed.reconnects,
                "skipped": feed.skipped,
            }
        return facts | await self._in_force()

    def _hold(self) -> dict[str, object] | None:
        """Say what an upgrade holds back, for how long by now, and whether its command still runs."""
        hold = self._services.server.gate.hold
        if hold is None:
            return None
        age_s = (self._services.clock() - hold.since) // 1000
        facts = {"state": hold.state, "why": hold.why, "since": hold.since, "age_s": age_s}
        return facts | {"owner": hold.owner.pid, "owned": hold.owned}

    async def _in_force(self) -> dict[str, object]:
        """Agents, models, and which of them a chat without choices of its own gets, and why."""
        if self._services.server.state != "ready":
            return {}
        directory = await asyncio.to_thread(quiet_directory, self._services.settings)
        try:
            async with asyncio.timeout(OFFER_S):
                return await in_force(self._services.choices, NOBODY, directory)
        except TimeoutError:
            return {"error": f"OpenCode has not said within {OFFER_S:.0f} s which agents it has"}

    def _running(self) -> list[dict[str, object]]:
        now = self._services.clock()
        return [
            {
                "turn": running.record.n,
                "chat": running.record.chat,
                "session": running.record.session,
                "age_s": (now - running.started_at) // 1000,
                "last_event_s": (now - running.summary.last_event_at) // 1000,
                "steps": running.summary.steps,
                "prompted": running.prompted,
                "note": running.note,
            }
            for running in self._services.turns.all_running()[:LISTED]
        ]

    async def _undelivered(self) -> dict[str, object]:
        """Since when the oldest answer is due, and why the last ones have not arrived."""
        deliveries, now = self._services.store.deliveries, self._services.clock()
        try:
            oldest_at = await deliveries.oldest("due")
            unsent = await deliveries.unsent()
        except StoreError:  # the counts say so
            return {}
        causes = [
            {"delivery": one.id, "turn": one.turn, "state": one.state, "cause": one.cause}
            for one in unsent
            if one.cause
        ]
        oldest_s = None if oldest_at is None else (now - oldest_at) // 1000
        return {"oldest_due_s": oldest_s, "last_causes": causes[:CAUSES]}

    def _disk(self) -> dict[str, int]:
        usage = shutil.disk_usage(self._services.settings.server.data_dir)
        return {"total": usage.total, "free": usage.free}

    async def _warnings(self) -> list[str]:
        server = self._services.server
        warnings = self._services.settings.warnings()
        warnings += [one for one in (server.warning, server.refused) if one]
        warnings += [f"{one.name}: {one.trouble}" for one in self._platforms() if one.trouble]
        if (hold := server.gate.hold) is not None:
            warnings.append(told(hold, self._services.clock()))
        if self._services.settings.server.data_dir.stat().st_mode & OTHERS:
            warnings.append("others can look into the data folder: chmod 700 it")
        if self._disk()["free"] < DISK_LOW_BYTES:
            warnings.append("less than 500 MB of disk space is left")
        if problem := await self._store_problem():
            warnings.append(problem)
        return warnings

    async def _gauge(self) -> None:
        services, metrics = self._services, self._metrics
        metrics.running.set(len(services.turns))
        with contextlib.suppress(StoreError):  # what can be told is told
            turns = await services.store.turns.counts()
            metrics.queued.set(turns.get("queued", 0))
            deliveries = await services.store.deliveries.counts()
            for state in DELIVERY_STATES:
                metrics.deliveries.labels(state).set(deliveries.get(state, 0))
        metrics.opencode_up.set(services.server.state == "ready")
        metrics.opencode_restarts.value = services.server.restarts
        if services.feed is not None:
            metrics.feed_connected.set(services.feed.connected)
            metrics.feed_reconnects.value = services.feed.reconnects
        self._gauge_channels()
        health = services.store.health()
        self._watchdogs.gauge(metrics)
        metrics.memory_bytes.set(heap.resident_bytes())
        metrics.memory_blocks.set(heap.blocks())
        metrics.database_bytes.set(float(str(health["bytes"])) + float(str(health["wal_bytes"])))

    def _gauge_channels(self) -> None:
        for one in self._platforms():
            self._metrics.channel_up.labels(one.name).set(one.standing == "ok")
            if "kicks" in one.facts:
                self._metrics.connection_opened.value = int(str(one.facts["opened"]))
                self._metrics.connection_kicks.value = int(str(one.facts["kicks"]))


def is_local(request: web.Request) -> bool:
    """Tell whether a request comes from this machine and not through a proxy on it."""
    if any(name in request.headers for name in FORWARDED) or request.remote is None:
        return False
    return ip_address(request.remote).is_loopback


async def _counted(counts: Callable[[], Awaitable[dict[str, int]]]) -> dict[str, object]:
    try:
        return dict(await counts())
    except StoreError as exc:
        return {"error": str(exc)}


def _json(value: object, *, status: int = 200) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, status=status, content_type="application/json")
