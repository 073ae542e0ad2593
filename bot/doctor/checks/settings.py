"""Settings: whether they can be used, and where they come from."""

from collections.abc import Iterable
from pathlib import Path

from bot.doctor.findings import Check, Finding, check
from bot.doctor.scene import Scene
from bot.doctor.units import as_the_unit, environment_files, service_unit, settings_file
from bot.texts import doctor as titles
from config.problems import Problem
from config.settings import is_configured
from config.sources import PREFIXES, secrets_beside

UNREAD = "what depends on the settings was not looked at: they cannot be read"
NOT_CONFIGURED = "neither a settings file nor a WECOM_ variable is there: nothing is configured"


@check("settings.valid", titles.SETTINGS_VALID)
async def valid(scene: Scene) -> Iterable[Finding]:
    """Name every mistake, each with its own mend."""
    if not scene.problems:
        return [valid.fine("every setting that is given can be used")]
    found = [valid.error(_told(problem), problem.mend) for problem in scene.problems]
    return [*found, valid.fine(UNREAD)] if scene.unread else found


def _told(problem: Problem) -> str:
    name = " / ".join(name for name in (problem.key, problem.env) if name)
    return f"{name}: {problem.problem} (wanted: {problem.shape})"


@check("settings.source", titles.SETTINGS_SOURCE)
async def source(scene: Scene) -> Iterable[Finding]:
    """Say which files are read, how many variables stand above them, and whether the unit has others."""
    if other := await _of_the_unit(scene):
        return [source.warning(*other)]
    if scene.file is None and not is_configured(scene.environ):
        return [source.warning(NOT_CONFIGURED, "python -m bot setup")]
    given = [name for name in scene.environ if name.startswith(PREFIXES)]
    files = [file for file in (scene.file, secrets_beside(scene.file)) if file is not None]
    named = ", ".join(str(file.absolute()) for file in files) or "no settings file"
    return [source.fine(f"{named}; {len(given)} variables of the environment above it")]


async def _of_the_unit(scene: Scene) -> tuple[str, str] | None:
    """Return what to say when the unit runs with other settings than those that are looked at."""
    name, facts = await service_unit(scene)
    if not facts:
        return None
    file = await settings_file(name, scene.environ)
    other_file = bool(file) and (scene.file is None or Path(file) != scene.file.absolute())
    unread = not scene.settings.wecom.on and environment_files(facts)
    if not (other_file or unread):
        return None
    places = ", ".join([*([file] if file else []), *map(str, environment_files(facts))])
    said = f"{name} runs with other settings than these, from {places}: what follows is not of it"
    return said, as_the_unit(facts, file)


CHECKS: tuple[Check, ...] = (valid, source)
