"""What is in force, written down: for a terminal, as JSON, and in short for a chat."""

from collections.abc import Iterator
from dataclasses import fields

from bot.choices import Choice
from bot.doctor.inforce.looking import InForce
from bot.doctor.inforce.own import Own
from bot.doctor.inforce.plugins import Plugin
from bot.doctor.inforce.sources import Source
from bot.doctor.inforce.told import Told
from bot.doctor.reading import few
from bot.texts import Text
from bot.texts import doctor_opencode as texts
from bot.texts.filling import filled

NAMED = 12  # of a list, in a line


def lines(found: InForce) -> list[str]:
    """Return the table for a terminal."""
    return list(_lines(found))


def as_json(found: InForce) -> dict[str, object]:
    """Return all of it for programs."""
    told = found.told
    return {
        "for": found.whose.words,
        "directory": str(found.whose.directory),
        "agent": _decision(found, "agent"),
        "model": _decision(found, "model"),
        "error": found.decided.error,
        "seen_in": found.world.whence,
        "silence": found.silence,
        "sources": [_source(source) for source in found.sources],
        "settings": [
            {"key": one.key, "set_by": one.origin, "value": one.value} for one in found.own
        ],
        "agents": [_agent(told, agent.name) for agent in told.agents] if told else [],
        "providers": _providers(told),
        "plugins": [_plugin(plugin) for plugin in found.plugins],
    }


def short(found: InForce) -> Text:
    """Return agent, model and the rule of each, for a chat."""
    decided = found.decided
    if decided.choice is None:
        return filled(texts.SHORT_NOTHING, why=decided.problem or decided.error)
    return filled(
        texts.SHORT, **{one.name: getattr(decided.choice, one.name) for one in fields(Choice)}
    )


def _lines(found: InForce) -> Iterator[str]:
    yield f"For {found.whose.words}, in {found.whose.directory}:"
    if found.decided.error:
        yield f"  neither agent nor model: {found.decided.error}"
    for name in ("agent", "model"):
        if found.decided.fact(name):
            yield f"  {name:6} {found.decided.fact(name)} — {_because(found, name)}"
    yield ""
    yield f"Sources of OpenCode's configuration, the later wins (seen in {found.world.whence}):"
    for source in found.sources:
        yield from _source_lines(source)
    yield ""
    yield "Settings of this service:"
    yield from (f"  {_setting(one)}" for one in found.own)
    if found.told is not None:
        yield ""
        yield from _told_lines(found.told)
    if found.plugins:
        yield ""
        yield "Plugins:"
        yield from (f"  {_plugin_line(plugin)}" for plugin in found.plugins)


def _because(found: InForce, name: str) -> str:
    decided = found.decided
    place = decided.agent_source if name == "agent" else decided.model_source
    why = decided.fact(f"{name}_why")
    return f"{why} ({place})" if place else why


def _source_lines(source: Source) -> Iterator[str]:
    why = f" — {source.why}" if source.why else ""
    layer = "" if source.layer == source.place else f"{source.layer}: "
    yield f"  {source.state:8}  {layer}{source.place}{why}"
    if source.keys:
        yield f"            sets {few(source.keys, NAMED)}"
    for key, place in (source.overridden or {}).items():
        yield f"            {key}: overridden by {place}"


def _setting(one: Own) -> str:
    value = f" = {one.value}" if one.value else ""
    return f"{one.key}{value} ({one.origin or 'not set'})"


def _told_lines(told: Told) -> Iterator[str]:
    yield "As the server reports it:"
    primary = [agent for agent in told.agents if agent.mode != "subagent" and not agent.hidden]
    named = [f"{one.name} ({one.model})" if one.model else one.name for one in primary]
    yield f"  agents     {few(named, NAMED)}"
    for key, value in told.config.items():
        yield f"  {key}  {value}"
    for provider in told.providers:
        yield f"  provider   {provider.id}: {provider.models} models, key {provider.key}, from {provider.source}"


def _plugin_line(plugin: Plugin) -> str:
    state = {True: "loaded", False: "NOT LOADED", None: "unknown"}[plugin.loaded]
    mend = f" → {plugin.mend}" if plugin.mend else ""
    return f"{plugin.name}: {state} — {plugin.why}{mend}"


def _decision(found: InForce, name: str) -> dict[str, str]:
    decided = found.decided
    place = decided.agent_source if name == "agent" else decided.model_source
    return {"name": decided.fact(name), "why": decided.fact(f"{name}_why"), "source": place}


def _source(source: Source) -> dict[str, object]:
    unseen, absent = source.state == "unseen", source.state == "absent"
    return {
        "layer": source.layer,
        "place": source.place,
        "found": None if unseen else not absent,
        "valid": None if unseen or absent else source.state != "invalid",
        "in_force": None if unseen else source.counts,
        "state": source.state,
        "why": source.why,
        "keys": list(source.keys),
        "overridden": dict(source.overridden or {}),
    }


def _agent(told: Told, name: str) -> dict[str, object]:
    agent = next(one for one in told.agents if one.name == name)
    return {"name": name, "mode": agent.mode, "hidden": agent.hidden, "model": agent.model}


def _providers(told: Told | None) -> list[dict[str, object]]:
    return [
        {"id": one.id, "source": one.source, "models": one.models, "key": one.key}
        for one in (told.providers if told else ())
    ]


def _plugin(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "place": plugin.place,
        "loaded": plugin.loaded,
        "why": plugin.why,
        "mend": plugin.mend,
    }
