"""The service without a platform: its store, client, feed and turns, and somebody who listens."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from bot.access import Access
from bot.asks import Asks
from bot.background import Background
from bot.choices import Choice, Choices
from bot.clock import now_ms
from bot.errors import StartError
from bot.files import Files
from bot.links import Links
from bot.media import Media, Sources
from bot.messages import CALLBACK, Answer, Chat, Outlets, ReplyStream, Sendable
from bot.opencode.client import OpenCode
from bot.opencode.feed import Feed
from bot.opencode.ids import MessageIds
from bot.opencode.probe import Address
from bot.opencode.server import ExternalServer
from bot.opencode.workspace import Workspaces
from bot.sessions import Sessions
from bot.snapshot import Limits
from bot.texts import Language
from bot.turns import Turns
from bot.turns.parts import Parts
from bot.turns.wiring import build_turns
from config.sections import AccessSettings, OpenCodeSettings
from config.settings import Settings, load_settings
from store import Store, open_store
from store.records import ChatRecord, NewChat, NewInbound, NewTurn, TurnKind, TurnRecord

PLATFORM = "contract"
SENDER = "prover"
SERVICE = "contract"
READY_S = 60.0
SILENT_S = 20.0  # for a stream that says no word; one that comes later hides what is being written
ASKED_COMMAND = "echo asked"
"""What a session's rules have the server ask about."""
RULES = ({"permission": "bash", "pattern": f"{ASKED_COMMAND}*", "action": "ask"},)

Follow = Literal["events", "poll"]


class Heard(ReplyStream):
    """All that one turn says to its chat."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.answer: Answer | None = None

    def update(self, markdown: str) -> None:
        """Take in what is shown while the turn runs: the summary behind it is looked at instead."""

    async def notify(self, markdown: str) -> None:
        """Take in what must not wait: what is asked is read from the store instead."""

    @property
    def apart(self) -> bool:
        """Whether a file is a message of its own: there are none."""
        return False

    def takes(self, media: Sequence[Sendable]) -> bool:  # noqa: ARG002 - its chat has words alone
        """Take no file."""
        return False

    async def finish(self, answer: Answer) -> None:
        """Take in the final answer."""
        self.answer = answer
        self.over.set()


class Ear:
    """The outlet of every chat; keeps what each turn says."""

    def __init__(self) -> None:
        self.turns: dict[int, Heard] = {}

    def reply_to(
        self,
        turn: int,
        message: str,  # noqa: ARG002 - same
        chat: str,  # noqa: ARG002 - same
        *,
        bubble: bool,  # noqa: ARG002 - same
        received_at: int,  # noqa: ARG002 - same
        language: Language,  # noqa: ARG002 - same
    ) -> ReplyStream:
        """Return who listens to a turn."""
        return self.of(turn)

    async def deliver(self, delivery: int) -> None:
        """Bring nothing: nobody waits for a second chance here."""

    def of(self, turn: int) -> Heard:
        """Return what was heard of a turn, also before it says anything."""
        return self.turns.setdefault(turn, Heard())


class Wilful(Choices):
    """Takes the agent and the model that a scene wants, whether the server has them or not."""

    wishes: dict[str, Mapping[str, str]]

    async def resolve(self, chat: ChatRecord, directory: Path) -> Choice:
        """Return what is in force for a chat, with what its scene wants in its place."""
        choice, wish = await super().resolve(chat, directory), self.wishes.get(chat.key, {})
        return replace(
            choice, agent=wish.get("agent", choice.agent), model=wish.get("model", choice.model)
        )


class Attaching(OpenCode):
    """Puts a scene's attachments beside the words of its prompts."""

    attachments: dict[str, Sequence[Mapping[str, object]]]

    async def prompt(
        self,
        session: str,
        *,
        message: str,
        parts: Sequence[Mapping[str, object]],
        agent: str,
        model: str,
        system: str | None = None,
    ) -> None:
        """Hand a prompt over with what belongs to its words."""
        words = str(parts[-1].get("text", ""))
        more = [one for key, found in self.attachments.items() if key in words for one in found]
        given = [*parts, *more]
        await super().prompt(
            session, message=message, parts=given, agent=agent, model=model, system=system
        )


