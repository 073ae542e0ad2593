"""Mapping: the chats' sessions on the server, the folders that they work in, and how far those reach."""

import asyncio
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.doctor.findings import Check, Finding, check
from bot.doctor.reading import HOUR_MS, read
from bot.doctor.scene import Scene
from bot.doctor.secret_places import secret_files
from bot.errors import PeerError, SessionGone
from bot.opencode.client import OpenCode
from bot.opencode.environment import Folders
from bot.opencode.model import Paths
from bot.opencode.workspace import NO_WORKTREE
from bot.texts import doctor as titles
from config.data_files import SERVICE_FILE
from store import looking
from store.looking import Place

CHATS, CHATS_DEEP = 50, 2000
FOLDERS, FOLDERS_DEEP = 3, 100  # that OpenCode is asked about: each costs it memory
SESSIONS = 200  # of one folder
ANSWER_S = 5.0
LIMIT_S = 60.0
NAMED = 5
AWAY = "OpenCode gives no answer, so this was not looked at"
SEE_OPENCODE = "mend what stands under OpenCode first"


def _asking(scene: Scene) -> OpenCode | None:
    address = scene.address
    if address is None:
        return None
    return OpenCode(address.url, address.username, address.password, timeout_s=ANSWER_S)


async def _places(scene: Scene) -> list[Place]:
    limit = CHATS_DEEP if scene.deep else CHATS
    return await read(scene, lambda sqlite: looking.current(sqlite, limit)) or []


@check("mapping.sessions", titles.MAPPING_SESSIONS, limit_s=LIMIT_S)
async def sessions(scene: Scene) -> Iterable[Finding]:
    """Ask OpenCode for the session of each chat."""
    chats, client = await _places(scene), _asking(scene)
    if not chats or client is None:
        return [sessions.fine("no chat has a session yet")] if client is not None else []
    gone = 0
    try:
        async with client:
            for chat in chats:
                gone += not await _there(client, chat.session)
    except PeerError:
        return [sessions.warning(AWAY, SEE_OPENCODE)]
    if not gone:
        return [sessions.fine(f"{len(chats)} of {len(chats)} are there, of the latest chats")]
    said = f"{gone} of {len(chats)} are not known to OpenCode: was its data moved or removed?"
    mend = (
        "put OpenCode's data back; else nothing: the next message opens a new one, "
        "which is told the last turns"
    )
    return [sessions.warning(said, mend)]


async def _there(client: OpenCode, session: str) -> bool:
    try:
        await client.session(session)
    except SessionGone:
        return False
    return True


@check("mapping.orphans", titles.MAPPING_ORPHANS, limit_s=LIMIT_S)
async def orphans(scene: Scene) -> Iterable[Finding]:
    """Count sessions that bear this service's mark and belong to no chat."""
    known, client, mark = await read(scene, looking.known), _asking(scene), _mark(scene)
    if not known or client is None or not mark:
        return []
    folders = _folders(await _places(scene), FOLDERS_DEEP if scene.deep else FOLDERS)
    lost: list[str] = []
    try:
        async with client:
            for folder in folders:
                for session in await client.sessions(folder, SESSIONS):
                    old = scene.now - session.created_at > HOUR_MS
                    if old and session.metadata.get("service") == mark and session.id not in known:
                        lost.append(session.id)
    except PeerError:
        return []  # `mapping.sessions` says so
    seen = f"in {len(folders)} folders that chats work in"
    if not lost:
        return [orphans.fine(f"none {seen}")]
    said = f"{len(lost)} {seen}, {', '.join(lost[:NAMED])}: a restored backup leaves such behind"
    data = Folders.under(scene.data_dir).xdg("data")
    mend = "opencode session delete ID, as OpenCode's user, if not wanted"
    return [orphans.warning(said, f"XDG_DATA_HOME={data} {mend}" if scene.managed else mend)]


def _mark(scene: Scene) -> str:
    try:
        return (scene.data_dir / SERVICE_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _folders(chats: Sequence[Place], limit: int) -> list[Path]:
    there = dict.fromkeys(Path(chat.directory) for chat in chats if chat.directory)
    return [folder for folder in there if folder.is_dir()][:limit]


@check("mapping.folders", titles.MAPPING_FOLDERS)
async def folders(scene: Scene) -> Iterable[Finding]:
    """See that the folders which chats work in can be read and written."""
    return await asyncio.to_thread(_readable, scene)


def _readable(scene: Scene) -> list[Finding]:
    wanted = {
        f"projects.{name}.path": project.path for name, project in scene.settings.projects.items()
    }
    root = scene.settings.workspaces.root
    if root.exists():  # else the first chat makes it
        wanted["workspaces.root"] = root
    wrong = [
        folders.error(*trouble) for key, path in wanted.items() if (trouble := _trouble(key, path))
    ]
    named = ", ".join(str(path) for path in wanted.values()) or f"{root} is made when needed"
    return wrong or [folders.fine(named)]


def _trouble(key: str, path: Path) -> tuple[str, str] | None:
    if not path.is_dir():
        return f"{path} ({key}) is no folder, or is gone", f"put it back, or correct {key}"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        said = f"{path} ({key}) cannot be read and written by this user"
        return said, f"as root: {shlex.join(['chown', '-R', 'opencode-wecom', str(path)])}"
    return None


@check("mapping.worktree", titles.MAPPING_WORKTREE, limit_s=LIMIT_S)
async def worktree(scene: Scene) -> Iterable[Finding]:
    """See that no folder's repository reaches around what agents must not read."""
    chats = _folders(await _places(scene), CHATS_DEEP if scene.deep else CHATS)
    projects = [project.path for project in scene.settings.projects.values()]
    seen = {folder: await asyncio.to_thread(_reach, folder) for folder in (*projects, *chats)}
    for folder in (*projects, *chats)[:1]:
        seen[folder] = await _told_reach(scene, folder) or seen[folder]
    wrong = []
    for folder, reach in seen.items():
        held = next((path for path in _protected(scene) if path.is_relative_to(reach)), None)
        if held is not None:
            said = f"OpenCode takes {reach} for the worktree of {folder}, and {held} is within"
            wrong.append(
                worktree.error(said, f"git init {folder}, or move the service's data away")
            )
    return wrong or [worktree.fine(f"{len(seen)} folders, none reaches the service's data")]


def _reach(folder: Path) -> Path:
    """Return the repository around a folder, as git sees it; the folder itself without one."""
    real = folder.resolve()
    return next((one for one in (real, *real.parents) if (one / ".git").exists()), real)


async def _told_reach(scene: Scene, folder: Path) -> Path | None:
    client = _asking(scene)
    if client is None:
        return None
    try:
        async with client:
            return _widest(await client.path(folder))
    except PeerError:
        return None


def _widest(paths: Paths) -> Path:
    return Path(paths.directory if paths.worktree == NO_WORKTREE else paths.worktree).resolve()


def _protected(scene: Scene) -> list[Path]:
    """Return what no agent may be given; what is deeper in the data folder is within that."""
    files = [one.path for one in secret_files(scene) if not one.ours]
    return [one.resolve() for one in (scene.data_dir, scene.database, *files)]


CHECKS: tuple[Check, ...] = (sessions, orphans, folders, worktree)
