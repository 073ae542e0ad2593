"""What is in force: mistakes in configuration, what decides unnoticed, and what is meant and does nothing."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.choices import AGENT_KEY, LOOKED_AT, MODEL_KEY, OF_ITS_OWN
from bot.doctor import machine
from bot.doctor.findings import Check, Finding, check
from bot.doctor.inforce.choice import Decided
from bot.doctor.inforce.looking import LIMIT_S, InForce, look_in_force
from bot.doctor.inforce.process import whole_environ
from bot.doctor.inforce.sources import Source, decides
from bot.doctor.inforce.told import PUBLIC
from bot.doctor.inforce.world import UNSEEN, World, world_of
from bot.doctor.reading import few
from bot.doctor.scene import Scene
from bot.doctor.secret_places import OWN
from bot.opencode.environment import OURS, Folders
from bot.texts import choices as reasons
from bot.texts import doctor_opencode as titles
from bot.texts.filling import filled

LISTED = 6
PUBLIC_SERVICE = "which is a public service of OpenCode's vendor, to which all that is said goes"
CHOOSE = f"log in to a provider of yours (opencode auth login), or set {MODEL_KEY} (OPENCODE_MODEL) if it is meant"


@check("inforce.sources", titles.SOURCES, limit_s=LIMIT_S)
async def configuration(scene: Scene) -> Iterable[Finding]:
    """Look at every place that OpenCode may read: is it valid, does it count, who decides."""
    found = await look_in_force(scene)
    wrong = [_judged(source, found) for source in found.sources]
    findings = [finding for finding in wrong if finding is not None]
    findings += _from_above(found)
    findings += await asyncio.to_thread(_silent, scene)
    if findings:
        return findings
    counting = [source.place for source in found.sources if source.counts]
    said = f"in force, the last wins: {few(counting, LISTED)}" if counting else "none is there"
    return [configuration.fine(f"{said} (seen in {found.world.whence})")]


def _judged(source: Source, found: InForce) -> Finding | None:
    where = source.place if source.layer == source.place else f"{source.layer}: {source.place}"
    if source.state == "invalid":
        mend = f"mend {source.place}, then {found.restart}"
        return configuration.error(f"{where}: {source.why}", mend)
    if source.state == "stale":
        return configuration.warning(f"{where} has {source.why}", found.restart)
    if source.state == "off" and source.layer == "OPENCODE_PERMISSION":
        mend = "set opencode.permission (BOT_OPENCODE_PERMISSION) instead, and unset it"
        return configuration.warning(f"{where} is set; {source.why}", mend)
    return None


def _from_above(found: InForce) -> Iterator[Finding]:
    """Name what a folder above the project decides: nobody looks for it there."""
    agent = found.decided.fact("agent")
    for key in ("default_agent", f"agent.{agent}", "model", "small_model"):
        source = decides(key, found.sources)
        if source is not None and source.layer in {"project", ".opencode"}:
            place = Path(source.place.removesuffix("/ (agents, commands, plugins)"))
            if not place.is_relative_to(found.whose.directory) and not _is_home(place, found):
                said = f"{key} comes from {place}, above {found.whose.directory}"
                mend = f"take {key} out of {place}, or `git init` the project: then the search ends there"
                yield configuration.warning(said, mend)


def _is_home(place: Path, found: InForce) -> bool:
    user = found.world.user
    return user is not None and place.is_relative_to(user.home_folder)


def _silent(scene: Scene) -> Iterable[Finding]:
    """Name workspaces with a configuration of their own, where that does not count."""
    if not scene.managed or scene.settings.projects:
        return []
    root = scene.settings.workspaces.root
    folders = sorted(root.iterdir())[:LOOKED_AT] if root.is_dir() else []
    files = [folder / name for folder in folders for name in OF_ITS_OWN]
    there = [str(file) for file in files if file.exists()]
    if not there:
        return []
    said = f"{few(there, LISTED)}: a workspace's own configuration does not count, so that no chat gives itself permissions"
    mend = "if it is meant: put it into ~/.config/opencode, or make the folder a project ([projects.NAME] path)"
    return [configuration.warning(said, mend)]


@check("inforce.choice", titles.CHOICE, limit_s=LIMIT_S)
async def choice(scene: Scene) -> Iterable[Finding]:
    """Resolve agent and model for a new chat as a turn would, and say by which rule."""
    found = await look_in_force(scene)
    decided = found.decided
    if found.told is None and not found.refused:
        said = f"cannot be told: {found.silence}"
        return [choice.warning(said, "see the group OpenCode, then run doctor again")]
    if decided.error:
        return [choice.error(decided.error, _mend_choice(scene, decided, found))]
    said = f"{_with_rule(decided, 'agent')}; {_with_rule(decided, 'model')}"
    model = scene.settings.opencode.model
    if model and _is_silenced(decided):
        mend = f"unset {AGENT_KEY} (OPENCODE_AGENT) or {MODEL_KEY} (OPENCODE_MODEL): together the agent wins"
        return [choice.warning(f"{MODEL_KEY} = {model} does nothing; {said}", mend)]
    if _is_public(found):
        return [choice.warning(f"nobody has chosen a model: {said}, {PUBLIC_SERVICE}", CHOOSE)]
    return [choice.fine(said)]


def _is_public(found: InForce) -> bool:
    """Tell whether nobody chose a model or set a key, so that OpenCode takes one of its vendor's."""
    name = found.decided.fact("model").partition("/")[0]
    default = found.decided.fact("model_why") == filled(reasons.MODEL_OF_PROVIDER, provider=name).en
    providers = found.told.providers if found.told is not None else ()
    return default and any(one.id == name and one.key == PUBLIC for one in providers)