@dataclass
class Room:
    """One service over one folder. Each conversation has a chat, and so a folder, of its own."""

    store: Store
    server: ExternalServer
    client: Attaching
    feed: Feed | None
    workspaces: Workspaces
    choices: Wilful
    asks: Asks
    files: Files
    turns: Turns
    ear: Ear
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def accept(self, chat: Chat, text: str, *, kind: TurnKind = "prompt") -> TurnRecord:
        """Keep a message as the platforms' door does, and wake the lane of its chat."""
        now, message = now_ms(), f"{chat.id}-{next(self.numbers)}-{now_ms()}"
        turn = NewTurn(
            message=message,
            chat=chat.key,
            sender=SENDER,
            kind=kind,
            text=text,
            quote="",
            attachments="[]",
            language="en",
            forced=False,
            bubble=True,
            retry_of=None,
            created_at=now,
        )
        inbound = NewInbound(
            message=message,
            chat=chat.key,
            sender=SENDER,
            kind="prompt",
            name="",
            body="",
            stream=message,
            shown="",
            finished=False,
            reply_url="",
            received_at=now,
        )
        opened = NewChat(chat.key, chat.platform, chat.kind, chat.id, chat.member, "en", now)
        accepted = await self.store.inbox.accept(inbound, opened, turn)
        assert accepted.turn is not None, "a new message with a turn gets one"
        self.turns.wake(chat.key)
        return accepted.turn


@contextlib.asynccontextmanager
async def opened(
    folder: Path, address: Address, *, follow: Follow = "events"
) -> AsyncIterator[Room]:
    """Open a service on a folder, ready to talk to the server. Raises ``StartError``."""
    settings = _settings(folder)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(await open_store(settings.store.url))
        client = Attaching(address.url, address.username, address.password)
        client.attachments = {}
        await stack.enter_async_context(client)
        background = await stack.enter_async_context(Background())
        server = await _server(address, background, settings)
        stack.push_async_callback(server.stop)
        feed = await _feed(address, background, server) if follow == "events" else None
        yield await _assembled(settings, store, server, client, feed, background)


async def _server(address: Address, background: Background, settings: Settings) -> ExternalServer:
    shared = settings.workspaces.root / ".probe"
    server = ExternalServer(
        address.url, address.username, address.password, background, shared=shared
    )
    await server.start()
    if not await server.wait_ready(READY_S):
        raise StartError(server.refused or "the service does not get on with it")
    return server


async def _feed(address: Address, background: Background, server: ExternalServer) -> Feed:
    """Subscribe; a server that says nothing is followed by asking, as the service does."""
    feed = Feed(address.url, address.username, address.password, ready=server.wait_ready)
    background.keep(feed.run, name="contract feed")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SILENT_S):
            await feed.wait_connected()
    return feed


async def _assembled(
    settings: Settings,
    store: Store,
    server: ExternalServer,
    client: Attaching,
    feed: Feed | None,
    background: Background,
) -> Room:
    """Put the same engine together as the service has, with our ear for an outlet."""
    access, data_dir = Access(AccessSettings(admins=(SENDER,))), settings.server.data_dir
    workspaces = Workspaces(settings.workspaces.root, None, [data_dir / "bot.db"])
    choices = Wilful(client, settings, now_ms)
    choices.wishes = {}
    parts = Parts(
        settings=settings,
        store=store,
        server=server,
        client=client,
        feed=feed,
        sessions=Sessions(store, client, workspaces, settings, now_ms, SERVICE),
        choices=choices,
        asks=Asks(store, client, access, now_ms, expire_after_s=settings.approvals.expire_after),
        files=Files(store, data_dir, Limits(), now_ms),
        media=Media(store, data_dir, Sources(), background, now_ms, limit=settings.files.max_bytes),
        links=Links(b"contract", None, settings.files.link_ttl, now_ms),
        clock=now_ms,
    )
    ear = Ear()
    ids = MessageIds(last=await store.turns.last_prompt())
    outlets = Outlets()
    outlets.put(CALLBACK, ear)
    turns = build_turns(parts, ids, outlets, background)
    background.keep(turns.flush, name="contract flush")
    await turns.recover()
    return Room(
        store, server, client, feed, workspaces, choices, parts.asks, parts.files, turns, ear
    )


def _settings(folder: Path) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(None, {"BOT_DATA_DIR": str(folder)})
    opencode = OpenCodeSettings.model_validate({"permission": list(RULES)})
    return settings.model_copy(update={"opencode": opencode})
