"""The user's own OpenCode configuration and credentials: read into our folders, never written.

OpenCode writes into the configuration folders that it reads (a missing ``$schema``, a
``.gitignore``, npm packages), so a managed server gets copies.
"""

import contextlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bot.errors import StartError
from bot.opencode.files import write_private

NAMES = ("config.json", "opencode.json", "opencode.jsonc")
CREDENTIALS = ("auth.json", "mcp-auth.json")
PLUGIN_PACKAGE = "@opencode-ai/plugin"
LEFT_BEHIND = shutil.ignore_patterns(
    "node_modules", "bin", ".git", ".gitignore", "package-lock.json"
)
DEPENDENCIES = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")


@dataclass(frozen=True, slots=True)
class UserConfig:
    """Where the user of this process keeps OpenCode's configuration."""

    home: Path
    global_folder: Path
    home_folder: Path
    credentials: Path
    packages: Path
    extra_file: Path | None
    extra_folder: Path | None
    catalogue: Path | None
    inline: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "UserConfig":
        """Find the places by the rules that OpenCode has for them."""
        home = Path(environ.get("HOME") or Path.home())
        return cls(
            home=home,
            global_folder=Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode",
            home_folder=home / ".opencode",
            credentials=Path(environ.get("XDG_DATA_HOME") or home / ".local/share") / "opencode",
            packages=Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "opencode/packages",
            extra_file=_path(environ.get("OPENCODE_CONFIG")),
            extra_folder=_path(environ.get("OPENCODE_CONFIG_DIR")),
            catalogue=_path(environ.get("OPENCODE_MODELS_PATH")),
            inline=environ.get("OPENCODE_CONFIG_CONTENT", ""),
        )

    @property
    def exists(self) -> bool:
        """Whether the user has set OpenCode up: a configuration, or a log-in with a provider."""
        if self.inline or self.extra_file is not None or self.extra_folder is not None:
            return True
        if any((self.global_folder / name).is_file() for name in NAMES):
            return True
        return bool(_read_json(self.credentials / "auth.json"))

    def inline_json(self) -> dict[str, object]:
        """Return what ``OPENCODE_CONFIG_CONTENT`` holds."""
        try:
            value = orjson.loads(self.inline or "{}")
        except ValueError as exc:
            raise StartError(
                f"OPENCODE_CONFIG_CONTENT is not JSON ({exc}); correct it or unset it."
            ) from exc
        if not isinstance(value, dict):
            raise StartError("OPENCODE_CONFIG_CONTENT is not a JSON object; correct it.")
        return value

    def variables(self) -> set[str]:
        """Return the names of the variables that the configuration refers to as ``{env:NAME}``."""
        files = [self.extra_file] if self.extra_file else []
        for folder in (self.global_folder, self.home_folder, self.extra_folder):
            files += [folder / name for name in NAMES] if folder else []
        texts = [self.inline, *(_read_text(file) for file in files)]
        return {name for text in texts for name in re.findall(r"\{env:(\w+)\}", text)}


def copy_folder(source: Path, target: Path, home: Path) -> None:
    """Make ``target`` a copy of a configuration folder, or an empty one if there is none."""
    shutil.rmtree(target, ignore_errors=True)
    try:
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFT_BEHIND, ignore_dangling_symlinks=True)
    except (OSError, shutil.Error) as exc:
        raise StartError(
            f"OpenCode's configuration in {source} cannot be read ({exc}); mend its permissions."
        ) from exc
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    for name in NAMES:
        if (target / name).is_file():
            _settle(target / name, home)
    _seal_packages(source, target)


def copy_file(source: Path, target: Path, home: Path) -> None:
    """Make ``target`` a copy of one configuration file."""
    if not source.is_file():
        raise StartError(
            f"OPENCODE_CONFIG names {source}, which is no file; correct it or unset it."
        )
    shutil.copyfile(source, target)
    _settle(target, home)


def settled(text: str, home: Path) -> str:
    """Return a configuration in which ``{file:~/x}`` means the user's home, as in a copy."""
    return text.replace("{file:~/", f"{{file:{home}/")


def copy_credentials(source: Path, target: Path) -> None:
    """Bring the user's log-ins over when they are new.

    A server renews its tokens in its own copy, so that copy stays until the user's changes.
    """
    for name in CREDENTIALS:
        theirs, ours, seen = source / name, target / name, target / f"{name}.seen"
        version = _version_of(theirs)
        if version and version != _read_text(seen):
            write_private(ours, theirs.read_bytes())
            write_private(seen, version.encode())


def copy_packages(source: Path, target: Path) -> None:
    """Bring the user's plugins over, npm packages in folders ``NAME@VERSION``, when they are new.

    OpenCode would fetch what it does not find there, and without a network wait for a minute.
    """
    scoped = source.glob("@*/*@*")
    for theirs in [*(one for one in source.glob("?*@*") if not one.name.startswith("@")), *scoped]:
        ours = target / theirs.relative_to(source)
        if _changed_at(theirs) == _changed_at(ours):
            continue
        try:
            shutil.rmtree(ours, ignore_errors=True)
            shutil.copytree(theirs, ours, symlinks=True)
        except (OSError, shutil.Error) as exc:
            raise StartError(
                f"The plugin in {theirs} cannot be copied ({exc}); mend its permissions."
            ) from exc


def _path(value: str | None) -> Path | None:
    return Path(value).absolute() if value else None


def _settle(file: Path, home: Path) -> None:
    """Let ``{file:~/x}`` mean the user's home: the server's own is another."""
    file.write_text(settled(file.read_text(), home))
    file.chmod(0o600)


def _seal_packages(source: Path, target: Path) -> None:
    """Leave nothing for the server's npm to install: what plugins need is the user's, by a link."""
    packages = target / "node_modules"
    if (source / "node_modules").is_dir():
        packages.symlink_to(source / "node_modules")
    else:
        packages.mkdir()
    manifest = _read_json(target / "package.json")
    names = {PLUGIN_PACKAGE}
    for kind in DEPENDENCIES:
        listed = manifest.get(kind)
        names |= set(listed) if isinstance(listed, dict) else set()
    lock = {"packages": {"": {"dependencies": dict.fromkeys(sorted(names), "*")}}}
    (target / "package-lock.json").write_bytes(orjson.dumps(lock))


def _changed_at(package: Path) -> int:
    """Return when a package was installed, which a copy keeps; 0 when it is not there."""
    with contextlib.suppress(OSError):
        return (package / "node_modules").stat().st_mtime_ns
    return 0


def _version_of(file: Path) -> str:
    with contextlib.suppress(OSError):
        facts = file.stat()
        return f"{facts.st_mtime_ns} {facts.st_size}"
    return ""


def _read_text(file: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return file.read_text()
    return ""


def _read_json(file: Path) -> dict[str, object]:
    with contextlib.suppress(ValueError):
        value = orjson.loads(_read_text(file) or "{}")
        return value if isinstance(value, dict) else {}
    return {}
