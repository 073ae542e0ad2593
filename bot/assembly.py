"""Build the parts of one service, each once, and say in which order they are let go."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.access import Access
from bot.asks import Asks
from bot.background import Background
from bot.choices import Choices, origins
from bot.clock import Clock
from bot.errors import StartError
from bot.files import Files
from bot.links import Links, load_key, make_once
from bot.media import Media, Sources
from bot.messages import Outlets
from bot.opencode.client import OpenCode
from bot.opencode.environment import Folders
from bot.opencode.feed import Feed
from bot.opencode.hold import Gate
from bot.opencode.ids import MessageIds
from bot.opencode.server import ExternalServer, ManagedServer, Server
from bot.opencode.workspace import Workspaces
from bot.outbox import Outbox
from bot.services import Services
from bot.sessions import Sessions
from bot.snapshot import Limits
from bot.turns.parts import Parts
from bot.turns.wiring import build_turns
from commands import COMMANDS
from config.data_files import LINK_KEY_FILE, SERVICE_FILE, TOKEN_FILE
from config.settings import Settings
from config.sources import secrets_beside
from handlers import wecom
from handlers.clicks import Clicks
from handlers.dispatch import Dispatch
from handlers.health import PlatformState
from handlers.intake import Intake
from handlers.verbs import Verbs
from handlers.wecom.timing import Timing
from handlers.wecom.webhook import Webhook, build_webhook
from store import SQLITE, Store, open_store
from store.errors import StoreUnusable
from store.records import Delivery
from store.sqlite import BACKUPS

PRIVATE = 0o700
PROBE_FOLDER = ".probe"  # where an external server shows that it sees our disk
OWN_VARIABLES = ("BOT_", "WECOM_", "OPENCODE_")
SHORTEST_SECRET = 16


@dataclass(slots=True)
class Fault:
    """What must not be survived, once it has happened; ``ended`` is set on any end."""

    cause: BaseException | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, exc: BaseException) -> None:
        """Let the service go down because of ``exc``."""
        self.cause = self.cause or exc
        self.ended.set()


@dataclass(slots=True)
class Service:
    """The running service, and what ends it."""

    settings: Settings
    services: Services
    background: Background
    edge: wecom.WeCom | None
    outlets: Outlets
    admin_token: str
    fault: Fault
    webhook: Webhook | None = None
    url: str = ""
    closing: bool = False

    @property
    def ended(self) -> asyncio.Event:
        """Set to end the service."""
        return self.fault.ended

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if it did not end by wish."""
        return self.fault.cause

    def bring(self, delivery: Delivery) -> None:
        """Begin to bring a delivery that is due; without a platform it stays so."""
        if self.edge is not None:
            replies = self.outlets.of(delivery.channel)
            self.background.start(replies.deliver(delivery.id), name=f"delivery {delivery.id}")

    def reconnect(self) -> str | None:
        """Open the long connection anew; return how it stood, None where there is none."""
        return self.edge.reconnect() if self.edge is not None else None

    def platforms(self) -> list[PlatformState]:
        """Say how each platform is."""
        on = {one.name: one.facts for one in self.edge.channels} if self.edge else {}
        states = [
            PlatformState(name, on=channel in on, facts=on.get(channel, {}))
            for channel, name in wecom.CHANNELS.items()
        ]
        if self.webhook is not None:
            states.append(PlatformState("wecom.webhook", on=True, facts=self.webhook.facts))
        return states


