"""The media of messages, as the engine and the edges use them."""

import errno
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.background import Background
from bot.clock import Clock
from bot.media.fetching import Fetching, Sources, in_thread
from bot.media.handing import Handed, handed
from bot.media.placing import place
from bot.media.receiving import Copies
from store import Store
from store.records import AttachmentRecord

log = structlog.get_logger()


class Media:
    """What people send beside words, from the address that dies to the parts of a prompt."""

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        sources: Sources,
        background: Background,
        clock: Clock,
        *,
        limit: int,
    ) -> None:
        self._store = store
        self._copies = Copies(data_dir / "blobs")
        self._background = background
        self._fetching = Fetching(store, self._copies, sources, background, clock, limit=limit)
        self.limit = limit

    def begin(self, message: str) -> None:
        """Fetch what came with a message that was just kept, behind the caller's back."""
        self._background.start(self._begin(message), name=f"attachments of {message}")

    async def recover(self) -> None:
        """Fetch what the last run left due."""
        self._fetching.begin(await self._store.attachments.due())

    async def due(self, message: str) -> list[AttachmentRecord]:
        """Return what goes with a message's turn and is not here yet; each is being fetched."""
        return await self._fetching.due(message)

    async def wait(self, limit_s: float) -> None:
        """Wait until one more medium is here, or cannot be had; at most so long."""
        await self._fetching.wait(limit_s)

    async def give_up(self, media: Sequence[AttachmentRecord]) -> None:
        """Let the turn go on without what did not come in time."""
        for one in media:
            await self._fetching.fail(one, "slow")

    async def failed(self, message: str) -> list[AttachmentRecord]:
        """Return what of a message's media cannot be had."""
        return [one for one in await self._store.attachments.of(message) if one.state == "failed"]

    async def place(self, message: str, workspace: Path) -> list[AttachmentRecord]:
        """Put what is here into the workspace; return what could not be put there."""
        left = []
        for one in await self._kept(message):
            if path := await in_thread(self._placed, one, workspace):
                await self._store.attachments.placed(one.id, path)
            else:
                left.append(one)
        return left

    async def handed(self, message: str) -> list[Handed]:
        """Return what the prompt of a message's turn says of its files, the same each time."""
        kept = await self._kept(message)
        if not kept:
            return []
        return await in_thread(handed, [(one, self._copies.path(one.blob)) for one in kept])

    def _placed(self, one: AttachmentRecord, workspace: Path) -> str:
        """Return where a file lies now, empty where the workspace does not take it. Blocks."""
        try:
            return place(self._copies.path(one.blob), workspace, one.name, one.id)
        except OSError as exc:
            reason = errno.errorcode.get(exc.errno or 0, "")
            log.warning("attachment.unplaced", attachment=one.id, error=reason)
            return ""

    async def _begin(self, message: str) -> None:
        await self._fetching.due(message)

    async def _kept(self, message: str) -> list[AttachmentRecord]:
        return [one for one in await self._store.attachments.of(message) if one.state == "kept"]
