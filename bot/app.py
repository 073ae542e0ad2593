"""The composition root: open the service's parts in order, listen, and close in reverse."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.assembly import Assembly, Options, Service
from bot.clock import Clock, now_ms
from bot.errors import StartError
from bot.upkeep import Upkeep
from config.logs import set_up
from config.settings import Settings
from config.version import VERSION
from handlers import viewer
from handlers.health import Health
from handlers.wecom.timing import Timing
from store.crashpoints import arm

__all__ = ["Service", "check_end", "opened", "serve", "told_to_end"]

log = structlog.get_logger()

LINGER_S = 1.5  # after the last turn: WeCom polls about once a second and should see its last words
MAX_BODY_BYTES = 1024 * 1024

Extra = Callable[[web.Application, Service], None]


def serve(settings: Settings, file: Path | None = None, *, level: str = "info") -> None:
    """Run the service until it is told to end. Raises StartError, for what ended it as well."""
    arm(os.environ)
    mask = set_up(secrets=settings.secrets(), level=level)
    uvloop.run(_serve(settings, file, mask.hide))


async def _serve(settings: Settings, file: Path | None, hide: Callable[[str], None]) -> None:
    ended = told_to_end()
    async with opened(settings, file=file, hide=hide, ended=ended) as service:
        await ended.wait()
    check_end(service)


def check_end(service: Service) -> None:
    """Raise StartError when a fault has ended the service."""
    if service.failure is not None:
        raise StartError(f"ended by a fault: {service.failure!r}") from service.failure


def told_to_end() -> asyncio.Event:
    """Return an event that is set when the process is told to end, while it still starts, too."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    return ended


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    *,
    file: Path | None = None,
    extra: Extra | None = None,
    hide: Callable[[str], None] = lambda _: None,
    timing: Timing | None = None,
    clock: Clock = now_ms,
    ended: asyncio.Event | None = None,
) -> AsyncIterator[Service]:
    """Open the whole service: callbacks right after the store, OpenCode in the background.

    ``file`` is where the settings came from, ``extra`` adds routes (the sandbox's), ``hide``
    takes a secret that the log must never show, ``ended`` is set to end it. Raises StartError.
    """
    async with contextlib.AsyncExitStack() as stack:
        options = Options(clock, file, hide, timing, ended or asyncio.Event())
        service = await Assembly(stack, settings, options).build()
        await _listen(stack, _application(service, extra), service)
        stack.push_async_callback(_drain, service)
        await _recover(service)
        for warning in settings.warnings():
            log.warning("service.warned", warning=warning)
        public = settings.server.public_url or service.url
        log.info(
            "service.started", version=VERSION, url=service.url, callback=f"{public}/wecom/bot"
        )
        yield service
        log.info("service.stopping")


def _application(service: Service, extra: Extra | None) -> web.Application:
    services = service.services
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    health = Health(
        services,
        callbacks=lambda: service.edge.counts if service.edge else {},
        platforms=service.platforms,
        closing=lambda: service.closing,
        token=service.admin_token,
    )
    app.add_routes(health.routes)
    if service.edge is not None:
        app.add_routes(service.edge.routes)
    live = services.turns.live
    app.add_routes(
        viewer.routes(services.files, services.links, services.store, live, health.is_admin)
    )
    if extra is not None:
        extra(app, service)
    return app


async def _listen(stack: contextlib.AsyncExitStack, app: web.Application, service: Service) -> None:
    host, port = service.settings.server.host, service.settings.server.port
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=5.0,
        lingering_time=2.0,
        logger=_request_log(),
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as exc:
        raise StartError(
            f"cannot listen on {host}:{port} ({exc.strerror}). "
            "End what uses it, or set another BOT_PORT or BOT_HOST."
        ) from exc
    bound_host, bound_port = runner.addresses[0][:2]
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


async def _recover(service: Service) -> None:
    """Take up what the last run left: unfinished turns, and answers on their way."""
    services, background = service.services, service.background
    for delivery in await services.store.deliveries.doubtful():
        log.warning("delivery.unknown", delivery=delivery.id, turn=delivery.turn)
    if service.edge is not None:  # else nobody could be answered: all stays as it is
        await services.turns.recover()
        for delivery in await services.store.deliveries.all_waiting():
            background.start(
                service.edge.replies.deliver(delivery.id), name=f"delivery {delivery.id}"
            )
    upkeep = Upkeep(services)
    background.keep(services.turns.flush, name="flush of running answers")
    background.keep(upkeep.expire_asks, name="expiry of asks")
    background.keep(upkeep.retain, name="retention")


async def _drain(service: Service) -> None:
    """Let running turns end while callbacks are still answered, so that their words are seen."""
    service.closing = True
    turns, server = service.services.turns, service.services.server
    waited = len(turns) > 0
    await turns.close(grace_s=service.settings.turn.grace, interrupt=server.managed)
    if waited:
        await asyncio.sleep(LINGER_S)
