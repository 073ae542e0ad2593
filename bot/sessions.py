"""Which OpenCode session a chat is in: current, fresh, switched, found again, or replaced."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.errors import SessionGone, UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import Session
from bot.opencode.workspace import Workspaces
from bot.texts import Text
from bot.texts import sessions as texts
from config.settings import Settings
from store import Store
from store.crashpoints import crashpoint
from store.records import ChatRecord, SessionRecord, TurnRecord

log = structlog.get_logger()

TITLE_CHARS = 40
LOOK_BACK = 100  # newest sessions of a directory among which one that we did not record is sought
RECAP_TURNS = 5
RECAP_LOOK_BACK = 20
RECAP_BYTES = 4_096
ASKED_BYTES = 240
ANSWERED_BYTES = 480  # five turns of both, with their labels, stay within RECAP_BYTES


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """The session that a turn runs in.

    ``recap``: what its prompt carries along of a session that was lost; ``note``: what the
    chat is told of that.
    """

    session: str
    directory: Path
    recap: str = ""
    note: Text | None = None


class Sessions:
    """Maps chats to sessions, one an epoch. ``service`` names this installation on the server."""

    def __init__(
        self,
        store: Store,
        client: OpenCode,
        workspaces: Workspaces,
        settings: Settings,
        clock: Clock,
        service: str,
    ) -> None:
        self._store = store
        self._client = client
        self._workspaces = workspaces
        self._permission = [rule.model_dump() for rule in settings.opencode.permission]
        self._clock = clock
        self._service = service

    async def directory(self, chat: ChatRecord) -> Path:
        """Return the folder that the chat's next session works in, made if it was not there."""
        return await self._workspaces.folder(chat.key)

    async def current(self, chat: ChatRecord) -> SessionRecord | None:
        """Return the session that the chat's next message runs in; None before the first."""
        return await self._store.sessions.of_epoch(chat.key, chat.epoch)

    async def known(self, chat: ChatRecord) -> list[SessionRecord]:
        """Return the sessions of the chat, newest first."""
        return await self._store.sessions.known(chat.key)

    async def fresh(self, chat: ChatRecord, title: str) -> None:
        """Let the chat's next message open a new session; what was accepted before stays."""
        epoch = await self._store.sessions.next_epoch(
            chat.key, title=shortened(title), at=self._clock()
        )
        log.info("session.renewed", chat=chat.key, epoch=epoch)

    async def switch(self, chat: ChatRecord, session: str) -> SessionRecord:
        """Let the chat's next message run in one of its known sessions.

        The session keeps the time when it was opened, and with it its place in the list.
        """
        for known in await self.known(chat):
            if known.session == session:
                break
        else:
            raise UserError(texts.NO_SUCH_SESSION)
        epoch = await self._store.sessions.next_epoch(
            chat.key,
            session=session,
            title=known.title,
            directory=known.directory,
            at=known.opened_at,
        )
        log.info("session.switched", chat=chat.key, session=session, epoch=epoch)
        return known

    async def rename(self, chat: ChatRecord, title: str) -> SessionRecord:
        """Give the current session another title, on the server too once it is open there."""
        title, now = shortened(title), self._clock()
        current = await self.current(chat)
        if current is None or not current.session:
            directory = current.directory if current else ""
            await self._store.sessions.put(chat.key, chat.epoch, "", title, directory, now)
            return SessionRecord(chat.key, chat.epoch, "", title, directory, now)
        try:
            await self._client.rename(current.session, title)
        except SessionGone:
            log.info("session.lost", session=current.session)
        await self._store.sessions.retitle(current.session, title)
        return SessionRecord(
            chat.key, chat.epoch, current.session, title, current.directory, current.opened_at
        )

    async def open_for(self, turn: TurnRecord, chat: ChatRecord) -> OpenedSession:
        """Return the session of the epoch that the turn was accepted in, on the server for certain.

        A session that is gone there is replaced by a new one, with a recap. One that was opened
        but not recorded, because we fell over in between, is found again by its metadata.
        Raises UserError when the folder is not fit to work in.
        """
        record = await self._store.sessions.of_epoch(chat.key, turn.epoch)
        folder = await self.directory(chat)  # made anew when an agent has removed it
        session = await self._still_there(record)
        if record is not None and session is not None:
            directory = Path(record.directory or session.directory)
            await self._check(directory)
            return OpenedSession(session.id, directory)
        await self._check(folder)
        title = (record.title if record else "") or title_for(turn)
        opened = await self._find(chat, turn, folder) or await self._create(
            chat, turn, folder, title
        )
        crashpoint("C07")
        await self._store.sessions.put(
            chat.key, turn.epoch, opened, title, str(folder), self._clock()
        )
        return await self._replacing(turn, opened, folder, record.session if record else "")

    async def _still_there(self, record: SessionRecord | None) -> Session | None:
        """Return the session of a record as the server has it, None when it is gone or never was."""
        if record is None or not record.session:
            return None
        try:
            return await self._client.session(record.session)
        except SessionGone:
            log.warning("session.lost", session=record.session)
            return None

    async def _check(self, directory: Path) -> None:
        """Refuse a folder in whose worktree the agent would find what is not for it."""
        self._workspaces.check(await self._client.path(directory))

    async def _find(self, chat: ChatRecord, turn: TurnRecord, directory: Path) -> str:
        """Return the session that an earlier try of this turn opened, empty without one.

        The epoch alone would not do: a restored backup gives those it does not know anew.
        """
        ours = self._marks(chat, turn)
        for session in await self._client.sessions(directory, LOOK_BACK):
            if {key: session.metadata.get(key) for key in ours} == ours:
                log.info("session.found", session=session.id)
                return session.id
        return ""

    def _marks(self, chat: ChatRecord, turn: TurnRecord) -> dict[str, object]:
        """Return what a session on the server says of whose it is."""
        return {
            "service": self._service,
            "chat": chat.key,
            "epoch": turn.epoch,
            "turn": turn.n,
        }

    async def _create(self, chat: ChatRecord, turn: TurnRecord, directory: Path, title: str) -> str:
        session = await self._client.create_session(
            directory,
            title=title,
            metadata=self._marks(chat, turn),
            permission=self._permission,
        )
        log.info("session.opened", session=session.id, epoch=turn.epoch)
        return session.id

    async def _replacing(
        self, turn: TurnRecord, session: str, directory: Path, lost: str
    ) -> OpenedSession:
        """Return a session that was just opened; in place of a lost one it comes with a recap."""
        if not lost:
            return OpenedSession(session, directory)
        recent = await self._store.turns.recent(turn.chat, RECAP_LOOK_BACK)
        of_lost = [
            earlier
            for earlier in recent
            if earlier.n < turn.n and (earlier.session == lost or earlier.epoch == turn.epoch)
        ]
        recap = recap_of(of_lost, turn)
        note = texts.LOST_RECAPPED if recap else texts.LOST
        return OpenedSession(session, directory, recap, note)


