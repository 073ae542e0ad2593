"""The composition root: open the service's parts in order, listen, and close in reverse."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot import heap
from bot.assembly import Assembly, Options, Service
from bot.caretakers import place_of, words_of
from bot.clock import Clock, now_ms
from bot.errors import StartError, system_words
from bot.leaving import REQUESTS_S, REST_S, Ended, Leaving, told_to_end
from bot.seclusion import seclude
from bot.texts import Language
from bot.upkeep import Upkeep
from bot.watchdogs import Watchdog, Watchdogs, quiet, untroubled
from config.logs import set_up
from config.settings import Settings
from config.version import VERSION
from handlers import viewer
from handlers.admin import Admin
from handlers.guard import Guard
from handlers.health import Health
from handlers.wecom.timing import Timing
from store.crashpoints import arm

__all__ = ["Service", "check_end", "opened", "serve"]

log = structlog.get_logger()

NOTICE_S = 1.0  # between "not ready" and the last new connection: a proxy looks so often
BACKLOG = 512  # connections that wait to be taken: WeCom comes in bursts
MAX_BODY_BYTES = 1024 * 1024
Extra = Callable[[web.Application, Service], None]


def serve(settings: Settings, file: Path | None = None, *, level: str = "info") -> None:
    """Run the service until it is told to end. Raises StartError, for what ended it as well."""
    heap.share_one(ctypes.CDLL(None))
    arm(os.environ)
    seclude()
    mask = set_up(secrets=settings.secrets(), level=level)
    uvloop.run(_serve(settings, file, mask.hide))
    log.info("service.stopped")


async def _serve(settings: Settings, file: Path | None, hide: Callable[[str], None]) -> None:
    ended = told_to_end(settings.turn.grace + REST_S)
    async with opened(settings, file=file, hide=hide, ended=ended, notice_s=NOTICE_S) as service:
        settle_memory()
        await ended.wait()
    check_end(service)
    ended.well()


def settle_memory() -> None:
    """Take what the start has made for what stays: no collection looks at it again.

    A full collection waits until garbage is a quarter of all that lives. With modules and classes
    in that sum it hardly ever came, and looked at all of them when it did.
    """
    gc.collect()
    gc.freeze()


def check_end(service: Service) -> None:
    """Raise StartError when a fault has ended the service."""
    if service.failure is not None:
        raise StartError(f"ended by a fault: {service.failure!r}") from service.failure


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    *,
    file: Path | None = None,
    extra: Extra | None = None,
    hide: Callable[[str], None] = lambda _: None,
    timing: Timing | None = None,
    clock: Clock = now_ms,
    ended: Ended | None = None,
    notice_s: float = 0.0,
) -> AsyncIterator[Service]:
    """Open the whole service: callbacks right after the store, OpenCode in the background.

    ``file`` is where the settings came from, ``extra`` adds routes (the sandbox's), ``hide``
    takes a secret that the log must never show, ``ended`` is set to end it, ``notice_s`` is how
    long it says that it is not ready before it takes no connection any more. Raises StartError.
    """
    ended = ended or Ended()
    async with contextlib.AsyncExitStack() as stack:
        options = Options(clock, file, hide, timing, ended)
        service = await Assembly(stack, settings, options).build()
        leaving = Leaving(service, ended, notice_s)
        edge = service.edge
        watchdogs = Watchdogs(
            service.services,
            edge.close_leaked if edge else None,
            tell=_teller(service),
            troubles=edge.troubles if edge else untroubled,
        )
        await _listen(stack, _application(service, watchdogs, extra), leaving)
        stack.push_async_callback(leaving.drain)
        await _recover(service)
        service.background.keep(watchdogs.run, name="watchdogs", vital=False)
        for warning in settings.warnings():
            log.warning("service.warned", warning=warning)
        public = settings.server.public_url or service.url
        callback = f"{public}/wecom/bot" if settings.wecom.bot.on else ""
        log.info("service.started", version=VERSION, url=service.url, callback=callback)
        yield service
        log.info("service.stopping")


def _teller(service: Service) -> Callable[[Watchdog], None]:
    """Return how those who look after the service hear of a watchdog: by their webhook, if there is one."""
    webhook, settings = service.webhook, service.settings
    if webhook is None:
        return quiet
    place = place_of(settings.server.public_url)
    language: Language = "en" if settings.chat.language == "en" else "zh"

    def tell(one: Watchdog) -> None:
        webhook.tell(words_of(one.name, one.facts, language, place, well=one.well))

    return tell


def _application(service: Service, watchdogs: Watchdogs, extra: Extra | None) -> web.Application:
    services = service.services
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    guard = Guard(service.admin_token)
    health = Health(
        services,
        callbacks=lambda: service.edge.counts if service.edge else {},
        platforms=service.platforms,
        closing=lambda: service.closing,
        guard=guard,
        watchdogs=watchdogs,
    )
    app.add_routes(health.routes)
    app.add_routes(Admin(services, guard, service.bring, health.truth, service.reconnect).routes)
    if service.edge is not None:
        app.add_routes(service.edge.routes)
    live = services.turns.live
    app.add_routes(
        viewer.routes(services.files, services.links, services.store, live, guard.is_admin)
    )
    if extra is not None:
        extra(app, service)

    async def part(_: web.Request, response: web.StreamResponse) -> None:
        if service.closing:  # whoever reuses a connection that is about to be closed is cut off
            response.force_close()
            response.headers["Connection"] = "close"

    app.on_response_prepare.append(part)
    return app


async def _listen(stack: contextlib.AsyncExitStack, app: web.Application, leaving: Leaving) -> None:
    service = leaving.service
    host, port = service.settings.server.host, service.settings.server.port
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=REQUESTS_S,
        lingering_time=2.0,
        logger=_request_log(),
    )
    await runner.setup()
    stack.push_async_callback(leaving.hang_up, runner)
    assert runner.server is not None, "the runner is set up"
    loop = asyncio.get_running_loop()
    try:
        leaving.door = await loop.create_server(runner.server, host, port, backlog=BACKLOG)
    except OSError as exc:
        raise StartError(
            f"cannot listen on {host}:{port} ({system_words(exc)}). "
            "End what uses it, or set another BOT_PORT or BOT_HOST."
        ) from exc
    bound_host, bound_port = leaving.door.sockets[0].getsockname()[:2]
    service.url = f"http://{bound_host}:{bound_port}"


def _request_log() -> logging.Logger:
    """Return aiohttp's own log. What is no HTTP is no fault of ours, and may hold a link."""
    logger = logging.getLogger("aiohttp.server")
    logger.addFilter(_is_fault)
    return logger


def _is_fault(record: logging.LogRecord) -> bool:
    exc = record.exc_info[1] if record.exc_info else None
    if isinstance(exc, HttpProcessingError):
        log.debug("request.malformed", error=type(exc).__name__)
        return False
    return True


async def _follow_hold(service: Service) -> None:
    """Obey an upgrade of OpenCode: turns make way for it, and are taken up when it is over."""
    turns = service.services.turns

    async def lifted() -> None:
        if service.edge is not None:
            await turns.wake_all()

    await service.services.server.gate.follow(turns.make_way, lifted)


async def _recover(service: Service) -> None:
    """Take up what the last run left: unfinished turns, and answers on their way."""
    services, background = service.services, service.background
    background.keep(functools.partial(_follow_hold, service), name="hold")
    if service.edge is not None:  # else nobody could be answered: all stays as it is
        await service.edge.recover()
        await services.media.recover()
        await services.turns.recover()
    upkeep = Upkeep(services)
    background.keep(services.turns.flush, name="flush of running answers")
    background.keep(upkeep.expire_asks, name="expiry of asks")
    background.keep(upkeep.retain, name="retention")
    background.keep(heap.keep_tidy, name="heap", vital=False)
