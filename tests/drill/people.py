"""Twenty messages in five chats, and what the people who wrote them saw."""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field

from bot.outbox import SEAM
from bot.sandbox import payloads
from bot.sandbox.clicks import NotThere
from bot.texts import delivery as delivery_texts
from bot.texts import engine as texts
from tests.drill.history import Message
from tests.drill.opencode import begin_of, end_of, words_for
from tests.drill.ways import WAYS
from tests.media.pictures import PNG

# Who writes, in which group if there are groups, and whether the first question asks back.
CHATS = (
    ("zhangsan", None, False),
    ("lisi", None, False),
    ("wangwu", None, False),
    ("lead", "wrTEAM", True),
    ("boss", "wrOPS", True),
)
DONE_S = 6.0  # a person waits so long for an answer before the next message
DECIDED_S = 1.5
QUIET_S = 3.0
HEARD_S = 4.0  # once the service is there, before somebody writes again who was not answered
FORGOTTEN_S = 3.0
TRIES = 20
ALLOW = "allow"  # the key of the button
CODE = re.compile(r"/allow (\w{3})\b")
UNKNOWN = re.compile(
    re.escape(texts.UNKNOWN_DELIVERY.en.partition(".")[0]).replace(r"\{n\}", r"(\d+)")
)


@dataclass
class Line:
    """What one person says in one chat, and what came of it."""

    member: str
    group: str | None
    asks_first: bool = False
    said: list = field(default_factory=list)  # pairs of word and talk
    contacts: list = field(default_factory=list)  # talks that ask nothing of the model
    results: list = field(default_factory=list)  # talks that ask for an answer once more
    told: set = field(default_factory=set)  # numbers of turns whose answer is in doubt

    @property
    def chat(self):
        return self.group or self.member


