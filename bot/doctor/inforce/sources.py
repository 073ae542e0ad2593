"""Every place that OpenCode may read configuration from, in the order in which the later one wins."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from bot.doctor.inforce.copies import changed_since
from bot.doctor.inforce.keys import Leaf, shown, under
from bot.doctor.inforce.reading import Content, of_file, of_folder, of_text
from bot.doctor.inforce.world import INLINE, PERMISSION, UNSEEN, World
from bot.opencode.user_config import NAMES

Layer = Literal[
    "remote",
    "user",
    "OPENCODE_CONFIG",
    "project",
    ".opencode",
    "OPENCODE_CONFIG_DIR",
    "inline",
    "service",
    "account",
    "system",
    "OPENCODE_PERMISSION",
]
State = Literal["in force", "stale", "off", "invalid", "absent", "unseen"]

SYSTEM = Path("/etc/opencode")
FILES = ("opencode.json", "opencode.jsonc")
NO_GIT = "/"  # the worktree of a folder without a repository

PROJECT_OFF = {
    True: "a workspace's own configuration does not count for a managed server without [projects]",
    False: "the server has OPENCODE_DISABLE_PROJECT_CONFIG set",
}
EFFECTS: Mapping[str, str] = {
    "user": "OpenCode does not start with it",
    "OPENCODE_PERMISSION": "OpenCode leaves it out",
}
REFUSES = "OpenCode refuses every call for a folder that it counts for"
NO_PASSING = "a managed server does not get it; opencode.permission is for that"
STALE = "changed since the server read it; what it read before counts until it is started anew"


@dataclass(frozen=True, slots=True)
class Source:
    """One place: what was found there, whether it counts and why, and which of its keys.

    ``overridden`` says for a key which later place sets it, too; where that holds only for a
    part of what is under the key, the place is followed by "(in part)".
    """

    layer: Layer
    place: str
    state: State
    why: str = ""
    keys: tuple[str, ...] = ()
    overridden: Mapping[str, str] | None = None
    leaves: frozenset[Leaf] = frozenset()

    @property
    def counts(self) -> bool:
        """Whether the server goes by what stands there now, or stood there."""
        return self.state in {"in force", "stale"}


def sources(world: World, directory: Path, worktree: str) -> tuple[Source, ...]:
    """Return every source for one folder, weakest first. Reads files; values stay where they are."""
    found = list(
        chain(
            [_remote(world)],
            _of_user(world),
            _named_file(world),
            _of_project(world, directory, worktree),
            _folders(world, directory, worktree),
            _of_variable(world),
            _of_service(world),
            [Source("account", "the console's account", *_account(world))],
            (_file("system", SYSTEM / name, world) for name in FILES),
            [_permission(world)],
        )
    )
    return tuple(_with_overridden(found))


def decides(key: str, found: Sequence[Source]) -> Source | None:
    """Return the source whose word on a key is the last."""
    holding = (one for one in found if one.counts and under(key, one.leaves))
    return next(reversed(list(holding)), None)


def upwards(directory: Path, worktree: str) -> list[Path]:
    """Return the folders from ``directory`` up to the worktree, nearest first."""
    top = Path(worktree or NO_GIT)
    folders = [directory, *directory.parents]
    return [folder for folder in folders if folder.is_relative_to(top)] or [directory]


def _file(layer: Layer, file: Path, world: World, copy: Path | None = None) -> Source:
    return _source(layer, str(file), of_file(file, world.user), stale=_is_stale(file, copy, world))


def _source(layer: Layer, place: str, content: Content | None, *, stale: bool = False) -> Source:
    if content is None:
        return Source(layer, place, "stale" if stale else "absent", STALE if stale else "")
    keys = shown(content.leaves)
    if content.mistake:
        effect = EFFECTS.get(layer, REFUSES)
        return Source(layer, place, "invalid", f"{content.mistake}; {effect}", keys)
    state: State = "stale" if stale else "in force"
    return Source(layer, place, state, STALE if stale else "", keys, None, content.leaves)


def _is_stale(place: Path, copy: Path | None, world: World) -> bool:
    """Tell whether the server that runs goes by something older: its copy, or what it once read."""
    if not world.runs:
        return False
    if copy is not None and world.user is not None:
        return changed_since(place, copy, world.user.home)
    read_at = world.log.read_at.get(str(place)) if world.log is not None else None
    if read_at is None or not place.is_file():
        return False
    return place.stat().st_mtime * 1000 > read_at + 1000


def _remote(world: World) -> Source:
    if world.user is None:
        return Source("remote", ".well-known/opencode", "unseen", UNSEEN)
    place = world.user.credentials / "auth.json"
    hosts = of_file(place, world.user)
    remote = sorted(path[0] for path in hosts.leaves if path[1:] == ("token",)) if hosts else []
    if not remote:
        return Source(
            "remote", ".well-known/opencode", "absent", f"no log-in of that kind in {place}"
        )
    return Source("remote", ", ".join(remote), "unseen", f"fetched from there; its keys: {UNSEEN}")


def _of_user(world: World) -> Iterable[Source]:
    if world.user is None:
        return [Source("user", "~/.config/opencode", "unseen", UNSEEN)]
    folder = world.user.global_folder
    copy = world.copies.xdg("config") / "opencode" if world.copies else None
    return [_file("user", folder / name, world, copy / name if copy else None) for name in NAMES]


def _named_file(world: World) -> Iterable[Source]:
    if world.environ is None:
        return [Source("OPENCODE_CONFIG", "OPENCODE_CONFIG", "unseen", UNSEEN)]
    file = world.user.extra_file if world.user is not None else None
    if file is None:
        return [Source("OPENCODE_CONFIG", "OPENCODE_CONFIG", "absent")]
    if not file.is_file():
        effect = "the managed server does not start" if world.managed else "OpenCode says nothing"
        why = f"OPENCODE_CONFIG names it, and it is no file; {effect}"
        return [Source("OPENCODE_CONFIG", str(file), "invalid", why)]
    copy = world.copies.extra_file(file) if world.copies else None
    return [_file("OPENCODE_CONFIG", file, world, copy)]


def _of_project(world: World, directory: Path, worktree: str) -> Iterable[Source]:
    """Look at every folder from the worktree down: the nearest wins."""
    folders = upwards(directory, worktree)
    files = [folder / name for folder in reversed(folders) for name in FILES]
    found = [_switched(world, _file("project", file, world)) for file in files if file.is_file()]
    if found:
        return found
    return [Source("project", f"{' or '.join(FILES)} in {directory} up to {folders[-1]}", "absent")]


def _folders(world: World, directory: Path, worktree: str) -> Iterator[Source]:
    """Look at the folders with agents, commands and plugins. Of the projects' the farthest wins."""
    user = world.user
    copies = world.copies
    if user is not None:
        copy = copies.xdg("config") / "opencode" if copies else None
        yield _folder("user", user.global_folder, world, copy, files=())
    for folder in upwards(directory, worktree):
        place = folder / ".opencode"
        if place.is_dir() and (user is None or place != user.home_folder):
            for source in _both(".opencode", place, world, None):
                yield _switched(world, source)
    if user is not None:
        home = copies.home / ".opencode" if copies else None
        yield from _both(".opencode", user.home_folder, world, home)
    yield from _extra_folder(world)


