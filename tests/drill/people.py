"""Twenty messages in five chats, and what the people who wrote them saw."""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field

from bot.outbox import SEAM
from bot.texts import delivery as delivery_texts
from bot.texts import engine as texts
from tests.drill.history import Message
from tests.drill.opencode import end_of, words_for

CHATS = (
    ("zhangsan", None),
    ("lisi", None),
    ("wangwu", None),
    ("lead", "wrTEAM"),
    ("boss", "wrOPS"),
)
DONE_S = 6.0  # a person waits so long for an answer before the next message
DECIDED_S = 1.5
QUIET_S = 3.0
TRIES = 20
CODE = re.compile(r"/allow (\w{3})\b")
UNKNOWN = re.compile(
    re.escape(texts.UNKNOWN_DELIVERY.en.partition(".")[0]).replace(r"\{n\}", r"(\d+)")
)


@dataclass
class Line:
    """What one person says in one chat, and what came of it."""

    member: str
    group: str | None
    said: list = field(default_factory=list)  # pairs of word and talk
    contacts: list = field(default_factory=list)  # talks that ask nothing of the model
    results: list = field(default_factory=list)  # talks that ask for an answer once more
    told: set = field(default_factory=set)  # numbers of turns whose answer is in doubt

    @property
    def chat(self):
        return self.group or self.member


class People:
    """Everybody. ``up`` is set while the service can be reached."""

    def __init__(self, standin, fake, up):
        self._standin = standin
        self._fake = fake
        self._up = up
        self.lines = [Line(member, group) for member, group in CHATS]

    @property
    def talks(self):
        """Every talk that there was."""
        for line in self.lines:
            yield from (talk for _, talk in line.said)
            yield from line.contacts
            yield from line.results

    async def converse(self):
        """Say all twenty messages: alone, behind another, and with a permission to give."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(self._conversation(line))

    async def _conversation(self, line):
        if line.group is not None:
            await self._ask(line, "permitted")
            await self._permit(line)
        else:
            await self._done(await self._ask(line, "short"))
        # The first line's is so long that its bubble has to be left before its end.
        await self._ask(line, "longest" if line is self.lines[0] else "long")
        await self._ask(line, "short")
        if line.group is not None:
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
        word = f"{line.member}-{len(line.said) + 1}"
        talk = await self.say(line, words_for(kind, word))
        line.said.append((word, talk))
        return talk

    async def say(self, line, words):
        """Send a message until it is taken: WeCom's last repeat comes when the service is back."""
        talk = await self._begin(line, words)
        for _ in range(TRIES):
            if talk.said.state == "delivered":
                break
            await self._up.wait()
            talk = await self._again(line, words, talk)
        return talk

    async def _begin(self, line, words):
        return await self._standin.say(line.member, words, group=line.group)

    async def _again(self, line, words, talk):
        if talk.delivered:  # given up by WeCom; else it never left, for too many were open
            return await self._standin.say(line.member, words, group=line.group, msgid=talk.msgid)
        with contextlib.suppress(TimeoutError):
            await self._standin.book.until(lambda: self._open(line) < 2, DONE_S)
        return await self._begin(line, words)

    def _open(self, line):
        return sum(not talk.over for talk in self.talks if talk.origin.member == line.member)

    async def _done(self, talk):
        await self._within(lambda: talk.over, DONE_S)

    async def _within(self, true, limit_s):
        with contextlib.suppress(TimeoutError):
            await self._standin.book.until(true, limit_s)
        return true()

    async def _permit(self, line):
        """Allow what the last message asks for, by the code that the chat shows, else by /pending."""
        used = set()
        for _ in range(TRIES):
            await self._within(lambda: self._answered(line) or self._codes(line) - used, DECIDED_S)
            if self._answered(line):
                return
            codes = sorted(self._codes(line) - used)
            if codes:
                used.add(codes[0])
            else:
                used.clear()
            words = f"/allow {codes[0]}" if codes else "/pending"
            line.contacts.append(await self.say(line, words))

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
        return all(talk.over for talk in self.talks) and all(
            end_of(word) in seen
            for line in self.lines
            for seen in (self._seen(line),)
            for word, _ in line.said
        )

    async def look_again(self):
        """Ask once more for every finished bubble; return what each was then."""
        later = {}
        for talk in list(self.talks):
            if talk.finished:
                last = talk.text
                await self._standin.poll(talk)
                later[talk.msgid] = (last, talk.text)
        return later

    def messages(self, prompts, later):
        """Return everybody's messages as the judge wants them."""
        return tuple(
            _message(line, word, talk, prompts[word], later.get(talk.msgid, ()))
            for line in self.lines
            for word, talk in line.said
        )


def _message(line, word, talk, prompts, later):
    own = [talk for _, talk in line.said] + line.contacts
    texts_shown = [talk.text for talk in own if talk.finished]
    texts_shown += [item.content for talk in own for item in talk.late]
    history = talk.bubble.history if talk.bubble else []
    return Message(
        word=word,
        chat=line.chat,
        msgid=talk.msgid,
        acknowledged=talk.said.state == "delivered",
        prompts=prompts,
        finals=tuple(text for text in texts_shown for _ in range(_shows(text, word))),
        asked=tuple(talk.text for talk in line.results if end_of(word) in talk.text),
        shown=tuple(history[:-1] if talk.finished else history),
        last=later[0] if later else None,
        later=tuple(later[1:]),
        streams=tuple(talk.streams),
        attempts=tuple(talk.attempts),
    )


def _shows(text, word):
    """Count how often a text shows the answer; what ran by the time of a hand-over is none."""
    left = delivery_texts.HANDED_OVER.en
    sections = [part for part in text.split(SEAM) if not part.startswith(left)]
    return sum(part.count(end_of(word)) for part in sections)
