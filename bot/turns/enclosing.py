"""Wait for what came with a message, put it into the workspace, and say what did not come."""

from pathlib import Path

from bot.errors import UserError
from bot.media import Handed
from bot.render import plain, size_of
from bot.texts import Language
from bot.texts import engine as engine_texts
from bot.texts import media as texts
from bot.texts.filling import filled
from bot.turns.parts import Parts
from bot.turns.progress import Progress
from bot.turns.running import Running
from store.records import AttachmentRecord, TurnRecord

WAIT_MS = 120_000  # for what came last, counted from when the turn began to wait
NAME_CHARS = 60
TICK_S = 0.5  # between two looks at a wish to end


class Encloser:
    """Prepares the files of a turn before its prompt leaves."""

    def __init__(self, parts: Parts, progress: Progress) -> None:
        self._media = parts.media
        self._clock = parts.clock
        self._progress = progress

    async def enclose(self, running: Running, workspace: Path) -> None:
        """Put what came with the turn's message into its workspace, and tell what is missing.

        Raises ``UserError`` when nothing is left to work on. Returns early at a wish to end.
        """
        message = running.record.message
        await self._wait(running)
        if running.halt is not None:
            return
        for one in await self._media.place(message, workspace):
            running.tell(texts.UNPLACED, name=name_of(one, running.language))
        await self.remind(running)
        record = running.record
        if not (record.text or record.quote or await self._media.handed(message)):
            raise UserError(texts.NOTHING_CAME, n=record.n)

    async def remind(self, running: Running) -> None:
        """Tell, on top of all that is shown of a turn, which of its files did not come."""
        for one in await self._media.failed(running.record.message):
            why = filled(texts.WHY[one.cause], limit=size_of(self._media.limit))
            language = running.language
            running.tell(texts.FAILED, name=name_of(one, language), why=why.say(language))

    async def _wait(self, running: Running) -> None:
        until = self._clock() + WAIT_MS
        while due := await self._media.due(running.record.message):
            if running.halt is not None:
                return
            if self._clock() >= until:
                await self._media.give_up(due)
                break
            running.note = texts.COMING.say(running.language)
            self._progress.show(running)
            await self._media.wait(TICK_S)
        running.note = ""


def name_of(one: AttachmentRecord, language: Language) -> str:
    """Return what a person calls a file: its name, else what it is and which."""
    if one.name:
        return texts.NAMED.say(language, name=plain(one.name, NAME_CHARS))
    return texts.NUMBERED.say(
        language, number=one.ordinal % 1000 + 1, kind=texts.KINDS[one.kind].say(language)
    )


def words_of(record: TurnRecord, files: list[Handed], missing: list[AttachmentRecord]) -> str:
    """Return what a prompt says of its files, empty without any."""
    language = record.language
    lines = []
    if not record.text and not record.quote and (files or missing):
        lines.append(texts.ALONE.say(language))
    if files:
        listed = (
            texts.ENCLOSED_ONE.say(
                language, path=one.path or one.name, mime=one.mime, size=size_of(one.size)
            )
            for one in files
        )
        lines.append("\n".join([texts.ENCLOSED.say(language), *listed]))
    if missing:
        names = engine_texts.COMMA.say(language).join(name_of(one, language) for one in missing)
        lines.append(texts.MISSING.say(language, names=names))
    return "\n\n".join(lines)