def _mend_choice(scene: Scene, decided: Decided, found: InForce) -> str:
    opencode = scene.settings.opencode
    if found.told is None:
        return "mend what *Sources of OpenCode's configuration* names: it refuses its own configuration"
    if opencode.agent and opencode.agent not in {agent.name for agent in found.told.agents}:
        primary = [a.name for a in found.told.agents if a.mode != "subagent" and not a.hidden]
        return f"set {AGENT_KEY} (OPENCODE_AGENT) to one of: {few(primary, LISTED)}; or unset it"
    if opencode.model and opencode.model in decided.error:
        return (
            f"set {MODEL_KEY} (OPENCODE_MODEL) to a model that `opencode models` lists; or unset it"
        )
    if "E-AGENT" in decided.error:
        return f"correct default_agent in OpenCode's configuration, then {found.restart}"
    return f"log in with `opencode auth login`, or correct model in OpenCode's configuration; {found.restart}"


def _is_silenced(decided: Decided) -> bool:
    """Tell whether the rule says that our model does not apply."""
    tail = reasons.OVERRIDDEN.en.partition("{origin}")[2]
    return decided.fact("model_why").endswith(tail)


def _with_rule(decided: Decided, name: str) -> str:
    place = decided.agent_source if name == "agent" else decided.model_source
    where = f", {place}" if place else ""
    return f"{name} {decided.fact(name)} ({decided.fact(f'{name}_why')}{where})"


@check("inforce.plugins", titles.PLUGINS, limit_s=LIMIT_S)
async def loaded(scene: Scene) -> Iterable[Finding]:
    """Name each plugin that somebody means to run and that does not run."""
    found = await look_in_force(scene)
    idle = [plugin for plugin in found.plugins if plugin.loaded is False or plugin.mend]
    if idle:
        return [loaded.warning(f"{one.name}: {one.why} ({one.place})", one.mend) for one in idle]
    if found.told is None:
        return [loaded.fine(f"which ones run {UNSEEN}: {found.silence}")]
    names = [plugin.name for plugin in found.plugins]
    return [
        loaded.fine(f"{len(names)} loaded: {few(names, LISTED)}" if names else "none is set up")
    ]


@check("inforce.environment", titles.ENVIRONMENT)
async def environment(scene: Scene) -> Iterable[Finding]:
    """Name variables that are referred to and not set, and those that doctor has otherwise than the service."""
    found = await asyncio.to_thread(_unset, scene)
    other, said = await asyncio.to_thread(_compared, scene)
    if other:
        mend = "run doctor as the service is run: as its user, with its environment file"
        found.append(environment.warning(said, mend))
    return found or [environment.fine(said)]


def _unset(scene: Scene) -> list[Finding]:
    """Name what the configuration takes from the environment and does not find there."""
    world = world_of(scene)
    if world.user is None or world.environ is None:
        return []
    had = {name for name in world.environ if not (world.managed and OURS.match(name))}
    return [
        environment.warning(
            f"OpenCode's configuration refers to {{env:{name}}}, which it does not get: it stands for nothing",
            _mend_variable(name, world),
        )
        for name in sorted(world.user.variables() - had)
    ]


def _mend_variable(name: str, world: World) -> str:
    if world.managed and OURS.match(name):
        return f"give it another name: what begins with BOT_ or WECOM_, as {name}, stays with the service"
    return f"set {name} in the environment file of {'the service' if world.managed else 'OpenCode'}"


def _compared(scene: Scene) -> tuple[list[str], str]:
    """Compare what the running service was started with; return the names that differ, and words."""
    pid = machine.holder(Folders.under(scene.data_dir).lock) if scene.managed else None
    theirs = whole_environ(pid) if pid is not None and pid != os.getpid() else None
    mine = scene.environ
    if theirs is None:
        names = [name for name in sorted(mine) if name.startswith(OWN)]
        return [], f"set here: {few(names, LISTED) or 'none of ours'}"
    watched = sorted(name for name in {*theirs, *mine} if name.startswith(OWN))
    other = [name for name in watched if theirs.get(name) != mine.get(name)]
    if other:
        said = f"the service (process {pid}) runs with another environment than doctor"
        return other, f"{said}: {few(other, LISTED)}"
    return [], f"the service (process {pid}) has the same: {few(watched, LISTED) or 'none of ours'}"


CHECKS: tuple[Check, ...] = (configuration, choice, loaded, environment)
