"""The surroundings from which a server takes its configuration: its environment, folders and process."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.doctor import machine
from bot.doctor.inforce import log as logs
from bot.doctor.inforce.process import HIDDEN, Seen, look_at, whole_environ
from bot.doctor.inforce.told import Told
from bot.doctor.scene import Scene
from bot.opencode.environment import Folders
from bot.opencode.identity import Record
from bot.opencode.user_config import UserConfig

PURE, PROJECT_OFF = "OPENCODE_PURE", "OPENCODE_DISABLE_PROJECT_CONFIG"
PERMISSION, INLINE = "OPENCODE_PERMISSION", "OPENCODE_CONFIG_CONTENT"
UNSEEN = "cannot be seen from here"


@dataclass(frozen=True, slots=True)
class World:
    """Where a server looks, as far as it can be told from here.

    ``user`` is where the originals are; ``environ`` holds the places and switches of its
    environment, and is None where they cannot be seen; ``copies`` are a managed server's own
    folders; ``seen`` is its process while it runs, ``log`` the end of its log.
    """

    managed: bool
    user: UserConfig | None
    environ: Mapping[str, str] | None
    whence: str
    project_config: bool | None
    copies: Folders | None
    seen: Seen | None
    log: logs.Log | None
    data: Path | None
    cache: Path | None

    @property
    def runs(self) -> bool:
        """Whether its process was found."""
        return self.seen is not None

    def has(self, name: str) -> bool | None:
        """Tell whether a variable is set; None where that cannot be seen."""
        return None if self.environ is None else name in self.environ


def world_of(scene: Scene, told: Told | None = None) -> World:
    """Look at the server's surroundings; blocks a little."""
    return _managed(scene) if scene.managed else _external(scene, told)


def _managed(scene: Scene) -> World:
    folders = Folders.under(scene.data_dir)
    environ, whence = _of_service(scene, folders)
    left = Record.load(folders.record)
    seen = look_at(left.process.pid) if left is not None and left.process.alive else None
    return World(
        managed=True,
        user=UserConfig.of(environ),
        environ=environ,
        whence=whence,
        project_config=bool(scene.settings.projects),
        copies=folders,
        seen=seen,
        log=logs.read(folders.xdg("data") / "opencode" / "log"),
        data=folders.xdg("data") / "opencode",
        cache=folders.xdg("cache") / "opencode",
    )


def _of_service(scene: Scene, folders: Folders) -> tuple[Mapping[str, str], str]:
    """Return the environment of the service that runs, else ours: a start would copy from there."""
    pid = machine.holder(folders.lock)
    if pid is None or pid == os.getpid():
        return scene.environ, "this environment"
    environ = whole_environ(pid)
    if environ is None:
        return scene.environ, f"this environment; that of the service (process {pid}) {UNSEEN}"
    return environ, f"the environment of the service (process {pid})"


def _external(scene: Scene, told: Told | None) -> World:
    port = machine.local_port(scene.address.url) if scene.address else None
    found = machine.listener(port) if port is not None else None
    seen = look_at(found.pid) if found is not None and found.pid is not None else None
    environ = seen.environ if seen is not None else None
    places = _places(environ, told)
    user = UserConfig.of(places) if places else None
    home = user.home if user is not None else None
    data = Path(places.get("XDG_DATA_HOME") or home / ".local/share") if home else None
    cache = Path(places.get("XDG_CACHE_HOME") or home / ".cache") if home else None
    return World(
        managed=False,
        user=user,
        environ=environ,
        whence=f"the server's (process {seen.pid})" if environ and seen else UNSEEN,
        project_config=None if environ is None else not _is_on(environ.get(PROJECT_OFF, HIDDEN)),
        copies=None,
        seen=seen,
        log=logs.read(data / "opencode" / "log") if data else None,
        data=data / "opencode" if data else None,
        cache=cache / "opencode" if cache else None,
    )


def _places(environ: Mapping[str, str] | None, told: Told | None) -> dict[str, str]:
    """Return what is known of its places: by its process, else by its own word, if it is this disk's."""
    if environ is not None:
        return dict(environ)
    if told is None or not told.home or not Path(told.config_folder).is_dir():
        return {}
    return {"HOME": told.home, "XDG_CONFIG_HOME": str(Path(told.config_folder).parent)}


def _is_on(value: str) -> bool:
    return value.lower() in {"1", "true"}
