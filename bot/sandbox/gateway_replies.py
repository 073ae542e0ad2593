"""What becomes of a client's replies and pushes: bubbles, messages, welcomes, updated cards."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Mapping

from bot.clock import Clock
from bot.sandbox.book import Book, Item
from bot.sandbox.cipher import Refused
from bot.sandbox.conversation import show
from bot.sandbox.gateway_bodies import (
    DIRECT,
    GROUP,
    SentMedium,
    push_target,
    read_card_update,
    read_push,
    read_response,
    read_welcome,
)
from bot.sandbox.gateway_frames import PUSH, RESPOND, UPDATE, WELCOME, Excused, Frame
from bot.sandbox.gateway_handles import Handles
from bot.sandbox.gateway_quota import Quota
from bot.sandbox.payloads import Payload
from bot.sandbox.rules import CLICK, IMAGE_STARTS, Reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing
from bot.sandbox.uploads import Uploads

RECENT = 16  # talks of a chat that a push may be for

Taker = Callable[[Frame], Payload | None]


class GatewayReplies:
    """Puts what a client says where people see it. ``Refused`` when WeCom would not."""

    def __init__(
        self, book: Book, handles: Handles, uploads: Uploads, timing: Timing, clock: Clock
    ) -> None:
        self.quota = Quota(clock)
        self.chats: dict[str, int] = {}  # everybody who wrote: 1 a member, 2 a group
        self._book = book
        self._handles = handles
        self._uploads = uploads
        self._timing = timing
        self._clock = clock
        self._talks: dict[str, deque[Talk]] = {}
        self._ends: dict[int, asyncio.TimerHandle] = {}
        self._opened: dict[int, tuple[int, Talk]] = {}
        self._excused: set[int] = set()

    @property
    def takers(self) -> Mapping[str, Taker]:
        """Return who takes which command."""
        return {
            RESPOND: self._respond,
            WELCOME: self._welcome,
            UPDATE: self._update,
            PUSH: self._push,
        }

    def wrote(self, talk: Talk) -> None:
        """Note that somebody wrote: from now on the bot may push to this chat."""
        self.chats[talk.chat] = DIRECT if talk.origin.group is None else GROUP
        self._talks.setdefault(talk.chat, deque(maxlen=RECENT)).append(talk)

    def expire(self, bubble: Item) -> None:
        """End a stream before its time; what comes for it is refused and nobody's fault."""
        self._excused.add(bubble.id)
        self._expire(bubble)

    def _respond(self, frame: Frame) -> None:
        handle, talk = self._handles.of_message(frame.req_id)
        content = read_response(frame.body)
        stream = content.stream if isinstance(content, Reply) else ""
        bubble = talk.bubbles.get(stream)
        if bubble is not None and isinstance(content, Reply):
            self._alive(bubble)
            _unfinished(bubble, content)
        self.quota.check(handle.chat)
        if isinstance(content, Reply) and stream:
            self._stream(talk, bubble or self._open(talk, content), content)
        else:
            talk.late.append(self._message(talk.chat, content))
        self.quota.count(handle.chat)
        talk.streams.append(stream)
        talk.answered = True
        self._book.touch(talk.said)

    def _stream(self, talk: Talk, bubble: Item, content: Reply) -> None:
        was_open = bubble.state == "open"
        show(talk, bubble, content)
        if bubble.state == "finished" and was_open:
            self._end(bubble)
            talk.over = talk.bubble is bubble or talk.over
            if bubble is not next(iter(talk.bubbles.values())):
                talk.late.append(bubble)
            self._book.changed()

    def _open(self, talk: Talk, content: Reply) -> Item:
        bubble = self._book.add(talk.chat, "bubble", "", "")
        bubble.stream, bubble.feedback, bubble.state = content.stream, content.feedback, "open"
        talk.bubbles[content.stream] = talk.bubble = bubble
        talk.over = False
        talk.closed.clear()
        self._opened[bubble.id] = (self._clock(), talk)
        life_s = self._timing.stream_life_s
        self._ends[bubble.id] = asyncio.get_running_loop().call_later(life_s, self._expire, bubble)
        return bubble

    def _alive(self, bubble: Item) -> None:
        """Raise ``Refused`` for a stream whose time is over, counted from its first frame."""
        if bubble.id in self._excused:
            raise Excused("stream_expired", "told to end early")
        if self._clock() - self._opened[bubble.id][0] < self._timing.stream_life_s * 1000:
            return
        self._expire(bubble)
        raise Refused("stream_expired", f"the first frame is {self._timing.stream_life_s} s old")

    def _expire(self, bubble: Item) -> None:
        self._end(bubble)
        if bubble.state == "open":
            bubble.state = "expired"
            self._book.touch(bubble)

    def _end(self, bubble: Item) -> None:
        timer = self._ends.pop(bubble.id, None)
        if timer is not None:
            timer.cancel()
        talk = self._opened[bubble.id][1]
        if talk.bubble is bubble:
            talk.closed.set()

    def _push(self, frame: Frame) -> None:
        chat, kind = push_target(frame.body)
        known = self.chats.get(chat)
        if known is None or kind not in {0, known}:
            self._stranger(chat, kind)
        content = read_push(frame.body, known or kind)
        self.quota.check(chat)
        item = self._message(chat, content)
        self.quota.count(chat)
        self._whose(chat).late.append(item)
        self._book.touch(item)

    def _stranger(self, chat: str, kind: int) -> None:
        """Refuse a chat that is none: never heard of, or spelt in another case."""
        spelt = any(chat.casefold() == each.casefold() for each in self.chats)
        if kind == DIRECT and not spelt:
            raise Refused("never_wrote", "a member is pushed to who has written")
        raise Refused("chat_unknown", "no such chat; ids keep their case")

    def _whose(self, chat: str) -> Talk:
        """Return the talk that a push is for: the oldest whose bubble nobody finished, or the last."""
        talks = self._talks[chat]
        left = (talk for talk in talks if talk.bubble and not talk.finished and not talk.late)
        return next(left, talks[-1])

    def _welcome(self, frame: Frame) -> None:
        handle = self._handles.of_event(frame.req_id, "enter_chat")
        handle.reply = read_welcome(frame.body)
        self._book.changed()

    def _update(self, frame: Frame) -> None:
        handle = self._handles.of_event(frame.req_id, CLICK)
        handle.reply = read_card_update(frame.body, str(handle.facts.get("task_id", "")))
        self._book.changed()

    def _message(self, chat: str, content: Reply | SentMedium) -> Item:
        if isinstance(content, SentMedium):
            sent = self._uploads.find(content.kind, content.media_id)
            item = self._book.add(chat, "late", "", "")
            item.medium, item.images = sent.name, _shown(sent.content)
            return item
        item = self._book.add(chat, "late", "", content.content)
        item.card, item.feedback = content.card, content.feedback
        return item


def _unfinished(bubble: Item, content: Reply) -> None:
    """Raise ``Refused`` for a change of a finished stream; its last frame may come again."""
    if bubble.state == "finished" and not (content.finish and content.content == bubble.content):
        raise Refused("after_finish", "a finished stream stays as it is")


def _shown(content: bytes) -> tuple[str, ...]:
    """Return an image as a data URL, nothing for another file."""
    for start, kind in IMAGE_STARTS.items():
        if content.startswith(start):
            return (f"data:image/{kind};base64,{base64.b64encode(content).decode()}",)
    return ()