@dataclass(frozen=True, slots=True)
class Options:
    """What a service is built from besides its settings.

    ``file``: where the settings came from; ``hide`` takes a secret that the log must never show;
    ``ended`` is set to end the service.
    """

    clock: Clock
    file: Path | None = None
    hide: Callable[[str], None] = lambda _: None
    timing: Timing | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Assembly:
    """Puts one service together. What was opened is let go in reverse by the ``stack``."""

    def __init__(
        self, stack: contextlib.AsyncExitStack, settings: Settings, options: Options
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._options = options
        self._fault = Fault(ended=options.ended)
        self._background = Background(fatal=self._fault.report)
        self._outlets = Outlets()
        self._sources = Sources()
        self._edge: wecom.WeCom | None = None
        self._webhook: Webhook | None = None

    async def build(self) -> Service:
        """Open store, server and clients, then the edges. Raises StartError."""
        try:
            return await self._build()
        except OSError as exc:
            raise StartError(
                f"the data folder cannot be used: {exc}. Mend that, or set another BOT_DATA_DIR."
            ) from exc

    async def _build(self) -> Service:
        data_dir = self._settings.server.data_dir
        data_dir.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        store = await self._store()
        server = self._server()
        await server.start()
        self._stack.push_async_callback(server.stop)
        address = server.address
        self._options.hide(address.password)
        client = OpenCode(address.url, address.username, address.password)
        await self._stack.enter_async_context(client)
        self._stack.push_async_callback(self._let_go)
        self._stack.push_async_callback(self._background.close)
        services = await self._services(store, server, client)
        self._webhook = build_webhook(self._settings, self._background, services.clock)
        service = Service(
            settings=self._settings,
            services=services,
            background=self._background,
            edge=self._make_edge(services),
            outlets=self._outlets,
            admin_token=self._admin_token(),
            fault=self._fault,
            webhook=self._webhook,
        )
        self._options.hide(service.admin_token)
        if service.edge is not None:
            service.edge.open_outlets(self._outlets)
            service.edge.open_sources(self._sources)
            self._stack.push_async_callback(service.edge.close)
        return service

    async def _store(self) -> Store:
        try:
            store = await open_store(
                self._settings.store.url,
                on_broken=self._fault.report,
                backups=self._settings.server.data_dir / BACKUPS,
            )
        except StoreUnusable as exc:
            raise StartError(str(exc)) from exc
        return await self._stack.enter_async_context(store)

    def _server(self) -> Server:
        opencode, clock = self._settings.opencode, self._options.clock
        if opencode.url is None:
            return ManagedServer(self._settings, self._background, clock)
        password = opencode.password.get_secret_value() if opencode.password else ""
        shared = self._settings.workspaces.root / PROBE_FOLDER
        return ExternalServer(
            opencode.url,
            opencode.username,
            password,
            self._background,
            clock,
            shared=shared,
            gate=Gate(Folders.under(self._settings.server.data_dir).hold),
        )

    def _protected(self) -> list[Path]:
        """Return what no agent may be given: our data, our configuration, our secrets."""
        named = [
            Path(value)
            for name, value in os.environ.items()
            if name.endswith("_FILE") and name.startswith(OWN_VARIABLES) and value
        ]
        database = Path(self._settings.store.url.removeprefix(SQLITE))
        file = self._options.file
        beside = [one for one in (file, secrets_beside(file)) if one is not None]
        return [self._settings.server.data_dir, database, *beside, *named]

    def _feed(self, server: Server) -> Feed | None:
        if self._settings.opencode.follow == "poll":
            return None
        address = server.address
        feed = Feed(
            address.url,
            address.username,
            address.password,
            ready=server.wait_ready,
            clock=self._options.clock,
        )
        self._background.keep(feed.run, name="opencode feed")
        return feed

    def _parts(self, store: Store, server: Server, client: OpenCode, access: Access) -> Parts:
        settings, clock = self._settings, self._options.clock
        data_dir = settings.server.data_dir
        project = next(iter(settings.projects.values()), None)
        workspaces = Workspaces(
            settings.workspaces.root, project.path if project else None, self._protected()
        )
        return Parts(
            settings=settings,
            store=store,
            server=server,
            client=client,
            feed=self._feed(server),
            sessions=Sessions(
                store, client, workspaces, settings, clock, kept(data_dir / SERVICE_FILE)
            ),
            choices=Choices(client, settings, clock, origins(os.environ, self._options.file)),
            asks=Asks(store, client, access, clock, expire_after_s=settings.approvals.expire_after),
            files=Files(store, data_dir, Limits(max_bytes=settings.files.max_bytes), clock),
            media=Media(
                store,
                data_dir,
                self._sources,
                self._background,
                clock,
                limit=settings.files.max_bytes,
            ),
            links=Links(
                load_key(data_dir / LINK_KEY_FILE),
                settings.server.public_url,
                settings.files.link_ttl,
                clock,
            ),
            clock=clock,
        )

    async def _services(self, store: Store, server: Server, client: OpenCode) -> Services:
        settings, clock = self._settings, self._options.clock
        access = Access(settings.access)
        parts = self._parts(store, server, client, access)
        ids = MessageIds(clock, last=await store.turns.last_prompt())
        turns = build_turns(parts, ids, self._outlets, self._background)
        return Services(
            settings=settings,
            store=store,
            access=access,
            turns=turns,
            sessions=parts.sessions,
            asks=parts.asks,
            opencode=client,
            choices=parts.choices,
            links=parts.links,
            files=parts.files,
            media=parts.media,
            server=server,
            feed=parts.feed,
            clock=clock,
            outlets=self._outlets,
            file=self._options.file,
        )

    async def _let_go(self) -> None:
        if self._edge is not None:
            await self._edge.let_go()
        if self._webhook is not None:
            await self._webhook.close()

    def _make_edge(self, services: Services) -> wecom.WeCom | None:
        intake = Intake(services, Outbox(services.store, services.clock))
        verbs = Verbs(services, COMMANDS, intake, self._outlets, self._background)
        self._edge = wecom.build(
            self._settings,
            Dispatch(services, COMMANDS, intake, verbs, Clicks(services, self._background)),
            services.store,
            self._background,
            services.clock,
            timing=self._options.timing,
            take=services.files.left_by,
        )
        return self._edge

    def _admin_token(self) -> str:
        token = self._settings.server.admin_token
        if token is not None:
            return token.get_secret_value()
        return kept(self._settings.server.data_dir / TOKEN_FILE)


def kept(path: Path) -> str:
    """Return the secret that a file keeps, made at the first start, readable by us alone."""
    make_once(path, secrets.token_urlsafe(24).encode())
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) < SHORTEST_SECRET:
        raise StartError(f"{path} holds no secret. Remove it: a new one is made at the next start.")
    return secret
