"""Which agent and which model a prompt runs with, and why these."""

import contextlib
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bot.clock import Clock
from bot.errors import PeerError, UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import Agent
from bot.texts import Text
from bot.texts import choices as texts
from bot.texts.filling import filled
from config.settings import Settings
from store.records import ChatRecord

FRESH_MS = 5_000
NEAREST = 5
NEAR = 0.4  # of difflib's likeness
DEFAULT_AGENT = "build"
AGENT_KEY, AGENT_ENV = "opencode.agent", "OPENCODE_AGENT"
MODEL_KEY, MODEL_ENV = "opencode.model", "OPENCODE_MODEL"
NOBODY = ChatRecord("", "", "direct", "", "", 0, "", "", "", "", "", 0, 0)  # has chosen nothing
OF_ITS_OWN = ("opencode.json", "opencode.jsonc", ".opencode")
LOOKED_AT = 50  # folders of chats


@dataclass(frozen=True, slots=True)
class Choice:
    """What a prompt is sent with, and the rule that decided; ``model`` is ``provider/model``."""

    agent: str
    agent_why: Text
    model: str
    model_why: Text


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server has for one directory, as it said at ``read_at``."""

    agents: tuple[Agent, ...]
    models: tuple[str, ...]
    defaults: Mapping[str, str]
    config: Mapping[str, object]
    read_at: int

    def selectable(self) -> tuple[str, ...]:
        """Return the agents that a person may choose: no helpers of other agents, none hidden."""
        return tuple(a.name for a in self.agents if a.mode != "subagent" and not a.hidden)

    def agent(self, name: str) -> Agent | None:
        """Return the agent of that name."""
        return next((agent for agent in self.agents if agent.name == name), None)

    def configured(self, key: str) -> str:
        """Return what the server's configuration says under ``key``, empty when it says nothing."""
        value = self.config.get(key)
        return value if isinstance(value, str) else ""

    def default_model(self) -> tuple[str, str] | None:
        """Return the provider whose default counts, and that model.

        As the server does: the first provider, and of those that its configuration names
        if it names any.
        """
        named = self.config.get("provider")
        for provider, model in self.defaults.items():
            if not isinstance(named, dict) or not named or provider in named:
                return provider, f"{provider}/{model}"
        return None


def origins(environ: Mapping[str, str], file: Path | None) -> dict[str, str]:
    """Return for each of our keys where its value came from: the variable, else the file."""
    return {
        key: env if environ.get(env) or file is None else f"{key} · {file}"
        for key, env in ((AGENT_KEY, AGENT_ENV), (MODEL_KEY, MODEL_ENV))
    }


