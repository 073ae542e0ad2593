"""Bring a prompt to the server once, whatever breaks on the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

import structlog

from bot.background import Background
from bot.errors import OpenCodeError, OpenCodeUnavailable, facts_of
from bot.media import Handed
from bot.opencode.ids import MessageIds
from bot.opencode.workspace import folder_name
from bot.texts import engine as texts
from bot.texts import media as media_texts
from bot.turns.enclosing import words_of
from bot.turns.parts import Parts
from bot.turns.reading import messages_since
from bot.turns.running import Running, as_failure
from config.settings import Settings
from store.crashpoints import crashpoint
from store.records import TurnRecord

log = structlog.get_logger()

# A request that got no answer may still be on its way into the server for a moment.
DOUBT_S = 1.0
CALL_TICK_S = 0.2  # between two looks whether a command has begun
CALL_LOOKS = 50  # then it is followed as if it had
SERVER_ERROR = 500
OUTBOX = "outbox/"  # of a workspace: what a turn puts there is sent to the chat
SYSTEM = (
    "You work for people in a chat. When they ask to be sent a file, copy it into the folder "
    "{outbox} of the workspace. When you are done it is sent to the chat, or linked where a chat "
    "takes no files: at most ten, 20 MB each, and none that holds secrets."
)


class Prompter:
    """Sends the prompt of a turn; after any doubt it looks before it sends again.

    OpenCode's ``prompt_async`` is not idempotent: the same id sent twice runs twice. So
    the id is kept with the turn before it is sent, and whoever finds it kept reads the
    session's messages first.
    """

    def __init__(self, parts: Parts, ids: MessageIds, background: Background) -> None:
        self._client = parts.client
        self._server = parts.server
        self._store = parts.store
        self._clock = parts.clock
        self._media = parts.media
        self._settings = parts.settings
        self._ids = ids
        self._background = background

    async def send(self, running: Running, recap: str) -> bool:
        """Return True when the server has the turn's prompt, False when a halt came before it.

        Raises ``OpenCodeError`` when it refuses it, and ``OpenCodeUnavailable`` when it
        certainly does not have it, or when that cannot be found out now.
        """
        state = running.record.prompt_state
        if state == "accepted" or (state == "sending" and await self._has_it(running)):
            await self._accepted(running)
            return True
        if running.halt is not None:
            return False
        if state == "none":
            crashpoint("C08")
            await self._new_id(running)
        running.sent_at = self._clock()
        try:
            await self._post(running, recap)
        except OpenCodeError as exc:
            if exc.status < SERVER_ERROR or not await self._has_it(running):
                await self._forget(running, "refused")
                raise
        except OpenCodeUnavailable as exc:
            if not exc.sent or not await self._has_it(running):
                raise
            log.info("prompt.found", prompt=running.record.prompt)
        crashpoint("C10")
        await self._accepted(running)
        return True

    async def again(self, running: Running, recap: str) -> bool:
        """Send a prompt that the server swallowed (stored, idle, never answered) once more.

        False when a halt came before it.
        """
        record = running.record
        try:
            await self._client.delete_message(record.session, record.prompt)
        except OpenCodeError as exc:
            if exc.status != HTTPStatus.CONFLICT:
                raise
            running.resumed = True
            return True  # the session is at work: it was not swallowed after all
        running.tell(texts.SWALLOWED, n=record.n)
        await self._forget(running, "swallowed")
        log.warning("prompt.swallowed")
        return await self.send(running, recap)

    async def without_files(self, running: Running, recap: str) -> bool:
        """Send a prompt anew that failed for its files, which it then only names.

        What stays in a session is sent with every later prompt, so the failed one is deleted.
        False when it must stay as it is, or when a halt came.
        """
        record = running.record
        try:
            if await messages_since(self._client, record.session, record.prompt):
                await self._client.delete_message(record.session, record.prompt)
        except OpenCodeError as exc:
            log.info("opencode.unreachable", error=facts_of(exc))
            return False
        running.tell(media_texts.UNREADABLE)
        running.bare = True
        await self._forget(running, "files")
        log.warning("prompt.refused", files=running.files)
        return await self.send(running, recap)

    async def _forget(self, running: Running, cause: str) -> None:
        """Give the prompt's id up: the server certainly has no such prompt (any more)."""
        running.record = await self._store.turns.prompt_forgotten(running.record, cause)

    async def _new_id(self, running: Running) -> None:
        running.record = await self._store.turns.prompt_sending(running.record, self._ids.next())

    async def _accepted(self, running: Running) -> None:
        known = running.record.prompt_state == "accepted"  # before a restart
        if not running.sent_at:
            running.sent_at = self._clock()
        running.record = await self._store.turns.prompt_accepted(
            running.record, opencode=self._server.version
        )
        running.begin()
        log.info("prompt.found" if known else "prompt.accepted", prompt=running.record.prompt)

    async def _has_it(self, running: Running) -> bool:
        """Look twice, some time apart: the server stores a prompt a moment after it took it."""
        record = running.record
        for _ in range(2):
            await asyncio.sleep(DOUBT_S)
            if await messages_since(self._client, record.session, record.prompt):
                return True
        return False

    async def _post(self, running: Running, recap: str) -> None:
        record = running.record
        if record.kind == "command":
            await self._call(running)
            return
        files = await self._media.handed(record.message)
        if running.bare:
            files = [replace(file, part=None) for file in files]
        running.files = sum(file.part is not None for file in files)
        missing = await self._media.failed(record.message)
        await self._client.prompt(
            record.session,
            message=record.prompt,
            parts=parts_of(record, recap, files, words_of(record, files, missing)),
            agent=record.agent,
            model=record.model,
            system=SYSTEM.format(outbox=outbox_of(self._settings, record.chat)),
        )

    async def _call(self, running: Running) -> None:
        """Start one of OpenCode's own commands; return once the server has its message, or failed.

        Raises ``OpenCodeUnavailable`` when it was never asked.
        """
        record = running.record
        running.calling, running.uncalled = True, None
        self._background.start(self._command(running), name=f"command of turn {record.n}")
        for _ in range(CALL_LOOKS):
            if not running.calling or running.halt is not None:
                break
            if await messages_since(self._client, record.session, record.prompt):
                break
            await asyncio.sleep(CALL_TICK_S)
        if running.uncalled is not None:
            raise running.uncalled

    async def _command(self, running: Running) -> None:
        """Run one of OpenCode's own commands. The call lasts as long as the turn does."""
        record = running.record
        name, _, arguments = record.text.partition(" ")
        try:
            await self._client.run_command(
                record.session,
                message=record.prompt,
                command=name,
                arguments=arguments,
                agent=record.agent,
                model=record.model,
            )
        except OpenCodeError as exc:
            running.error = as_failure(exc)
        except OpenCodeUnavailable as exc:
            # Where it was asked, the events and the messages tell what became of it.
            running.uncalled = None if exc.sent else exc
            log.debug("command.unanswered")
        finally:
            running.calling = False


def outbox_of(settings: Settings, chat: str) -> str:
    """Return the folder whose files are sent to a chat (its key).

    In a project that all chats work in each has its own: no look can tell whose hand a file is by.
    """
    return f"{OUTBOX}{folder_name(chat)}/" if settings.projects else OUTBOX


def parts_of(
    record: TurnRecord, recap: str, files: Sequence[Handed] = (), about_files: str = ""
) -> list[dict[str, object]]:
    """Return the parts of a prompt: a recap of a lost session, the quoted message, words, files."""
    parts: list[dict[str, object]] = []
    if recap:
        parts.append({"type": "text", "text": recap, "synthetic": True})
    text = record.text
    if record.quote:
        quoted = "\n".join(f"> {line}" for line in record.quote.splitlines())
        text = f"{texts.QUOTED.say(record.language)}\n{quoted}\n\n{text}".rstrip()
    parts.append({"type": "text", "text": "\n\n".join(filter(None, (text, about_files)))})
    parts += [file.part for file in files if file.part is not None]
    return parts
