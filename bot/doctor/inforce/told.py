"""What the server itself says is in force for a folder: agents, models, providers, plugins. No secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bot.doctor.inforce.keys import specs
from bot.errors import OpenCodeError, OpenCodeUnavailable
from bot.opencode.fields import Json, as_json, child, items, text
from bot.opencode.model import Agent
from bot.opencode.probe import Address, Probe
from bot.opencode.transport import Transport

LIMIT_S = 20.0
REFUSES = "refuses"
PUBLIC = "public"  # the key with which OpenCode asks its vendor's service for those who have none
# What the server has built in; any other package it fetches at the first prompt.
BUNDLED = frozenset(
    f"@ai-sdk/{name}"
    for name in (
        *("alibaba", "amazon-bedrock", "amazon-bedrock/mantle", "anthropic", "azure", "cerebras"),
        *("cohere", "deepinfra", "gateway", "github-copilot", "google", "google-vertex"),
        *("google-vertex/anthropic", "groq", "mistral", "openai", "openai-compatible"),
        *("perplexity", "togetherai", "vercel", "xai"),
    )
) | {
    "@openrouter/ai-sdk-provider",
    "ai-gateway-provider",
    "gitlab-ai-provider",
    "merge-gateway-ai-sdk-provider",
    "venice-ai-sdk-provider",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of models; ``key`` tells whether it has one, as far as the server shows it."""

    id: str
    source: str
    models: int
    packages: tuple[str, ...]
    key: str  # set, empty, absent; public: OpenCode gives it one that is everybody's

    @property
    def fetched(self) -> tuple[str, ...]:
        """The packages that the server does not have built in."""
        return tuple(name for name in self.packages if name not in BUNDLED and "://" not in name)


@dataclass(frozen=True, slots=True)
class Told:
    """What the server says for one folder; ``config`` holds the names of agent and models alone."""

    home: str
    config_folder: str
    worktree: str
    agents: tuple[Agent, ...]
    providers: tuple[Provider, ...]
    config: Mapping[str, str]
    plugins: tuple[str, ...]


async def ask(address: Address, directory: Path) -> Told | str:
    """Ask the server; return what it says, or in our own words why it says nothing."""
    transport = Transport(address.url, address.username, address.password, LIMIT_S)
    try:
        await _alive(address)
        paths = await transport.get("/path", as_json, directory)
        config = await transport.get("/config", as_json, directory)
        agents = await transport.get("/agent", _agents, directory)
        providers = await transport.get("/config/providers", _providers, directory)
    except OpenCodeUnavailable:
        return f"{address.url} does not answer"
    except OpenCodeError as exc:
        # Its sentence may quote the whole configuration, keys included.
        return f"{address.url} {REFUSES}: {exc.status} {exc.name}".rstrip()
    finally:
        await transport.close()
    names = {key: text(config, key) for key in ("model", "small_model", "default_agent")}
    return Told(
        home=text(paths, "home"),
        config_folder=text(paths, "config"),
        worktree=text(paths, "worktree"),
        agents=agents,
        providers=providers,
        config={key: value for key, value in names.items() if value},
        plugins=tuple(without_login(spec) for spec in specs(items(config, "plugin"))),
    )


async def _alive(address: Address) -> None:
    """Make sure that it answers at all, so that one that hangs is not waited for with all patience."""
    async with Probe(address) as probe:
        await probe.version()


def without_login(spec: str) -> str:
    """Return a plugin's address without a name and password in it."""
    host = urlsplit(spec).netloc
    return spec.replace(host, host.rpartition("@")[2], 1) if "@" in host else spec


def _agents(value: object) -> tuple[Agent, ...]:
    return tuple(Agent.parse(as_json(item)) for item in value) if isinstance(value, list) else ()


def _providers(value: object) -> tuple[Provider, ...]:
    return tuple(_provider(as_json(item)) for item in items(as_json(value), "providers"))


def _provider(json: Json) -> Provider:
    models = child(json, "models")
    apis = (child(as_json(model), "api") for model in models.values())
    packages = {text(api, "npm") for api in apis} - {""}
    return Provider(
        id=text(json, "id"),
        source=text(json, "source"),
        models=len(models),
        packages=tuple(sorted(packages)),
        key=_key(json),
    )


def _key(json: Json) -> str:
    options = child(json, "options")
    keys = {text(json, "key"), text(options, "apiKey")} - {""}
    if keys:
        return "public" if keys == {PUBLIC} else "set"
    return "empty" if "apiKey" in options else "absent"