def title_for(turn: TurnRecord) -> str:
    """Return a title for a session that begins with ``turn``."""
    slash = "/" if turn.kind == "command" else ""
    return shortened(slash + turn.text) or texts.UNTITLED.say(turn.language, n=turn.n)


def shortened(text: str) -> str:
    """Return the first words of ``text`` in one line, short enough for a title."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else f"{line[: TITLE_CHARS - 1].rstrip()}…"


def recap_of(turns: Iterable[TurnRecord], for_turn: TurnRecord) -> str:
    """Return the last turns that ran, oldest first, in at most ``RECAP_BYTES``; empty for none."""
    ran = sorted((turn for turn in turns if turn.state in ("done", "failed", "stopped")), key=_n)
    lines: Sequence[str] = [
        line for turn in ran[-RECAP_TURNS:] for line in _recapped(turn, for_turn)
    ]
    if not lines:
        return ""
    return "\n\n".join((texts.RECAP.say(for_turn.language), *lines))


def _n(turn: TurnRecord) -> int:
    return turn.n


def _recapped(turn: TurnRecord, for_turn: TurnRecord) -> list[str]:
    said = [
        texts.RECAP_ASKED.say(
            for_turn.language, text=_clipped(turn.text or turn.quote, ASKED_BYTES)
        )
    ]
    if turn.answer:
        answer = _clipped(turn.answer, ANSWERED_BYTES)
        said.append(texts.RECAP_ANSWERED.say(for_turn.language, text=answer))
    return said


def _clipped(text: str, limit_bytes: int) -> str:
    """Return ``text`` in at most ``limit_bytes`` of UTF-8, never with half a character."""
    encoded = text.strip().encode()
    if len(encoded) <= limit_bytes:
        return encoded.decode()
    return encoded[: limit_bytes - 3].decode(errors="ignore") + "…"