def _extra_folder(world: World) -> Iterator[Source]:
    if world.environ is None:
        yield Source("OPENCODE_CONFIG_DIR", "OPENCODE_CONFIG_DIR", "unseen", UNSEEN)
    elif world.user is None or world.user.extra_folder is None:
        yield Source("OPENCODE_CONFIG_DIR", "OPENCODE_CONFIG_DIR", "absent")
    elif not world.user.extra_folder.is_dir():
        why = "OPENCODE_CONFIG_DIR names it, and it is no folder; OpenCode says nothing"
        yield Source("OPENCODE_CONFIG_DIR", str(world.user.extra_folder), "invalid", why)
    else:
        copy = world.copies.extra if world.copies else None
        yield from _both("OPENCODE_CONFIG_DIR", world.user.extra_folder, world, copy)


def _both(layer: Layer, folder: Path, world: World, copy: Path | None) -> Iterator[Source]:
    """Look at a folder's files, then at the agents, commands and plugins beside them."""
    if not folder.is_dir():
        yield _source(layer, str(folder), None, stale=_is_stale(folder, copy, world))
        return
    for name in FILES:
        if (folder / name).is_file():
            yield _file(layer, folder / name, world, copy / name if copy else None)
    yield _folder(layer, folder, world, copy, files=FILES)


