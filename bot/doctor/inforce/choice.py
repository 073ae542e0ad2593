"""The agent and the model that a prompt runs with, for a new chat, a chat or a project, and the rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.choices import (
    NOBODY,
    Choice,
    Choices,
    facts_of,
    origins,
    quiet_directory,
    resolved,
)
from bot.doctor.inforce.sources import Source, decides
from bot.doctor.reading import read
from bot.doctor.scene import Scene
from bot.errors import StartError
from bot.opencode.client import OpenCode
from bot.opencode.workspace import folder_name
from bot.texts import Text
from bot.texts import choices as texts
from store.chats import ALL
from store.records import ChatRecord
from store.rows import reader

_chat = reader(ChatRecord)


@dataclass(frozen=True, slots=True)
class Asked:
    """For which chat (its key or id) or project (its name) to tell; empty: for a new chat."""

    chat: str = ""
    project: str = ""


A_NEW_CHAT = Asked()


@dataclass(frozen=True, slots=True)
class Whose:
    """For whom agent and model are wanted, and the folder that the server is asked about."""

    words: str
    chat: ChatRecord
    directory: Path


@dataclass(frozen=True, slots=True)
class Decided:
    """Agent and model with the rule of each; ``sources`` are the places in which the rule found them.

    ``choice`` is the same for a chat, and ``problem`` the error, in its language.
    """

    facts: Mapping[str, object]
    agent_source: str = ""
    model_source: str = ""
    choice: Choice | None = None
    problem: Text | None = None

    @property
    def error(self) -> str:
        """Why there is no agent or model."""
        return str(self.facts.get("error", ""))

    def fact(self, name: str) -> str:
        """Return one of: agent, agent_why, model, model_why."""
        return str(self.facts.get(name, ""))


async def whose(scene: Scene, asked: Asked) -> Whose:
    """Find the chat or project; raises ``StartError`` when there is none of that name."""
    chat, project = asked.chat, asked.project
    if project:
        found = scene.settings.projects.get(project)
        if found is None:
            known = ", ".join(scene.settings.projects) or "none"
            raise StartError(f"there is no project {project}; there are: {known}.")
        return Whose(f"project {project}", NOBODY, found.path)
    folder = quiet_directory(scene.settings)
    if not chat:
        return Whose("a new chat", NOBODY, folder)
    record = _named(chat, await chats(scene))
    own = scene.settings.workspaces.root / folder_name(record.key)
    if not scene.settings.projects and own.is_dir():
        folder = own
    return Whose(f"chat {record.key}", record, folder)


async def chats(scene: Scene) -> list[ChatRecord]:
    """Return every chat that ever wrote, as the service's database has them."""
    rows = await read(scene, lambda database: database.execute(ALL).fetchall())
    return [_chat(row) for row in rows or ()]


async def decided(scene: Scene, who: Whose, found: Sequence[Source]) -> Decided:
    """Ask the server and resolve by the service's own rules."""
    if scene.address is None:
        return Decided({"error": "OpenCode was never started here"})
    address = scene.address
    async with OpenCode(address.url, address.username, address.password) as client:
        named = origins(scene.environ, scene.file)
        choices = Choices(client, scene.settings, lambda: scene.now, named)
        resolution = await resolved(choices, who.chat, who.directory)
    if isinstance(resolution, Text):
        return Decided({"error": resolution.say("en")}, problem=resolution)
    facts = facts_of(*resolution)
    by_config = facts.get("agent_why") == texts.AGENT_OF_CONFIG.en
    agent, model = str(facts.get("agent", "")), str(facts.get("model_why", ""))
    key = ""
    if model.startswith(texts.MODEL_OF_CONFIG.en):
        key = "model"
    elif model.startswith(texts.MODEL_OF_AGENT.en.format(agent=agent)):
        key = f"agent.{agent}.model"
    return Decided(
        facts,
        _place("default_agent" if by_config else "", found),
        _place(key, found),
        resolution[1],
    )


def _place(key: str, found: Sequence[Source]) -> str:
    source = decides(key, found) if key else None
    return source.place if source is not None else ""


def _named(chat: str, known: Sequence[ChatRecord]) -> ChatRecord:
    matching = [one for one in known if chat in {one.key, one.id, folder_name(one.key)}]
    if not matching:
        raise StartError(
            f"no chat {chat} ever wrote; `--chat` takes the key, as in {_some(known)}."
        )
    return matching[0]


def _some(known: Sequence[ChatRecord]) -> str:
    return ", ".join(one.key for one in known[:3]) or "wecom:group:wr…"
