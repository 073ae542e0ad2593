"""Plugins: which there are, whether the server has them, how that is seen, and what loads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.doctor.inforce.keys import is_file, plugin_name
from bot.doctor.inforce.reading import plugin_files
from bot.doctor.inforce.sources import Source
from bot.doctor.inforce.told import Told
from bot.doctor.inforce.world import PURE, World

FOLDER = "/ (agents, commands, plugins)"
# Settings of a plugin, which do nothing while the plugin itself is not listed.
SETTINGS_OF = {"oh-my-opencode": ("oh-my-opencode", "oh-my-openagent")}
ENDINGS = (".json", ".jsonc")
TELL = "`plugin` of GET /config lists what is loaded"
PURE_MEND = f"unset {PURE} for the server and start it anew"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin that somebody means to run. ``loaded`` is None where nothing shows it."""

    name: str
    place: str
    loaded: bool | None
    why: str
    mend: str = ""


def plugins(
    world: World, directory: Path, found: Sequence[Source], told: Told | None, restart: str
) -> tuple[Plugin, ...]:
    """Return every plugin that is listed, lies in a folder, or has its settings there."""
    listed = told.plugins if told is not None else ()
    seen = [_listed(spec, world) for spec in listed]
    known = {spec.removeprefix("file://") for spec in listed if is_file(spec)}
    beside = list(_in_folders(found, known, told, restart))
    names = {plugin_name(spec) for spec in listed} if told is not None else _named(found)
    many = f"GET /config lists {len(listed)} plugins, not this one"
    word = many if told is not None else "no source of configuration lists it"
    settings = list(_settings(world, directory, names, word, restart))
    return (*seen, *beside, *settings)


def _named(found: Sequence[Source]) -> set[str]:
    """Return the plugins that the sources name, where the server cannot be asked."""
    leaves = (leaf for source in found if source.counts for leaf in source.leaves)
    return {leaf[1] for leaf in leaves if leaf[0] == "plugin" and len(leaf) > 1}


def _listed(spec: str, world: World) -> Plugin:
    if not world.managed and world.has(PURE):
        return Plugin(spec, "plugin", None, f"{PURE} is set: no plugin runs", PURE_MEND)
    if world.log is not None and any(spec in failed for failed in world.log.failed_plugins):
        why = f"the server's log says that it failed to load ({world.log.file})"
        return Plugin(spec, "plugin", loaded=False, why=why, mend=f"mend {spec}; the log has why")
    if is_file(spec):
        return _listed_file(spec)
    return _listed_package(spec, world)


def _listed_file(spec: str) -> Plugin:
    file = Path(spec.removeprefix("file://"))
    if file.exists():
        return Plugin(spec, str(file), loaded=True, why=TELL)
    mend = f"bring {file} back, or take it out of `plugin`"
    return Plugin(spec, str(file), loaded=False, why="listed, and there is no such file", mend=mend)


def _listed_package(spec: str, world: World) -> Plugin:
    if world.cache is None:
        return Plugin(spec, "plugin", None, "listed; whether its package is there cannot be seen")
    name = plugin_name(spec)
    pinned = spec if spec != name else f"{name}@latest"
    room = world.cache / "packages" / pinned
    if (room / "node_modules" / name / "package.json").is_file():
        return Plugin(spec, str(room), loaded=True, why="listed, and its package is there")
    why = f"listed, and its package is not in {world.cache}: the server tries to fetch it, and goes on without it"
    mend = f"npm install --prefix {room} {pinned}, then start OpenCode anew"
    return Plugin(spec, str(room), loaded=False, why=why, mend=mend)


def _in_folders(
    found: Sequence[Source], known: set[str], told: Told | None, restart: str
) -> Iterator[Plugin]:
    """Look at files in folders: OpenCode loads them unasked, if the folder counts."""
    for source in found:
        if not source.place.endswith(FOLDER):
            continue
        for file in plugin_files(Path(source.place.removesuffix(FOLDER))):
            if not source.counts:
                mend = f"move it to a folder that counts, such as ~/.config/opencode/plugin/; {restart}"
                why = f"its folder does not count: {source.why}"
                yield Plugin(file.name, str(file), loaded=False, why=why, mend=mend)
            elif told is not None and not _knows(known, file):
                why = f"the server does not list it; {TELL}"
                yield Plugin(file.name, str(file), loaded=False, why=why, mend=restart)


def _knows(known: set[str], file: Path) -> bool:
    """Tell whether a file is listed, itself or its copy in a managed server's folder."""
    return str(file) in known or any(Path(one).name == file.name for one in known)


def _settings(
    world: World, directory: Path, names: set[str], word: str, restart: str
) -> Iterator[Plugin]:
    folders = [directory, directory / ".opencode"]
    if world.user is not None:
        folders += [world.user.global_folder, world.user.home_folder]
    for name, packages in SETTINGS_OF.items():
        files = [folder / f"{name}{ending}" for folder in folders for ending in ENDINGS]
        there = [file for file in files if file.is_file()]
        if there and not names.intersection(packages):
            why = f"{there[0]} only holds its settings and does not load it: {word}"
            config = "opencode.json of the same folder"
            mend = f'add "plugin": ["{name}"] to {config}; {restart}'
            yield Plugin(name, str(there[0]), loaded=False, why=why, mend=mend)
