"""Brings deliveries over the connection: by finishing their open stream, else by a push."""

from dataclasses import replace

from bot.errors import WeComError
from bot.messages import Medium
from handlers.wecom.connection import frames
from handlers.wecom.connection.bubbles import Bubbles
from handlers.wecom.connection.frames import Json
from handlers.wecom.connection.speaker import NO_ROOM, Conversation, Speaker
from handlers.wecom.connection.uploads import NO_ANSWER, Uploads, kind_of
from handlers.wecom.files import FilesBehind
from handlers.wecom.outcome import Outcome
from store.crashpoints import crashpoint
from store.records import Delivery

CUT_OFF = Outcome("doubtful", "the service was cut off")
NOBODY = Outcome("barred", "no such chat")
REFUSALS = 3  # with a code that nobody has described: then it is given up
LIMITS = 20  # WeCom says "too often" of conversations that it does not know, too


class ConnectionOutlet:
    """What the connection can do without having been asked."""

    def __init__(
        self, files: FilesBehind, bubbles: Bubbles, speaker: Speaker, uploads: Uploads
    ) -> None:
        self._store = files.store
        self._files = files
        self._bubbles = bubbles
        self._speaker = speaker
        self._uploads = uploads

    @property
    def up(self) -> bool:
        """Whether anything can leave now."""
        return self._speaker.up

    async def load(self, delivery: Delivery) -> Outcome | None:
        """Read and upload a file before it is marked as on its way; None once it can leave."""
        if self._files.ready(delivery.id) is not None:
            return None
        conversation = await self._conversation(delivery.chat)
        if conversation is None:
            return NOBODY
        if not self._speaker.left(conversation):
            return Outcome("limited", NO_ROOM)
        opened = await self._files.open(delivery)
        body = frames.markdown(opened) if isinstance(opened, str) else await self._uploaded(opened)
        if isinstance(body, Outcome):
            return _judged(replace(delivery, attempts=delivery.attempts + 1), body)
        self._files.keep(delivery.id, body)
        return None

    async def push(self, delivery: Delivery) -> Outcome:
        """Bring a delivery, which is marked as on its way."""
        if delivery.turn is not None:
            outcome = await self._bubbles.finish_with(delivery)
            if outcome.kind != "refused":
                return outcome
        crashpoint("C18")
        body = self._files.ready(delivery.id) or frames.markdown(self._bubbles.apart(delivery))
        outcome = await self.send(delivery.chat, body)
        crashpoint("C20")
        if outcome.kind == "sent" and delivery.turn is not None:
            self._bubbles.over(delivery.message)
        outcome = _judged(delivery, outcome)
        if outcome.kind not in {"unsent", "limited"}:
            self._files.forget(delivery.id)
        return outcome

    async def again(self, delivery: Delivery) -> Outcome:
        """Say what became of one that the last run left on its way; finish its stream if it has one."""
        if delivery.turn is None:
            return CUT_OFF
        outcome = await self._bubbles.finish_again(delivery)
        return CUT_OFF if outcome.kind == "refused" else outcome

    def doubts(self, delivery: Delivery) -> bool:
        """Tell whether its bubble may show the final already."""
        return delivery.turn is not None and self._bubbles.doubts(delivery.message)

    async def send_file(self, chat: str, medium: Medium) -> Outcome:
        """Upload a file and send it to a chat (its key)."""
        body = await self._uploaded(medium)
        return body if isinstance(body, Outcome) else await self.send(chat, body)

    async def _uploaded(self, medium: Medium) -> Json | Outcome:
        """Upload a file; return the message that shows it, or why there can be none."""
        kind = kind_of(medium.kind, medium.content)
        try:
            media_id = await self._uploads.upload(kind, medium.name, medium.content)
        except WeComError as exc:  # nobody has seen anything of it
            lost = exc.code == NO_ANSWER and not self.up
            return Outcome("unsent" if lost else "refused", f"errcode {exc.code}")
        return {"msgtype": kind, kind: {"media_id": media_id}}

    async def send(self, chat: str, body: Json) -> Outcome:
        """Push a message (its type and content) to a chat (its key)."""
        conversation = await self._conversation(chat)
        return NOBODY if conversation is None else await self._speaker.send(conversation, body)

    async def _conversation(self, chat: str) -> Conversation | None:
        record = await self._store.chats.get(chat)
        return Conversation(record.id, group=record.kind == "group") if record else None


def _judged(delivery: Delivery, outcome: Outcome) -> Outcome:
    """Give up what was refused for long enough; until then it is tried again."""
    if outcome.kind == "refused":
        return Outcome("unsent" if delivery.attempts < REFUSALS else "barred", outcome.cause)
    limited = outcome.kind == "limited" and outcome.cause != NO_ROOM
    if limited and delivery.attempts >= LIMITS:
        return Outcome("barred", outcome.cause)
    return outcome
