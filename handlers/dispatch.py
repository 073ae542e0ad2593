"""An inbound message is refused, a repeat, a command or a prompt; it is kept before it is answered."""

import structlog

from bot.cards import Update
from bot.messages import InboundMessage, PlatformEvent
from bot.services import Services
from bot.texts import LANGUAGES, Language, language_of
from bot.texts import engine as texts
from commands.registry import Commands
from handlers.clicks import Clicks
from handlers.intake import Arrival, Intake, Opening, new_turn
from handlers.verbs import Verbs
from store.records import Accepted, ChatRecord, NewInbound, TurnRecord

log = structlog.get_logger()

HOLD_MS = 8_000  # that a file waits for the sentence which follows it


class Dispatch:
    """Decides what becomes of a message. Everything that it answers is on the disk before."""

    def __init__(
        self,
        services: Services,
        commands: Commands,
        intake: Intake,
        verbs: Verbs,
        clicks: Clicks,
    ) -> None:
        self._services = services
        self._store = services.store
        self._turns = services.turns
        self._chat = services.settings.chat
        self._commands = commands
        self._intake = intake
        self._verbs = verbs
        self._clicks = clicks

    async def accept(
        self, message: InboundMessage, stream: str, *, may_stay_open: bool
    ) -> Opening | None:
        """Keep the message and say how its bubble begins; None: nothing is to be said.

        Raises ``StoreError`` when it could not be kept: the platform must then be told so.
        """
        with structlog.contextvars.bound_contextvars(chat=message.chat.key, message=message.id):
            chat = await self._store.chats.get(message.chat.key)
            role = self._services.access.role(message.sender)
            parsed = self._commands.parse(message.text)
            language = self._language(message.text, chat, is_command=parsed is not None)
            arrival = Arrival(message, stream, language, may_stay_open)
            found = self._commands.find(parsed.name) if parsed else None
            if role is None and not (found and found.open_to(None)):
                return await self._stranger(arrival)
            if parsed is not None:
                return await self._verbs.answer(arrival, parsed, role)
            return await self._prompt(arrival)

    async def event(self, event: PlatformEvent) -> str | None:
        """Record what happened on the platform; who opens the chat gets a welcome to say."""
        await self._record(event)
        if event.kind != "enter_chat":
            return None
        chat = await self._store.chats.get(event.chat.key) if event.chat else None
        language = self._known_language(chat) or "zh"
        if self._services.access.role(event.sender) is None:
            return texts.WELCOME_STRANGER.say(language, sender=event.sender)
        return texts.WELCOME.say(language)

    async def click(self, event: PlatformEvent) -> Update | None:
        """Record that a card was pressed, decide what it asks, and return how it looks then."""
        chat = event.chat.key if event.chat else ""
        with structlog.contextvars.bound_contextvars(chat=chat, message=event.id):
            await self._record(event)
            return await self._clicks.answer(event, event.click) if event.click else None

    async def _record(self, event: PlatformEvent) -> None:
        inbound = NewInbound(
            message=event.id,
            chat=event.chat.key if event.chat else "",
            sender=event.sender,
            kind="event",
            name=event.kind,
            body=event.body,
            stream=None,
            shown="",
            finished=True,
            reply_url=event.reply_url,
            received_at=event.received_at,
            channel=event.channel,
        )
        accepted = await self._store.inbox.accept(inbound, None, None)
        log.info("event.recorded", kind=event.kind, repeated=accepted.repeated)

    def _known_language(self, chat: ChatRecord | None) -> Language | None:
        """Return the language by choice or by the chat's last message."""
        choices = (chat.language if chat else "", self._chat.language)
        for choice in (*choices, chat.last_language if chat else ""):
            if choice in LANGUAGES:
                return LANGUAGES[choice]
        return None

    def _language(self, text: str, chat: ChatRecord | None, *, is_command: bool) -> Language:
        """Return the language to answer in. English verbs are no sign of an English speaker."""
        chosen = (chat.language if chat else "") or self._chat.language
        fresh = language_of(text) if chosen not in LANGUAGES else None
        if is_command and fresh == "en":
            fresh = None
        return fresh or self._known_language(chat) or "zh"

    async def _stranger(self, arrival: Arrival) -> Opening | None:
        """Tell a person what an administrator must list, once a chat and day; else keep silent."""
        accepted = await self._intake.keep(arrival, "refused")
        sender, at = arrival.message.sender, arrival.message.received_at
        if accepted.inbound.shown:
            return self._intake.repeat(arrival, accepted)
        if not await self._store.strangers.tell(sender, arrival.chat, at):
            return None
        log.info("message.refused", why="not admitted", sender=sender)
        return Opening(texts.NOT_ADMITTED.say(arrival.language, sender=sender), finished=True)

    async def _prompt(self, arrival: Arrival) -> Opening:
        message, chat = arrival.message, arrival.chat
        alone = not message.text.strip() and not message.quote
        if alone and not message.attachments:
            text = texts.EMPTY_MESSAGE.say(arrival.language)
            return await self._intake.refuse(arrival, text, "empty")
        with self._turns.arriving(chat) as busy:
            waiting = len(await self._store.turns.queued(chat)) if busy else 0
            refusal = self._intake.busy_refusal(arrival, waiting) if busy else ""
            if refusal:
                return await self._intake.refuse(arrival, refusal, "busy")
            turn = new_turn(
                arrival,
                "" if alone else message.text,
                bubble=not busy and arrival.may_stay_open,
                hold_ms=HOLD_MS if alone else 0,
                joins=self._turns.holds(chat),
            )
            if alone:
                self._turns.hold(chat)
            accepted = await self._intake.keep(arrival, "prompt", turn=turn)
            if accepted.repeated or accepted.turn is None:
                return self._intake.repeat(arrival, accepted)
            self._begin(arrival, accepted, accepted.turn)
        position = max(1, waiting + 1 - len(accepted.joined)) if busy else 0
        return await self._intake.begun(arrival, accepted.turn, position=position)

    def _begin(self, arrival: Arrival, accepted: Accepted, turn: TurnRecord) -> None:
        """Fetch what came along, and run the turn when its time has come."""
        if arrival.message.attachments:
            self._services.media.begin(turn.message)
        self._turns.joined(accepted.joined, turn.n)
        self._turns.wake_for(turn)
