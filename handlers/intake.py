"""Take a message in: one write before anything is said, and the words that it is answered with."""

from dataclasses import dataclass

import orjson
import structlog

from bot.messages import InboundMessage, Medium
from bot.outbox import Contact, Outbox
from bot.render import age
from bot.services import Services
from bot.sessions import shortened
from bot.texts import Language
from bot.texts import engine as texts
from bot.texts import media as media_texts
from store.records import (
    Accepted,
    InboundKind,
    NewAttachment,
    NewChat,
    NewInbound,
    NewTurn,
    TurnKind,
    TurnRecord,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opening:
    """How a message's bubble begins.

    ``finished``: this is all; otherwise a turn goes on in it. ``prefix`` stays on top
    for the bubble's whole life: an answer that had waited for this contact. ``images``
    (JPG or PNG) stand in a finished one, where the channel can show them.
    """

    markdown: str
    finished: bool
    prefix: str = ""
    images: tuple[Medium, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message at our door: with its bubble's id, and whether that bubble may stay open."""

    message: InboundMessage
    stream: str
    language: Language
    may_stay_open: bool

    @property
    def chat(self) -> str:
        """The chat's key."""
        return self.message.chat.key

    @property
    def media(self) -> str:
        """What else than text came along, in words."""
        kinds = dict.fromkeys(attachment.kind for attachment in self.message.attachments)
        comma = texts.COMMA.say(self.language)
        return comma.join(texts.MEDIA_KINDS[kind].say(self.language) for kind in kinds)


class Intake:
    """Keeps messages, and says what became of them."""

    def __init__(self, services: Services, outbox: Outbox) -> None:
        self._services = services
        self._outbox = outbox

    async def keep(
        self,
        arrival: Arrival,
        kind: InboundKind,
        *,
        name: str = "",
        verb: str = "",
        turn: NewTurn | None = None,
    ) -> Accepted:
        """Write message, chat and turn at once; on the disk when this returns.

        ``name`` is a command as it was typed; ``verb`` one of ours, which the log may tell.
        """
        message = arrival.message
        inbound = NewInbound(
            message=message.id,
            chat=arrival.chat,
            sender=message.sender,
            kind=kind,
            name=name,
            body=message.text if kind == "command" else "",
            stream=arrival.stream,
            shown="",
            finished=False,
            reply_url=message.reply_url,
            received_at=message.received_at,
            channel=message.channel,
            handle=message.handle,
        )
        accepted = await self._services.store.inbox.accept(inbound, new_chat(arrival), turn)
        _note(message, accepted, kind, verb)
        return accepted

    async def refuse(self, arrival: Arrival, text: str, why: str) -> Opening:
        """Keep a message that starts nothing, and say why; again to a copy if nobody heard it."""
        accepted = await self.keep(arrival, "refused")
        if accepted.inbound.shown or accepted.turn:
            return self.repeat(arrival, accepted)
        log.info("message.refused", why=why)
        return await self.answered(arrival, text)

    async def answered(self, arrival: Arrival, text: str) -> Opening:
        """Say something that is complete, behind what had waited for this contact."""
        prefix = await self._waited(arrival, text, finished=True)
        return Opening(text, finished=True, prefix=prefix)

    def repeat(self, arrival: Arrival, accepted: Accepted) -> Opening:
        """Answer a copy of a message that is kept already: as the first was; nothing starts."""
        inbound, turn = accepted.inbound, accepted.turn
        if turn is not None and turn.state == "queued":
            # It may have been kept by a request that broke off before it could wake the lane.
            self._services.turns.wake_for(turn)
        if inbound.shown:
            return Opening(inbound.shown, finished=inbound.finished)
        if turn is None:
            return Opening(texts.NOT_RUN.say(arrival.language), finished=True)
        going = turn.bubble and turn.state in {"queued", "running"}
        text = texts.ACCEPTED if going else texts.RECEIPT
        return Opening(text.say(arrival.language, n=turn.n), finished=not going)

    async def begun(self, arrival: Arrival, turn: TurnRecord, *, position: int) -> Opening:
        """Say that a turn was taken in: it starts now (position 0) or waits."""
        if position:
            log.info("turn.queued", turn=turn.n, position=position)
        finished = bool(position) or not turn.bubble
        text = self._receipt(arrival, turn, position)
        return Opening(text, finished, await self._waited(arrival, text, finished=finished))

    def _receipt(self, arrival: Arrival, turn: TurnRecord, position: int) -> str:
        if self._services.turns.closing:
            return texts.RESTARTING.say(arrival.language, n=turn.n)
        if self._services.server.gate.shut:
            return texts.UPGRADING.say(arrival.language, n=turn.n)
        if position:
            title, since = self.what_runs(arrival.chat)
            queued = texts.QUEUED if self._may_force(arrival) else texts.QUEUED_BEHIND
            return queued.say(
                arrival.language, n=turn.n, position=position, running=title, age=since
            )
        if turn.not_before:
            return media_texts.HELD.say(arrival.language, kinds=arrival.media, n=turn.n)
        begun = texts.ACCEPTED if turn.bubble else texts.ACCEPTED_CLOSED
        return begun.say(arrival.language, n=turn.n)

    def _may_force(self, arrival: Arrival) -> bool:
        """Tell whether it is of use to offer /force: what runs may be theirs or not."""
        running = self._services.turns.running(arrival.chat)
        starter = running.record.sender if running else arrival.message.sender
        return self._services.access.may_force(arrival.message.sender, starter)

    async def _waited(self, arrival: Arrival, text: str, *, finished: bool) -> str:
        """Take what waited for this contact."""
        # Where an answer must name a handle we bring it ourselves: it ends once it was brought.
        ends = finished and not arrival.message.handle
        contact = Contact(arrival.chat, arrival.stream, text, ends)
        on_its_way = self._services.turns.bringing(arrival.chat)
        return await self._outbox.at_contact(contact, arrival.language, but=on_its_way)

    def busy_refusal(self, arrival: Arrival, waiting: int) -> str:
        """Say why a message for a busy chat is not taken in; empty when it may wait."""
        chat = self._services.settings.chat
        if chat.busy == "reject" and not self._services.server.gate.shut:
            running, since = self.what_runs(arrival.chat)
            return texts.BUSY.say(arrival.language, running=running, age=since)
        if waiting >= chat.queue_limit:
            return texts.QUEUE_FULL.say(arrival.language, limit=chat.queue_limit)
        return ""

    def what_runs(self, chat: str) -> tuple[str, str]:
        """Return the title and the age of the chat's running turn."""
        running = self._services.turns.running(chat)
        if running is None:
            return "…", ""
        return shortened(running.record.text), age(self._services.clock() - running.started_at)


def _note(message: InboundMessage, accepted: Accepted, kind: InboundKind, verb: str) -> None:
    """Log a message with who wrote it and what became of it, and none of its words."""
    event = "message.repeated" if accepted.repeated else "message.accepted"
    facts = {"kind": kind, "sender": message.sender, "chars": len(message.text)}
    media = len(message.attachments)
    if accepted.turn is not None:
        log.info(event, **facts, attachments=media, turn=accepted.turn.n)
    elif verb:
        log.info(event, **facts, attachments=media, name=verb)
    else:
        log.info(event, **facts, attachments=media)


def new_chat(arrival: Arrival) -> NewChat:
    """Return the chat of a message as the store keeps it."""
    chat = arrival.message.chat
    return NewChat(
        key=chat.key,
        platform=chat.platform,
        kind=chat.kind,
        id=chat.id,
        member=chat.member,
        last_language=arrival.language,
        at=arrival.message.received_at,
    )


def new_turn(
    arrival: Arrival,
    text: str,
    *,
    bubble: bool,
    kind: TurnKind = "prompt",
    forced: bool = False,
    retry_of: TurnRecord | None = None,
    hold_ms: int = 0,
    joins: bool = False,
) -> NewTurn:
    """Return the turn that a message asks for; a retry takes over what came with the first try.

    ``hold_ms``: how long it waits for the sentence that follows it; ``joins``: it may be one.
    """
    message = arrival.message
    media = [{"kind": one.kind, "name": one.name} for one in message.attachments]
    return NewTurn(
        message=message.id,
        chat=arrival.chat,
        sender=message.sender,
        kind=kind,
        text=text,
        quote=retry_of.quote if retry_of else message.quote,
        attachments=retry_of.attachments if retry_of else orjson.dumps(media).decode(),
        language=arrival.language,
        forced=forced,
        bubble=bubble,
        retry_of=retry_of.n if retry_of else None,
        created_at=message.received_at,
        channel=message.channel,
        not_before=message.received_at + hold_ms if hold_ms else 0,
        media=_media(message) if kind == "prompt" else (),
        joins=joins,
    )


def _media(message: InboundMessage) -> tuple[NewAttachment, ...]:
    """Return what is to be fetched of a message."""
    return tuple(
        NewAttachment(one.kind, message.channel, one.url, one.key, one.name, message.received_at)
        for one in message.attachments
    )