class Choices:
    """Resolves agent and model for a chat.

    The server keeps the last model of a session but not its agent, so every prompt says both:
    what people are shown is what runs. ``origins`` names where our settings came from.
    """

    def __init__(
        self,
        client: OpenCode,
        settings: Settings,
        clock: Clock,
        origins: Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._agent = settings.opencode.agent or ""
        self._model = settings.opencode.model or ""
        self._clock = clock
        self._origins = {AGENT_KEY: AGENT_ENV, MODEL_KEY: MODEL_ENV, **(origins or {})}
        self._offers: dict[Path, Offer] = {}

    async def resolve(self, chat: ChatRecord, directory: Path) -> Choice:
        """Return agent and model for the next prompt of ``chat``.

        Raises UserError, naming what exists, when one that was chosen is not there.
        """
        offer = await self.offer(directory)
        agent, agent_why = self._resolve_agent(chat, offer)
        model, model_why = self._resolve_model(chat, offer, agent)
        if model not in offer.models:
            raise unknown_model(model, model_why, offer.models)
        return Choice(agent.name, agent_why, model, model_why)

    async def offer(self, directory: Path) -> Offer:
        """Return what the server has for ``directory``, a few seconds old at most."""
        now = self._clock()
        offer = self._offers.get(directory)
        if offer is None or now - offer.read_at > FRESH_MS:
            self._forget(now)
            offer = self._offers[directory] = await self._read(directory, now)
        return offer

    async def _read(self, directory: Path, now: int) -> Offer:
        return Offer(
            agents=tuple(await self._client.agents(directory)),
            models=tuple(await self._client.models(directory)),
            defaults=await self._client.default_models(directory),
            config=await self._client.config(directory),
            read_at=now,
        )

    def _forget(self, now: int) -> None:
        """Drop what is too old, so that a server with many directories costs nothing here."""
        self._offers = {k: v for k, v in self._offers.items() if now - v.read_at <= FRESH_MS}

    def _resolve_agent(self, chat: ChatRecord, offer: Offer) -> tuple[Agent, Text]:
        name, why = self._named_agent(chat, offer)
        selectable = offer.selectable()
        if not name and DEFAULT_AGENT in selectable:
            name, why = DEFAULT_AGENT, texts.AGENT_BUILD
        elif not name:
            if not selectable:
                raise UserError(texts.NO_AGENT)
            name, why = selectable[0], texts.AGENT_FIRST
        agent = offer.agent(name)
        if agent is None:
            raise unknown_agent(name, why, selectable)
        return agent, why

    def _named_agent(self, chat: ChatRecord, offer: Offer) -> tuple[str, Text]:
        if chat.agent:
            return chat.agent, texts.AGENT_OF_CHAT
        if self._agent:
            return self._agent, filled(texts.AGENT_OF_SETTINGS, origin=self._origins[AGENT_KEY])
        return offer.configured("default_agent"), texts.AGENT_OF_CONFIG

    def _resolve_model(self, chat: ChatRecord, offer: Offer, agent: Agent) -> tuple[str, Text]:
        if chat.model:
            return chat.model, texts.MODEL_OF_CHAT
        chosen = bool(chat.agent or self._agent)
        if self._model and not chosen:
            return self._model, filled(texts.MODEL_OF_SETTINGS, origin=self._origins[MODEL_KEY])
        model, why = _model_of_server(offer, agent)
        if self._model:  # set, and silent: say so, or an operator looks for it in vain
            origin = self._origins[MODEL_KEY]
            return model, filled(texts.OVERRIDDEN, why=why, origin=origin)
        return model, why


async def in_force(choices: Choices, chat: ChatRecord, directory: Path) -> dict[str, object]:
    """Return agents, models, and which of them ``chat`` gets and why, or the error, for administrators."""
    found = await resolved(choices, chat, directory)
    if isinstance(found, Text):
        return {"error": found.say("en")}
    offer, choice = found
    return facts_of(offer, choice)


async def resolved(
    choices: Choices, chat: ChatRecord, directory: Path
) -> tuple[Offer, Choice] | Text:
    """Return what there is and what ``chat`` gets of it, or why it gets nothing."""
    try:
        return await choices.offer(directory), await choices.resolve(chat, directory)
    except PeerError as exc:
        return filled(texts.AS_SAID, words=str(exc))
    except UserError as exc:
        return filled(exc.text, **exc.facts)


def facts_of(offer: Offer, choice: Choice) -> dict[str, object]:
    """Return what there is and what is chosen of it, in plain English."""
    return {
        "agents": [agent.name for agent in offer.agents],
        "models": list(offer.models),
        "agent": choice.agent,
        "agent_why": choice.agent_why.say("en"),
        "model": choice.model,
        "model_why": choice.model_why.say("en"),
    }


def quiet_directory(settings: Settings) -> Path:
    """Return a folder that shows what a new chat gets: the project, or a chat's without its own words.

    The folder above the chats' is no repository: a server may look for configuration above it,
    which does not count in any chat.
    """
    for project in settings.projects.values():
        return project.path
    root = settings.workspaces.root
    folders = islice(_repositories(root), LOOKED_AT)
    silent = (one for one in folders if not any((one / name).exists() for name in OF_ITS_OWN))
    return next(silent, root)


def _repositories(root: Path) -> Iterable[Path]:
    with contextlib.suppress(OSError):
        yield from (folder for folder in root.iterdir() if (folder / ".git").is_dir())


def _model_of_server(offer: Offer, agent: Agent) -> tuple[str, Text]:
    """Return what the server itself would take: the agent's own, its configuration's, a default."""
    if agent.model:
        return agent.model, filled(texts.MODEL_OF_AGENT, agent=agent.name)
    configured = offer.configured("model")
    if configured:
        return configured, texts.MODEL_OF_CONFIG
    default = offer.default_model()
    if default is None:
        raise UserError(texts.NO_MODEL)
    provider, model = default
    return model, filled(texts.MODEL_OF_PROVIDER, provider=provider)


def unknown_agent(name: str, why: Text, selectable: Sequence[str]) -> UserError:
    """Say which agents there are instead."""
    known = ", ".join(selectable) or texts.NONE
    return UserError(filled(texts.NO_SUCH_AGENT, agent=name, why=why, known=known))


def unknown_model(name: str, why: Text, models: Sequence[str]) -> UserError:
    """Say which models come nearest."""
    return UserError(filled(texts.NO_SUCH_MODEL, model=name, why=why, near=_near(name, models)))


def _near(name: str, models: Sequence[str]) -> Text | str:
    """Say what to use instead: the one that comes near, those that do, or some that there are."""
    near = nearest(name, models)
    if len(near) == 1:
        return filled(texts.NEAR_ONE, name=near[0])
    if near:
        return filled(texts.NEAR, names=", ".join(near))
    return filled(texts.NEAR_NONE, names=", ".join(models[:NEAREST])) if models else ""


def nearest(name: str, models: Sequence[str]) -> list[str]:
    """Return the models that ``name`` may have meant: those that hold it first, then those like it."""
    word = name.rpartition("/")[2].casefold()
    holding = [model for model in models if word and word in model.casefold()]
    alike = difflib.get_close_matches(name, models, n=NEAREST, cutoff=NEAR)
    return list(dict.fromkeys((*holding, *alike)))[:NEAREST]
