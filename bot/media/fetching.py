"""Fetch what came with messages at once: where it is to be had dies within minutes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.errors import MediaError, StoreError
from bot.media.names import safe_name
from bot.media.receiving import Copies, Copy, Draft
from store import Store
from store.records import AttachmentRecord

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")

AT_ONCE = 8
TRY_S = 180.0  # of one download
PAUSES_S = (0.3, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # between tries
LIFE_MS = 300_000  # of an address: no try begins later, but for the first


@dataclass(frozen=True, slots=True)
class Download:
    """A medium on its way: the name that it gives itself, and its decrypted content in pieces."""

    name: str
    pieces: AsyncIterator[bytes]


class Fetcher(Protocol):
    """How one channel hands out its media."""

    def fetch(self, medium: AttachmentRecord, limit: int) -> AbstractAsyncContextManager[Download]:
        """Open a medium of at most ``limit`` bytes. It and its pieces raise ``MediaError``."""


class Sources:
    """Where media come from, by the channel that brought their message."""

    def __init__(self) -> None:
        self._fetchers: dict[str, Fetcher] = {}

    def put(self, channel: str, fetcher: Fetcher) -> None:
        """Take a channel in."""
        self._fetchers[channel] = fetcher

    def of(self, channel: str) -> Fetcher:
        """Return how to fetch what a channel brought. Raises ``MediaError`` when it is off now."""
        if channel not in self._fetchers:
            raise MediaError("gone")
        return self._fetchers[channel]


class Fetching:
    """Every medium that is being fetched. A row says of each whether it is due, kept or failed."""

    def __init__(
        self,
        store: Store,
        copies: Copies,
        sources: Sources,
        background: Background,
        clock: Clock,
        *,
        limit: int,
    ) -> None:
        self._store = store
        self._copies = copies
        self._sources = sources
        self._background = background
        self._clock = clock
        self._limit = limit
        self._under_way: set[int] = set()
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._settled = asyncio.Event()

    async def due(self, message: str) -> list[AttachmentRecord]:
        """Return what goes with a message's turn and is not here yet; each is being fetched then."""
        due = [one for one in await self._store.attachments.of(message) if one.state == "due"]
        self.begin(due)
        return due

    def begin(self, media: Sequence[AttachmentRecord]) -> None:
        """Fetch each of them, unless it is being fetched."""
        for one in media:
            if one.id not in self._under_way and not self._background.closing:
                self._under_way.add(one.id)
                self._background.start(self._fetch(one), name=f"attachment {one.id}")

    async def wait(self, limit_s: float) -> None:
        """Wait until something more is settled, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._settled.wait()

    async def fail(self, one: AttachmentRecord, cause: str) -> None:
        """Keep that a medium cannot be had."""
        if await self._store.attachments.failed(one.id, cause):
            log.warning("attachment.failed", attachment=one.id, kind=one.kind, cause=cause)

    async def _fetch(self, one: AttachmentRecord) -> None:
        try:
            await self._settle(one)
        except StoreError as exc:  # it stays due: whoever waits for it begins again
            log.warning("attachment.postponed", attachment=one.id, error=type(exc).__name__)
        finally:
            self._under_way.discard(one.id)
            self._settled.set()
            self._settled = asyncio.Event()

    async def _settle(self, one: AttachmentRecord) -> None:
        try:
            name, copy = await self._tried(one)
        except MediaError as exc:
            await self.fail(one, exc.cause)
            return
        name = safe_name(name or one.name, kind=one.kind, number=one.id, mime=copy.mime)
        kept = await self._store.attachments.kept(
            one.id, blob=copy.blob, size=copy.size, mime=copy.mime, name=name
        )
        if kept:
            facts = {"kind": one.kind, "mime": copy.mime, "bytes": copy.size}
            ms = self._clock() - one.received_at
            log.info("attachment.kept", attachment=one.id, ms=ms, **facts)

    async def _tried(self, one: AttachmentRecord) -> tuple[str, Copy]:
        """Fetch it, more than once where that may help; the last failure is raised."""
        for pause in PAUSES_S:
            try:
                return await self._try(one)
            except MediaError as exc:
                if not exc.again or self._clock() + pause * 1000 - one.received_at > LIFE_MS:
                    raise
                log.info("attachment.delayed", attachment=one.id, cause=exc.cause)
                await asyncio.sleep(pause)
        return await self._try(one)

    async def _try(self, one: AttachmentRecord) -> tuple[str, Copy]:
        draft = self._copies.begin()
        try:
            async with self._at_once, asyncio.timeout(TRY_S):
                fetcher = self._sources.of(one.channel)
                async with fetcher.fetch(one, self._limit) as download:
                    return download.name, await self._written(draft, download)
        except TimeoutError as exc:
            raise MediaError("slow", again=True) from exc
        except OSError as exc:
            raise MediaError("disk", again=True) from exc
        finally:
            draft.discard()

    async def _written(self, draft: Draft, download: Download) -> Copy:
        async for piece in download.pieces:
            if draft.size + len(piece) > self._limit:
                raise MediaError("large")
            await in_thread(draft.write, piece)
        if not draft.size:
            raise MediaError("empty")
        return await in_thread(draft.settle)


async def in_thread(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do blocking work on files away from the event loop.

    Cancelled, it goes on to its end in its thread; all that it leaves is a draft, which is swept.
    """
    return await asyncio.to_thread(work, *args, **kwargs)
