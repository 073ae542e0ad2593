"""What an OpenCode has to choose from, asked of the very server that the settings mean."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.background import Background
from bot.choices import quiet_directory
from bot.doctor.inforce.told import PUBLIC, ask
from bot.doctor.scene import address_of
from bot.errors import OpenCodeError, OpenCodeUnavailable, StartError
from bot.opencode.client import OpenCode
from bot.opencode.probe import Address
from bot.opencode.server import ManagedServer
from bot.setup.live import find_live
from config.settings import Settings

READY_S = 60
ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Offers:
    """Models as ``provider/model`` and agents that can be chosen; ``error``: why nothing is known.

    ``public``: nobody has set a key, and what there is are the public models of OpenCode's vendor.
    """

    models: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    version: str = ""
    error: str = ""
    public: bool = False


async def offered(
    settings: Settings, environ: Mapping[str, str], *, own_unit: bool = False
) -> Offers:
    """Ask the running service's OpenCode, the external one, or one started for this question.

    ``own_unit``: the external one is ours, and may not be there yet.
    """
    live = await find_live(settings)
    facts = live.truth.get("opencode") if live is not None else None
    if isinstance(facts, dict) and isinstance(facts.get("models"), list):
        models, agents = (
            [str(name) for name in facts.get(kind, ())] for kind in ("models", "agents")
        )
        address = address_of(settings)
        public = address is not None and await _is_public(address, quiet_directory(settings))
        return Offers(tuple(models), tuple(agents), str(facts.get("version", "")), public=public)
    try:
        return await _asked(settings, environ)
    except (OpenCodeError, OpenCodeUnavailable, StartError, TimeoutError, OSError) as exc:
        if own_unit and settings.opencode.url is not None:
            alone = settings.opencode.model_copy(update={"url": None})
            return await offered(settings.model_copy(update={"opencode": alone}), environ)
        return Offers(error=_words(exc))


async def _asked(settings: Settings, environ: Mapping[str, str]) -> Offers:
    opencode = settings.opencode
    if opencode.url is None:
        return await _of_managed(settings, environ)
    password = opencode.password.get_secret_value() if opencode.password else ""
    address = Address(opencode.url, opencode.username, password)
    return await _ask(address, settings.workspaces.root)


async def _of_managed(settings: Settings, environ: Mapping[str, str]) -> Offers:
    """Start a server on a folder that is thrown away, with the user's own configuration."""
    with tempfile.TemporaryDirectory(prefix="setup-", ignore_cleanup_errors=True) as folder:
        place = settings.server.model_copy(update={"data_dir": Path(folder)})
        alone = settings.model_copy(update={"server": place})
        async with Background() as background:
            server = ManagedServer(alone, background, environ=environ)
            await server.start()
            try:
                await _until_ready(server)
                return await _ask(server.address, Path(folder))
            finally:
                await server.stop()


async def _until_ready(server: ManagedServer) -> None:
    """Wait until it can be asked; one that has ended twice will not be."""
    for _ in range(READY_S):
        if await server.wait_ready(1.0):
            return
        if server.refused or server.restarts > 1:
            raise StartError(server.refused or "it ends as soon as it is started")
    raise StartError(f"it was not ready within {READY_S} s")


async def _ask(address: Address, directory: Path) -> Offers:
    async with (
        asyncio.timeout(ANSWER_S),
        OpenCode(address.url, address.username, address.password) as client,
    ):
        version = await client.health()
        agents = await client.agents(directory)
        names = (a.name for a in agents if a.mode != "subagent" and not a.hidden)
        models = await client.models(directory)
        return Offers(models, tuple(names), version, public=await _is_public(address, directory))


async def _is_public(address: Address, directory: Path) -> bool:
    told = await ask(address, directory)
    keys = (
        {} if isinstance(told, str) else {one.id: one.key for one in told.providers if one.models}
    )
    return bool(keys) and set(keys.values()) == {PUBLIC}


def _words(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer within {ANSWER_S:.0f} s"
    if isinstance(exc, OpenCodeError):
        return f"it answers {exc.status}"
    return str(exc) or type(exc).__name__
