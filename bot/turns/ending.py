"""End a turn: look at its files, write its last words down, then bring them to the chat."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import structlog

from bot.claims import claimed
from bot.files import Looked
from bot.messages import Answer, Sendable
from bot.opencode.model import ServerError
from bot.render import ChangedFile, age, final, reasons, unsent
from bot.render import Ending as Rendered
from bot.texts import engine as texts
from bot.turns.parts import Parts
from bot.turns.prompting import outbox_of
from bot.turns.running import Halt, Running
from bot.turns.sending import file_of, to_send
from bot.verdict import Over
from store.crashpoints import crashpoint
from store.records import FileChange, NewDelivery, TurnState

log = structlog.get_logger()

# Outcomes of the server's own making that are no failure of the turn.
FINE = frozenset({"answered", "empty", "length", "merged"})
STOPPED = frozenset({"aborted", "rejected"})
ABRUPT = frozenset({"aborted", "interrupted"})  # the server may have less text than we were told


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, before it is put into words.

    ``stopped`` is the sentence for an end of our making, and then stands for the outcome's.
    """

    state: TurnState
    outcome: str
    over: Over
    stopped: str = ""
    by: str = ""

    @classmethod
    def of(cls, over: Over) -> Self:
        """Take the end that the server told."""
        if over.outcome in FINE:
            return cls("done", over.outcome, over)
        return cls("stopped" if over.outcome in STOPPED else "failed", over.outcome, over)

    @classmethod
    def halted(cls, running: Running, halt: Halt, over: Over | None) -> Self:
        """Make the end of a halt; ``over`` is what there was by then."""
        sentence = texts.ENDS[halt.why].say(
            running.language,
            by=halt.by,
            n=running.record.n,
            limit=age(running.deadline - running.started_at),
            steps=running.summary.steps,
        )
        state: TurnState = "stopped" if halt.why in {"stop", "force"} else "failed"
        return cls(state, halt.why, over or Over("aborted"), sentence, halt.by)

    @classmethod
    def failed(cls, outcome: str, sentence: str) -> Self:
        """Make an end before the server had the prompt, or one that is our own fault."""
        return cls("failed", outcome, Over("failed"), sentence)


class Ender:
    """Writes the end of a turn, with its files, in one commit; then hands the answer over."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._files = parts.files
        self._links = parts.links
        self._clock = parts.clock
        self._settings = parts.settings
        self.ended: Counter[str] = Counter()

    async def end(self, running: Running, ending: Ending) -> None:
        """Keep how the turn ended and bring its answer; nothing is shown that is not kept."""
        text = self._text(running, ending)
        looked = await self._look(running, text)
        outbox = outbox_of(self._settings, running.record.chat)
        media = await to_send(running, looked, self._files, outbox)
        answer = await self._answer(running, ending, text, looked)
        kept = await self._keep(running, ending, text, answer, media)
        log.info(
            "turn.ended",
            state=ending.state,
            outcome=ending.outcome,
            ms=self._clock() - running.started_at,
            steps=running.summary.steps,
            files=len(looked.changes) if looked else 0,
            chars=len(text),
        )
        if kept:
            within = () if running.reply.apart else media
            await running.reply.finish(replace(answer, media=within))

    async def give_up(self, running: Running) -> None:
        """End a turn that our own code failed; nothing is used that may have been what failed."""
        sentence = texts.INTERNAL.say(running.language, n=running.record.n)
        text = running.kept or running.record.answer
        answer = Answer(text, footer=sentence) if text else Answer(sentence)
        ending = Ending.failed("internal", sentence)
        if await self._keep(running, ending, text, answer):
            await running.reply.finish(answer)

    async def _keep(
        self,
        running: Running,
        ending: Ending,
        text: str,
        answer: Answer,
        media: Sequence[Sendable] = (),
    ) -> bool:
        """Write the end and its deliveries in one commit; False when the turn had ended.

        ``media`` are deliveries of their own, or named in the answer's, should no reply show them.
        """
        record, now = running.record, self._clock()
        apart, footer = running.reply.apart, answer.footer
        if media and not apart:
            footer = f"{_unsent(running, media)}\n{footer}"
        files = [file_of(running, one, now) for one in media] if apart else []
        kept = await self._store.turns.end(
            record,
            state=ending.state,
            outcome=ending.outcome,
            reason=reasons.kept(ending.over.error),
            stopped_by=ending.by,
            answer=text,
            footer=answer.footer,
            at=now,
            delivery=NewDelivery(
                chat=record.chat,
                turn=record.n,
                message=record.message,
                body=answer.body,
                footer=footer,
                more=answer.more,
                at=now,
            ),
            files=files,
            unheard=running.unheard,
        )
        self._over(running, ending)
        return kept

    def _over(self, running: Running, ending: Ending) -> None:
        crashpoint("C16")
        running.over.set()
        self.ended[ending.outcome] += 1

    def _text(self, running: Running, ending: Ending) -> str:
        """Return the model's words; ours where the server was cut off before it kept them."""
        told = ending.over.text
        ours = running.text
        abrupt = ending.over.outcome in ABRUPT or ending.stopped
        return ours if abrupt and len(ours) > len(told) else told

    async def _look(self, running: Running, text: str) -> Looked | None:
        record = running.record
        if not record.directory or not record.sync_before:
            return None
        try:
            return await self._files.after(
                record.n,
                Path(record.directory),
                since=record.sync_before,
                claimed=claimed(text),
                touched=running.summary.touched,
            )
        except OSError as exc:  # the answer is worth more than the list of its files
            log.warning("turn.files_unseen", error=repr(exc))
            running.tell(texts.FILES_UNSEEN)
            return None

    async def _answer(
        self, running: Running, ending: Ending, text: str, looked: Looked | None
    ) -> Answer:
        record = running.record
        changes = looked.changes if looked else ()
        approvals = await self._store.asks.approved(record.n)
        return final(
            Rendered(
                n=record.n,
                language=running.language,
                outcome=ending.over.outcome,
                text=text,
                elapsed_ms=self._clock() - running.started_at,
                error=ending.over.error or _last_error(running),
                stopped=ending.stopped,
                changes=[
                    ChangedFile(one.path, one.kind, one.added, one.removed, self._url(one))
                    for one in changes
                ],
                missing=looked.missing if looked else (),
                link=self._links.page(record.n),
                approvals=approvals,
                tools=ending.over.finished_tools,
                notes=running.notes,
            )
        )

    def _url(self, change: FileChange) -> str:
        """Return the link that opens a changed file itself, empty where it is not served."""
        if change.kind == "deleted" or self._files.obstacle(change):
            return ""
        return self._links.raw(change.turn, change.path) or ""


def _unsent(running: Running, media: Sequence[Sendable]) -> str:
    return unsent([one.path for one in media], running.record.n, running.language)


def _last_error(running: Running) -> ServerError | None:
    return running.error or running.summary.error