class People:
    """Everybody. ``up`` is set while the service can be reached; ``pictures``: each sends one."""

    def __init__(self, standin, fake, up, *, pictures=False):
        self._standin = standin
        self._fake = fake
        self._up = up
        self._pictures = pictures
        self.pictures = 0
        self.pressed = set()  # cards
        self.way = WAYS[standin.channel]
        self.lines = [
            Line(member, group if self.way.groups else None, asks) for member, group, asks in CHATS
        ]

    @property
    def talks(self):
        """Every talk that there was."""
        for line in self.lines:
            yield from (talk for _, talk in line.said)
            yield from line.contacts
            yield from line.results

    @property
    def said(self):
        """How many questions there were."""
        return sum(len(line.said) for line in self.lines)

    async def converse(self):
        """Say all twenty messages: alone, behind another, and with a permission to give."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(self._conversation(line))

    async def _conversation(self, line):
        if line.asks_first:
            await self._ask(line, "permitted")
            await self._permit(line)
        else:
            await self._ask(line, "short")
            await self._done(line)
        # The first line's is so long that its bubble has to be left before its end.
        talk = await self._ask(line, "longest" if line is self.lines[0] else "long")
        if self.way.forgets and line is not self.lines[0]:
            await self._forget(talk)
        await self._ask(line, "short")
        if line.asks_first:
            await self._ask(line, "short")
        else:
            await self._ask(line, "permitted")
            await self._permit(line)

    async def chat(self, stop):
        """Ask short questions in every chat, one after the other, until ``stop`` is set."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(self._chatter(line, stop))

    async def _chatter(self, line, stop):
        while not stop.is_set():
            await self._ask(line, "short")
            while not stop.is_set() and not await self._within(
                lambda: self._answered(line), DECIDED_S
            ):
                pass  # who writes on would only fill the queue

    async def _ask(self, line, kind):
        """Ask until it is acknowledged; each new message of what was not heard has its own word."""
        while True:
            word = f"{line.member}-{len(line.said) + 1}"
            talk = await self.say(line, words_for(kind, word), picture=not line.said)
            line.said.append((word, talk))
            if self.way.repeats or self.way.taken(talk) or len(line.said) > TRIES:
                return talk

    async def say(self, line, words, *, picture=False):
        """Send a message until it is taken: WeCom's last repeat comes when the service is back.

        Where nothing is repeated it is sent once, and there is time for the service to take it up.
        """
        talk = await self._begin(line, words, picture=picture and self._pictures)
        if not self.way.repeats:
            await self._up.wait()
            if talk.delivered:
                await self._within(lambda: self.way.taken(talk), HEARD_S)
            return talk
        for _ in range(TRIES):
            if self.way.taken(talk):
                break
            await self._up.wait()
            talk = await self._again(line, words, talk)
        return talk

    async def _begin(self, line, words, *, picture=False):
        if not picture:
            return await self._standin.say(line.member, words, group=line.group)
        self.pictures += 1
        if not self.way.groups:  # where a message has words or a picture, never both
            first = await self._standin.upload(line.member, "image", "a.png", PNG)
            line.contacts.append(first)
            while not self.way.taken(first):
                await self._up.wait()
                await self._standin.say(line.member, "", msgid=first.msgid)
            return await self._standin.say(line.member, words)
        image = self._standin.keep_medium("image", "a.png", PNG)
        content = payloads.mixed([payloads.text(words), image])
        talk = self._standin.begin(line.member, content, group=line.group)
        await self._standin.answered(talk)
        return talk

    async def _again(self, line, words, talk):
        if talk.delivered:  # given up by WeCom; else it never left, for too many were open
            return await self._standin.say(line.member, words, group=line.group, msgid=talk.msgid)
        with contextlib.suppress(TimeoutError):
            await self._standin.book.until(lambda: self._open(line) < 2, DONE_S)
        return await self._begin(line, words)

    def _open(self, line):
        return sum(
            not self.way.over(talk) for talk in self.talks if talk.origin.member == line.member
        )

    async def _forget(self, talk):
        """Let WeCom forget a message once its bubble shows something: its final must be pushed."""
        if await self._within(lambda: "p1" in talk.text, FORGOTTEN_S):
            self._standin.gateway.forget(talk)

    async def _done(self, line):
        await self._within(lambda: self._answered(line), DONE_S)

    async def _within(self, true, limit_s):
        with contextlib.suppress(TimeoutError):
            await self._standin.book.until(true, limit_s)
        return true()

    async def _permit(self, line):
        """Allow what the last message asks for: by its card, by the code in the chat, or /pending.

        Who asks first presses; the others type, unless there is no code to be seen.
        """
        used = set()
        for _ in range(TRIES):
            await self._within(
                lambda: self._answered(line) or self._codes(line) - used or self._to_press(line),
                DECIDED_S,
            )
            if self._answered(line):
                return
            if card := self._to_press(line):
                await self._press(line, card)
                continue
            codes = sorted(self._codes(line) - used)
            if codes:
                used.add(codes[0])
            else:
                used.clear()
            words = f"/allow {codes[0]}" if codes else "/pending"
            line.contacts.append(await self.say(line, words))

    async def _press(self, line, card):
        self.pressed.add(card.id)
        await self._up.wait()
        with contextlib.suppress(NotThere):  # it was decided in between
            await self._standin.click(line.member, card, ALLOW)

    def _to_press(self, line):
        """Return a card that is still to be pressed; one that did nothing is not pressed again."""
        if self._codes(line) and not line.asks_first:
            return None
        items = self._standin.transcript(line.chat)
        cards = [
            item for item in items if item.card_of(line.member) and item.id not in self.pressed
        ]
        return next((item for item in cards if ALLOW in str(item.card_of(line.member))), None)

    def _answered(self, line):
        """Whether the chat shows the answer to what was last said in it."""
        return end_of(line.said[-1][0]) in self._seen(line)

    def _seen(self, line):
        """All that the bot shows in a chat."""
        items = self._standin.transcript(line.chat)
        return "\n".join(item.content for item in items if item.kind != "said")

    def _codes(self, line):
        return set(CODE.findall(self._seen(line)))

    async def settle(self, limit_s):
        """Let everything come to its end; who misses an answer writes again."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + limit_s
        await self._within(self._content, QUIET_S)
        while True:
            for line in self.lines:
                line.contacts.append(await self.say(line, "/status"))
                for n in sorted(set(UNKNOWN.findall(self._seen(line))) - line.told):
                    line.told.add(n)
                    line.results.append(await self.say(line, f"/result {n}"))
            if await self._within(self._content, QUIET_S) or loop.time() > ends:
                return

    def _content(self):
        """Whether every bubble is closed and every answer was shown."""
        return all(self.way.over(talk) for talk in self.talks) and all(
            end_of(word) in seen
            for line in self.lines
            for seen in (self._seen(line),)
            for word, talk in line.said
            if self.way.taken(talk) or self.way.repeats
        )

    async def look_again(self):
        """Ask once more for every finished bubble; return what each was then."""
        later = {}
        if self.way.name != "callback":
            return later
        for talk in list(self.talks):
            if talk.finished:
                last = talk.text
                await self._standin.poll(talk)
                later[talk.msgid] = (last, talk.text)
        return later

    def messages(self, prompts, later):
        """Return everybody's messages as the judge wants them."""
        return tuple(
            _message(self.way, line, word, talk, prompts[word], later.get(talk.msgid, ()))
            for line in self.lines
            for word, talk in line.said
        )


def _message(way, line, word, talk, prompts, later):
    own = [talk for _, talk in line.said] + line.contacts
    shown = [bubble.content for talk in own for bubble in way.bubbles(talk) if bubble.finished]
    late = [item for talk in (*own, *line.results) for item in talk.late]
    shown += [item.content for item in late if item.kind == "late"]
    finals = [text for text in shown for _ in range(_shows(text, end_of(word)))]
    # Of an answer in several messages the first one alone may have come twice.
    begun = [text for text in shown for _ in range(_shows(text, begin_of(word)))]
    asked = [bubble.content for talk in line.results for bubble in way.bubbles(talk)]
    history = [text for bubble in way.bubbles(talk) for text in _before_end(bubble)]
    return Message(
        word=word,
        chat=line.chat,
        msgid=way.id_of(talk),
        acknowledged=way.taken(talk),
        rewritten=not way.repeats and not way.taken(talk),
        prompts=prompts,
        finals=tuple(begun if 0 < len(finals) < len(begun) else finals),
        asked=tuple(text for text in asked if end_of(word) in text),
        shown=tuple(history),
        last=way.last(talk, later),
        later=tuple(later[1:]),
        streams=way.streams(talk),
        attempts=tuple(talk.attempts),
    )


def _before_end(bubble):
    return bubble.history[:-1] if bubble.finished else bubble.history


def _shows(text, mark):
    """Count how often a text shows an answer's mark; what ran by the time of a hand-over is none."""
    left = delivery_texts.HANDED_OVER.en
    sections = [part for part in text.split(SEAM) if not part.startswith(left)]
    return sum(part.count(mark) for part in sections)
