"""What the real OpenCode said, byte for byte, and what reading it said afterwards.

``make record`` makes them anew; see ``tests/data/opencode/README.md``.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import orjson

from bot.opencode.events import (
    MessageRemoved,
    MessageUpdated,
    PartRemoved,
    PartUpdated,
    SessionCreated,
    parse,
)
from bot.opencode.model import Message
from bot.opencode.stream import Splitter
from bot.summary import begin, fold
from bot.verdict import judge

DATA = Path(__file__).parent / "data" / "opencode"
NAMES = sorted(path.stem for path in DATA.glob("*.sse"))
LONG_AFTER_MS = 10_000


@dataclass(frozen=True)
class Recorded:
    """One recording."""

    name: str

    @cached_property
    def stream(self):
        """The body of ``/global/event``."""
        return (DATA / f"{self.name}.sse").read_bytes()

    @property
    def torn(self):
        """Whether the stream ends within a frame: the server was killed."""
        return not self.stream.endswith(b"\n\n")

    @cached_property
    def facts(self):
        return orjson.loads((DATA / f"{self.name}.json").read_bytes())

    @property
    def session(self):
        return self.facts["session"]

    @property
    def prompt(self):
        return self.facts["prompts"][0]

    @cached_property
    def messages(self):
        """The session's messages as they were in the end."""
        return [Message.parse(json) for json in self.facts["messages"]]

    @cached_property
    def answer(self):
        """What the model said, as the raw messages have it; found without our own reading."""
        texts = [
            part["text"].strip("\n")
            for message in self.facts["messages"]
            if message["info"]["role"] == "assistant" and not message["info"].get("summary")
            for part in message["parts"]
            if part["type"] == "text" and "end" in part["time"]
        ]
        return "\n\n".join(texts)

    @cached_property
    def events(self):
        return read(self.stream)

    @cached_property
    def summary(self):
        """The turn by its events alone, none missed."""
        return self.folded(self.events)

    def begun(self):
        return begin(self.session, self.prompt, 0)

    def folded(self, events, summary=None):
        summary = summary or self.begun()
        for event in events:
            summary = fold(summary, event, 1)
        return summary

    def judged(self, summary):
        """Return the verdict of a look some time after the last sign of life."""
        return judge(
            self.messages,
            self.prompt,
            busy=False,
            seen_busy=summary.seen_busy,
            since_ms=LONG_AFTER_MS,
            error=summary.error,
        )

    @cached_property
    def verdict(self):
        return self.judged(self.summary)

    @cached_property
    def kept(self):
        """What the server had stored before each event, and after the last: n + 1 lists."""
        return list(self._kept())

    def _kept(self):
        infos, parts = {}, {}
        for event in self.events:
            yield _listed(infos, parts)
            if event.session == self.session:
                _store(infos, parts, event)
        yield _listed(infos, parts)

    @cached_property
    def family(self):
        """The ids of the session and of its sub-agents'."""
        children = {e.info.id for e in self.events if isinstance(e, SessionCreated)}
        return {self.session, *children}


def _listed(infos, parts):
    return [replace(info, parts=tuple(parts.get(id_, {}).values())) for id_, info in infos.items()]


def _store(infos, parts, event):
    match event:
        case MessageUpdated():
            infos[event.message.id] = event.message
        case PartUpdated():
            parts.setdefault(event.message, {})[event.part.id] = event.part
        case PartRemoved():
            parts.get(event.message, {}).pop(event.part, None)
        case MessageRemoved():
            infos.pop(event.message, None)
        case _:
            pass


def frames_of(*pieces, splitter=None):
    """Cut pieces of a stream into frames, as the feed does."""
    splitter = splitter or Splitter()
    return [frame for piece in pieces for frame in splitter.feed(piece)]


def read(stream):
    """Return the events of a stream that is all good; duplicates left out."""
    return [event for frame in frames_of(stream) if (event := parse(frame)) is not None]


RECORDINGS = {name: Recorded(name) for name in NAMES}
