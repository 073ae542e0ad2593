"""What is done every now and then: asks that nobody answered, and rows and copies that are too old."""

import asyncio

import structlog

from bot.services import Services

log = structlog.get_logger()

EXPIRE_S = 5.0
RETAIN_S = 3_600.0
DAY_MS = 86_400_000


class Upkeep:
    """The service's housekeeping."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def expire_asks(self) -> None:
        """End permissions that nobody decided in time, for as long as the service lives."""
        while True:
            await self._services.asks.expire(self._services.clock())
            await asyncio.sleep(EXPIRE_S)

    async def retain(self) -> None:
        """Forget what is older than ``retention.days``, for as long as the service lives."""
        while True:
            await self.retain_once()
            await asyncio.sleep(RETAIN_S)

    async def retain_once(self) -> None:
        """Forget old messages, turns, deliveries, and the copies that nothing names any more."""
        services = self._services
        before = services.clock() - services.settings.retention.days * DAY_MS
        store = services.store
        rows = await store.purge(before)
        copies = await services.files.sweep(await store.files.blobs_in_use())
        if rows or copies:
            log.info("store.purged", rows=rows, copies=copies)
