"""The service's own settings that stand beside OpenCode's configuration: where each one comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.doctor.scene import Scene
from config.settings import catalogue
from config.sources import FROM_FILE, PREFIXES, read_file

# Their values say which agent, model or place is meant. Of all others only the name is shown.
VISIBLE = (
    "opencode.agent",
    "opencode.model",
    "opencode.follow",
    "server.data_dir",
    "workspaces.root",
)
OPENCODE = "opencode."


@dataclass(frozen=True, slots=True)
class Own:
    """One setting: ``origin`` is the variable or the file that sets it, empty when it is as it comes."""

    key: str
    origin: str
    value: str = ""


def own(scene: Scene) -> tuple[Own, ...]:
    """Return OpenCode's settings of ours and the places, then the names of all else that is set."""
    values, _ = read_file(scene.file)
    known = catalogue()
    found = []
    for entry in known:
        names = (entry.env, entry.env + FROM_FILE)
        origin = next((name for name in names if name and scene.environ.get(name)), "")
        if not origin and _is_in(values, entry.key):
            origin = str(scene.file)
        if origin or entry.key.startswith(OPENCODE) or entry.key in VISIBLE:
            found.append(Own(entry.key, origin, _value(scene, entry.key)))
    projects = scene.settings.projects.items()
    found += [Own(f"projects.{name}", str(scene.file), str(one.path)) for name, one in projects]
    variables = {entry.env for entry in known} | {entry.env + FROM_FILE for entry in known}
    strays = (name for name in sorted(scene.environ) if name.startswith(PREFIXES))
    found += [Own(name, "environment") for name in strays if name not in variables]
    return tuple(found)


def _is_in(values: Mapping[str, object], key: str) -> bool:
    value: object = values
    for step in key.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True


def _value(scene: Scene, key: str) -> str:
    if key not in VISIBLE:
        return ""
    section, _, name = key.partition(".")
    value = getattr(getattr(scene.settings, section), name)
    return "" if value is None else str(value)
