"""A chat with all that commands use: real parts, but for the engine and what asks for people."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

from bot.access import Access
from bot.choices import Choices
from bot.errors import UserError
from bot.files import Files
from bot.links import Links
from bot.messages import Chat, InboundMessage, Outlets
from bot.opencode.workspace import Workspaces
from bot.services import Services
from bot.sessions import Sessions
from bot.snapshot import Limits
from bot.summary import begin
from commands import COMMANDS
from commands.registry import Invocation
from store.records import NewChat, NewDelivery, NewInbound, NewTurn

START = 1_800_000_000_000
MINUTE = 60_000
GROUP = Chat("wecom", "group", "g1")
OTHER = Chat("wecom", "group", "g2")
DIRECT = Chat("wecom", "direct", "zhang")


@dataclass
class Engine:
    """Stands in for the lanes: what runs is what a test says, and a stop ends it or does not."""

    store: object
    clock: object
    runs: dict = field(default_factory=dict)
    stops: list = field(default_factory=list)
    woken: list = field(default_factory=list)
    obeys: bool = True

    def running(self, chat):
        return self.runs.get(chat)

    def all_running(self):
        return list(self.runs.values())

    def interrupt(self, *, by):
        interrupted = self.all_running()
        self.stops += [(running.record.n, by, "recycle") for running in interrupted]
        self.runs.clear()
        return interrupted

    async def leave(self, chat, *, by):
        return await self.stop(chat, by=by, why="leave")

    def wake(self, chat):
        self.woken.append(chat)

    async def drop(self, turn, *, by):
        return await self.store.turns.drop(turn.n, by, self.clock())

    async def drop_all(self, chat, *, by):
        return await self.store.turns.drop_all(chat, by, self.clock())

    async def stop(self, chat, *, by, why="stop"):
        running = self.runs.get(chat)
        if running is None:
            return None
        self.stops.append((running.record.n, by, why))
        if self.obeys:
            del self.runs[chat]
        return SimpleNamespace(n=running.record.n, over=self.obeys)


@dataclass
class Server:
    """Stands in for the server: whether it is ours, and whether it comes again."""

    managed: bool = True
    comes: bool = True
    recycled: int = 0
    state: str = "ready"
    version: str = "1.18.33"
    warning: str | None = None
    gate: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(shut=False))

    async def recycle(self):
        self.recycled += 1
        return self.comes


@dataclass
class Decisions:
    """Stands in for what waits for people, and remembers what was decided."""

    waiting: list = field(default_factory=list)
    decided: list = field(default_factory=list)

    async def open(self, chat):
        return [ask for ask in self.waiting if ask.chat == chat]

    async def allow(self, chat, code, *, by, role):
        self.decided.append(("allow", chat, code, by, role))
        return SimpleNamespace(code=code, turn=31)

    async def always(self, chat, code, *, by, role):
        self.decided.append(("always", chat, code, by, role))
        return SimpleNamespace(code=code, turn=31)

    async def deny(self, chat, code, reason, *, by, role):
        self.decided.append(("deny", chat, code, reason, by, role))
        return SimpleNamespace(code=code, turn=31)

    async def answer(self, chat, code, text, *, by, role):
        self.decided.append(("answer", chat, code, text, by, role))
        return SimpleNamespace(code=code, turn=31)


async def at_once(_):
    """Wait for nothing: a second look at a workspace finds what the first one found."""


class Room:
    """The chat that tests talk in. ``say`` is what a person sends, its result what they read."""

    def __init__(self, store, client, settings, tmp_path, *, public_url=None):
        self.now = START
        self.store = store
        self.engine = Engine(store, self.clock)
        self.decisions = Decisions()
        self.server = Server()
        self.feed = SimpleNamespace(connected=True)
        self.outlets = Outlets()
        self.folders = Workspaces(tmp_path / "workspaces", None, ())
        self.services = Services(
            settings=settings,
            store=store,
            access=Access(settings.access),
            turns=self.engine,
            sessions=Sessions(store, client, self.folders, settings, self.clock, "svc"),
            asks=self.decisions,
            opencode=client,
            choices=Choices(client, settings, self.clock),
            links=Links(b"k" * 32, public_url, 3600, self.clock),
            files=Files(store, tmp_path / "data", Limits(), self.clock, sleep=at_once),
            media=None,  # no command asks for what came with a message
            server=self.server,
            feed=self.feed,
            clock=self.clock,
            outlets=self.outlets,
        )
        self._messages = 0

    def clock(self):
        return self.now

    async def meet(self, *chats):
        """Make chats known to the store, as their first message does."""
        for chat in chats:
            new = NewChat(chat.key, chat.platform, chat.kind, chat.id, "", "zh", self.now)
            inbound = NewInbound(
                self._message(), chat.key, "zhang", "command", "", "", None, "", True, "", self.now
            )
            await self.store.inbox.accept(inbound, new, None)

    async def say(self, text, *, sender="zhang", chat=GROUP, language="zh", quote=""):
        """Send a command and return what it answers: words, or the turn that it asks for."""
        parsed = COMMANDS.parse(text)
        assert parsed is not None, f"{text!r} is no command"
        invocation = Invocation(
            name=parsed.name,
            rest=parsed.rest,
            args=tuple(parsed.rest.split()),
            message=InboundMessage(self._message(), chat, sender, text, self.now, quote=quote),
            chat=await self.store.chats.get(chat.key),
            language=language,
            role=self.services.access.role(sender),
            services=self.services,
        )
        try:
            return await COMMANDS.run(invocation)
        except UserError as exc:
            return exc.text.say(language, **exc.facts)

    async def queued(self, text="修复登录", *, sender="zhang", chat=GROUP, **more):
        """Put a turn into a chat's queue."""
        facts = {
            "kind": "prompt",
            "quote": "",
            "attachments": "[]",
            "language": "zh",
            "forced": False,
            "bubble": False,
            "retry_of": None,
            "created_at": self.now,
            **more,
        }
        return await self.store.turns.add(
            NewTurn(message=self._message(), chat=chat.key, sender=sender, text=text, **facts)
        )

    async def running(self, text="修复登录", *, sender="zhang", chat=GROUP, **more):
        """Let a turn run in a chat."""
        queued = await self.queued(text, sender=sender, chat=chat, **more)
        turn = await self.store.turns.claim(chat.key, self.now)
        assert turn.n == queued.n, "something waits before it"
        summary = begin("ses_1", "msg_1", self.now)
        running = SimpleNamespace(
            record=turn,
            chat=await self.store.chats.get(chat.key),
            started_at=self.now,
            summary=summary,
            note="",
            asks=[],
        )
        self.engine.runs[chat.key] = running
        return running

    async def ended(
        self,
        text="修复登录",
        *,
        answer="好了",
        state="done",
        outcome="answered",
        chat=GROUP,
        **more,
    ):
        """Let a turn run and end with an answer that is due."""
        turn = (await self.running(text, chat=chat, **more)).record
        delivery = NewDelivery(chat.key, turn.n, turn.message, answer, "✅ 完成", "", self.now)
        await self.store.turns.end(
            turn,
            state=state,
            outcome=outcome,
            reason="",
            stopped_by="",
            answer=answer,
            footer="✅ 完成",
            at=self.now,
            delivery=delivery,
        )
        del self.engine.runs[chat.key]
        return await self.store.turns.get(turn.n)

    async def changed(self, turn, files):
        """Let a turn that runs write files, look at them, and give it what it changed."""
        folder = (await self.folders.folder(turn.chat)).resolve()
        await self.store.turns.set_session(turn, "ses_1", str(folder))
        before = await self.services.files.before(turn.n, folder)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        await self.services.files.after(turn.n, folder, since=before, claimed=(), touched=())

    def with_parts(self, **changed):
        """Return this room with other parts."""
        self.services = replace(self.services, **changed)
        return self

    def _message(self):
        self._messages = getattr(self, "_messages", 0) + 1
        return f"m{self._messages}"