def _folder(
    layer: Layer, folder: Path, world: World, copy: Path | None, *, files: Sequence[str]
) -> Source:
    content = of_folder(folder)
    place = f"{folder}/ (agents, commands, plugins)"
    if content is None and not files:
        return Source(layer, place, "absent")
    return _source(layer, place, content, stale=_is_stale(folder, copy, world))


def _switched(world: World, source: Source) -> Source:
    """Take a project's source out of force where projects do not count."""
    if world.project_config is None:
        return replace(source, why=source.why or f"whether it is switched off {UNSEEN}")
    if world.project_config:
        return source
    why = PROJECT_OFF[world.managed]
    return replace(source, state="off", why=why, leaves=frozenset())


def _of_variable(world: World) -> Iterable[Source]:
    if world.environ is None or world.user is None:
        return [Source("inline", INLINE, "unseen", UNSEEN)]
    if INLINE not in world.environ or (world.managed and not world.user.inline):
        return [Source("inline", INLINE, "absent")]
    if not world.managed:
        return [Source("inline", INLINE, "unseen", "it is set; what it holds is not looked at")]
    return [_source("inline", INLINE, of_text(world.user.inline, Path.cwd(), world.user))]


def _of_service(world: World) -> Iterable[Source]:
    if not world.managed:
        return []
    keys: frozenset[Leaf] = frozenset({("autoupdate",), ("share",)})
    why = "laid over the inline content, with opencode.permission"
    return [Source("service", "this service", "in force", why, shown(keys), None, keys)]


def _account(world: World) -> tuple[State, str]:
    if world.managed:
        return "absent", "a managed server is logged in to none"
    return "unseen", UNSEEN


def _permission(world: World) -> Source:
    if world.environ is None:
        return Source("OPENCODE_PERMISSION", PERMISSION, "unseen", UNSEEN)
    if PERMISSION not in world.environ:
        return Source("OPENCODE_PERMISSION", PERMISSION, "absent")
    if world.managed:
        return Source("OPENCODE_PERMISSION", PERMISSION, "off", NO_PASSING)
    keys: frozenset[Leaf] = frozenset({("permission",)})
    why = "it is set; what it holds is not looked at"
    return Source("OPENCODE_PERMISSION", PERMISSION, "in force", why, ("permission",), None, keys)


def _with_overridden(found: Sequence[Source]) -> Iterator[Source]:
    for place, source in enumerate(found):
        if not source.counts:
            yield source
            continue
        later = [one for one in found[place + 1 :] if one.counts]
        overridden = {}
        for key in source.keys:
            by = _later(under(key, source.leaves), later)
            if by:
                overridden[key] = by
        yield replace(source, overridden=overridden)


def _later(mine: frozenset[Leaf], later: Sequence[Source]) -> str:
    """Return the last place that sets any of ``mine``, and whether all of them are set again."""
    setting = [one for one in later if any(_touches(leaf, one.leaves) for leaf in mine)]
    if not setting or not mine:
        return ""
    everything = frozenset().union(*(one.leaves for one in setting))
    whole = all(_touches(leaf, everything) for leaf in mine)
    return setting[-1].place if whole else f"{setting[-1].place} (in part)"


def _touches(leaf: Leaf, others: Iterable[Leaf]) -> bool:
    """Tell whether one of ``others`` sets the same, or something above or beneath it."""
    return any(leaf[: len(other)] == other[: len(leaf)] for other in others)
