"""How WeCom carries one message: hands it over, tries again, asks for its stream to the end."""

import asyncio
import secrets

from bot.sandbox.book import Item
from bot.sandbox.caller import Caller, NotAnswered
from bot.sandbox.cipher import Refused
from bot.sandbox.rules import Reply, read_reply
from bot.sandbox.talk import Talk
from bot.sandbox.timing import Timing


class Conversation:
    """Carries the messages of everybody to one service. ``polling``: whether streams are asked for."""

    def __init__(self, caller: Caller, timing: Timing) -> None:
        self.polling = True
        self._caller = caller
        self._timing = timing

    async def carry(self, talk: Talk, copies: int) -> None:
        """Hand a message over and follow its stream until it is closed or too old."""
        ends = asyncio.get_running_loop().time() + self._timing.stream_life_s
        await self.hand_over(talk, copies)
        await self._follow(talk, ends)

    async def hand_over(self, talk: Talk, copies: int) -> None:
        """Send so many copies of a message at once, each as often as it takes."""
        async with asyncio.TaskGroup() as group:
            for _ in range(copies):
                group.create_task(self._attempts(talk))
        if talk.said.state == "sending":
            talk.said.state = "unanswered"
            talk.said.reason = talk.attempts[-1]
        talk.answered = True
        talk.book.touch(talk.said)

    async def poll(self, talk: Talk) -> None:
        """Ask once how a stream goes on."""
        bubble = talk.bubble
        assert bubble is not None, "only a stream can be asked for"
        question = talk.origin.poll(secrets.token_hex(16), bubble.stream)
        try:
            plain = await self._caller.post(question, limit_s=self._timing.answer_s)
            reply = read_reply(plain, "poll")
        except NotAnswered:
            talk.missed_polls += 1
            return
        except Refused as exc:
            talk.refuse(exc)
            return
        talk.polls += 1
        if reply is not None:
            show(talk, bubble, reply)

    async def _attempts(self, talk: Talk) -> None:
        loop = asyncio.get_running_loop()
        left = self._timing.retries
        while True:
            began = loop.time()
            outcome = await self._attempt(talk)
            talk.attempts.append(outcome)
            if outcome in {"ok", "refused"} or left == 0:
                return
            left -= 1
            await asyncio.sleep(max(0.0, began + self._timing.retry_after_s - loop.time()))

    async def _attempt(self, talk: Talk) -> str:
        try:
            plain = await self._caller.post(talk.payload, limit_s=self._timing.answer_s)
            reply = read_reply(plain, "message")
        except NotAnswered as exc:
            return str(exc)
        except Refused as exc:
            talk.refuse(exc)
            return "refused"
        talk.said.state, talk.said.reason = "delivered", ""
        if reply is not None:
            _open(talk, reply)
        talk.book.touch(talk.said)
        return "ok"

    async def _follow(self, talk: Talk, ends: float) -> None:
        loop = asyncio.get_running_loop()
        bubble = talk.bubble
        while bubble is not None and bubble.state == "open":
            await asyncio.sleep(self._timing.poll_every_s)
            if loop.time() >= ends:
                bubble.state = "expired"
                talk.book.touch(bubble)
            elif self.polling:
                await self.poll(talk)


def _open(talk: Talk, reply: Reply) -> None:
    """Open the bubble that the first answer asks for; a repeat must name the same stream."""
    talk.streams.append(reply.stream)
    if talk.bubble is not None:
        if reply.stream != talk.bubble.stream:
            detail = "a repeated message must be answered with its own stream"
            talk.refuse(Refused("repeat_other_stream", detail))
        return
    bubble = talk.book.add(talk.chat, "bubble", "", "")
    bubble.stream, bubble.feedback, bubble.state = reply.stream, reply.feedback, "open"
    talk.bubble = bubble
    show(talk, bubble, reply)


def show(talk: Talk, bubble: Item, reply: Reply) -> None:
    """Let a bubble show what a stream says now."""
    if reply.stream not in {"", bubble.stream}:
        talk.refuse(Refused("stream_id_changed", "a stream keeps its id"))
        return
    if reply.card is not None and bubble.card is not None:
        talk.refuse(Refused("second_card", "one card a message"))
        return
    if not bubble.history or bubble.history[-1] != reply.content:
        bubble.history.append(reply.content)
    bubble.content = reply.content
    bubble.card = reply.card or bubble.card
    bubble.images = reply.images
    if reply.finish and bubble.state == "open":
        bubble.state = "finished"
        if reply.blank and bubble.card is None:
            talk.refuse(Refused("blank_final", "nobody can see this answer"))
    talk.book.touch(bubble)
