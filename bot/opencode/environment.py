"""The world that a managed OpenCode lives in: its folders, its environment, its shell."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from bot.errors import StartError
from bot.opencode.binaries import Programs
from bot.opencode.probe import Address
from bot.opencode.user_config import (
    UserConfig,
    copy_credentials,
    copy_file,
    copy_folder,
    copy_packages,
)

MARK = "OPENCODE_WECOM_MARK"
PASSWORD = "OPENCODE_SERVER_PASSWORD"  # noqa: S105  # the name of the variable
OURS = re.compile(r"WECOM_|BOT_")
COMMON = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|USER|LOGNAME|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)"
    r"|(?i:https?|no|all)_(?i:proxy)"
)
KEYS = re.compile(
    r"\w+_API_(KEY|TOKEN|BASE|HOST)|\w+_BASE_URL|(AWS|AZURE|GOOGLE|VERTEX|CLOUDFLARE|SNOWFLAKE)_\w+"
)
XDG = ("config", "data", "cache", "state")
SHELL_LIMIT_S = 20.0
LOOPBACK = "127.0.0.1,localhost"
SET_BY_THE_SERVER = ("OPENCODE_PID",)
SWITCHES = (
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_CLAUDE_CODE",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS",
    "OPENCODE_DISABLE_FFF",  # a file finder that costs three threads a folder
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_SHARE",
)
FIXED_CONFIG: Mapping[str, object] = {"autoupdate": False, "share": "disabled"}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator wants of a managed server.

    ``rules``: permissions of every session and of its sub-agents. ``project_config``: whether a
    workspace's own ``opencode.json`` counts, which lets whoever writes there set permissions.
    """

    rules: Sequence[Mapping[str, str]] = ()
    project_config: bool = False


@dataclass(frozen=True, slots=True)
class Folders:
    """The places of a managed server, all under one folder of the data directory."""

    root: Path

    @classmethod
    def under(cls, data_dir: Path) -> "Folders":
        """Return the places for a service with this data directory."""
        return cls(data_dir.absolute() / "opencode")

    @property
    def home(self) -> Path:
        """HOME of the server and of the commands that agents run."""
        return self.root / "home"

    @property
    def shell(self) -> Path:
        """The folder of the wrapper around the real shell."""
        return self.root / "shell"

    @property
    def empty(self) -> Path:
        """A folder with nothing in it, to ask the server about."""
        return self.root / "empty"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.root / "server.log"

    @property
    def lock(self) -> Path:
        """Held by the service that the server belongs to."""
        return self.root / "lock"

    @property
    def identity(self) -> Path:
        """Port, password and mark."""
        return self.root / "identity.json"

    @property
    def record(self) -> Path:
        """The process that runs."""
        return self.root / "server.json"

    @property
    def release(self) -> Path:
        """Which release is chosen."""
        return self.root / "release.json"

    @property
    def releases(self) -> Path:
        """The releases that were installed by us."""
        return self.root / "releases"

    @property
    def hold(self) -> Path:
        """What an upgrade holds back."""
        return self.root / "hold.json"

    @property
    def journal(self) -> Path:
        """How far an upgrade is, or how the last one ended."""
        return self.root / "upgrade.json"

    @property
    def canary(self) -> Path:
        """The data folder of a server that is tried out."""
        return self.root / "canary"

    @property
    def extra(self) -> Path:
        """The copy of a configuration folder that the user named."""
        return self.root / "extra"

    def extra_file(self, source: Path) -> Path:
        """Return the copy of a configuration file that the user named."""
        return self.root / f"extra{source.suffix}"

    def xdg(self, kind: str) -> Path:
        """Return one of the four XDG folders: config, data, cache or state."""
        return self.root / kind

    def make(self) -> None:
        """Create them, for nobody else's eyes."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.home, self.shell, self.empty):
            folder.mkdir(exist_ok=True)
        for kind in ("config", "data", "cache", "state"):
            (self.xdg(kind) / "opencode").mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start the server. ``fingerprint`` changes when a restart is needed."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    log: Path
    fingerprint: str


def plan(
    folders: Folders,
    programs: Programs,
    environ: Mapping[str, str],
    wishes: Wishes,
    address: Address,
    mark: str,
) -> Launch:
    """Say how to start the server; writes nothing. Raises ``StartError``."""
    user = UserConfig.of(environ)
    inherited = allowed(environ, user.variables())
    settings = switches(folders, user, wishes)
    port = address.url.rpartition(":")[2]
    argv = (str(programs.opencode), "serve", "--hostname", "127.0.0.1", "--port", port)
    child = {
        **inherited,
        **_past_the_proxy(inherited),
        **settings,
        **{f"XDG_{kind.upper()}_HOME": str(folders.xdg(kind)) for kind in XDG},
        "HOME": str(folders.home),
        "PATH": search_path(environ, programs),
        "SHELL": str(folders.shell / real_shell(environ).name),
        "OPENCODE_SERVER_USERNAME": address.username,
        PASSWORD: address.password,
        MARK: mark,
    }
    return Launch(argv, child, folders.empty, folders.log, _fingerprint(argv, settings))


def furnish(folders: Folders, environ: Mapping[str, str], launch: Launch) -> None:
    """Make the folders ready for a start: the user's configuration copied in, the shell written."""
    user = UserConfig.of(environ)
    folders.make()
    copy_folder(user.global_folder, folders.xdg("config") / "opencode", user.home)
    copy_folder(user.home_folder, folders.home / ".opencode", user.home)
    copy_credentials(user.credentials, folders.xdg("data") / "opencode")
    copy_packages(user.packages, folders.xdg("cache") / "opencode/packages")
    if user.extra_file is not None:
        copy_file(user.extra_file, folders.extra_file(user.extra_file), user.home)
    if user.extra_folder is not None:
        copy_folder(user.extra_folder, folders.extra, user.home)
    _write_gitconfig(folders, environ, user)
    _write_shell(folders, environ, launch.environ)


def allowed(environ: Mapping[str, str], wanted: set[str]) -> dict[str, str]:
    """Return what the server inherits: places, language, proxies, keys of model providers.

    ``wanted``: variables that the user's OpenCode configuration names. Ours never.
    """
    return {
        name: value
        for name, value in environ.items()
        if not OURS.match(name)
        and (name in wanted or COMMON.fullmatch(name) or KEYS.fullmatch(name))
        and name != PASSWORD
    }


def switches(folders: Folders, user: UserConfig, wishes: Wishes) -> dict[str, str]:
    """Return OpenCode's own variables: nothing is fetched, and its configuration is ours."""
    fixed = {**FIXED_CONFIG, **permission_config(wishes.rules)}
    config = merged(user.inline_json(), fixed)
    chosen = dict.fromkeys(SWITCHES, "1")
    chosen["OPENCODE_CONFIG_CONTENT"] = orjson.dumps(config).decode()
    if not wishes.project_config:
        chosen["OPENCODE_DISABLE_PROJECT_CONFIG"] = "1"
    if user.catalogue is not None:
        chosen["OPENCODE_MODELS_PATH"] = str(user.catalogue)
    if user.extra_file is not None:
        chosen["OPENCODE_CONFIG"] = str(folders.extra_file(user.extra_file))
    if user.extra_folder is not None:
        chosen["OPENCODE_CONFIG_DIR"] = str(folders.extra)
    return chosen


def permission_config(rules: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Return rules in the form of OpenCode's configuration, where sub-agents obey them too."""
    permission: dict[str, dict[str, str]] = {}
    for rule in rules:
        permission.setdefault(rule["permission"], {})[rule["pattern"]] = rule["action"]
    return {"permission": permission} if permission else {}


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Lay one configuration over another, table by table."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            both[key] = merged(old, value)
        else:
            both[key] = value
    return both


def search_path(environ: Mapping[str, str], programs: Programs) -> str:
    """Return the PATH of the server, with ripgrep in front: without it OpenCode downloads one."""
    paths = environ.get("PATH", os.defpath).split(os.pathsep)
    front = [str(programs.ripgrep.parent)] if programs.ripgrep else []
    return os.pathsep.join(front + [path for path in paths if path not in front])


def _write_gitconfig(folders: Folders, environ: Mapping[str, str], user: UserConfig) -> None:
    """Let git commands know the user's name and habits; what they set goes to our own file."""
    xdg = Path(environ.get("XDG_CONFIG_HOME") or user.home / ".config") / "git/config"
    file = folders.home / ".gitconfig"
    if not file.exists():
        places = (xdg, user.home / ".gitconfig")
        file.write_text("".join(f'[include]\n\tpath = "{place}"\n' for place in places))


def real_shell(environ: Mapping[str, str]) -> Path:
    """Return the shell that runs the agents' commands."""
    return Path(shutil.which("bash", path=environ.get("PATH", os.defpath)) or "/bin/sh")


def _write_shell(folders: Folders, environ: Mapping[str, str], names: Iterable[str]) -> None:
    """Write the shell of the agents' commands, which does not know the server's secrets.

    They run as the same user all the same: who reads ``/proc`` or our files finds them.
    """
    real = real_shell(environ)
    private = (name for name in names if not COMMON.fullmatch(name) and name not in {"HOME", MARK})
    unset = " ".join(sorted({*private, *SET_BY_THE_SERVER}))
    wrapper = folders.shell / real.name  # OpenCode knows a shell by its name
    wrapper.write_text(f'#!/bin/sh\nunset {unset}\nexport SHELL="{real}"\nexec "{real}" "$@"\n')
    wrapper.chmod(0o700)
    _must_run(wrapper)


def _must_run(wrapper: Path) -> None:
    """Try the shell: on a disk that forbids programs every command would fail without a reason."""
    try:
        subprocess.run([wrapper, "-c", "exit 0"], check=True, timeout=SHELL_LIMIT_S)  # noqa: S603  # ours
    except (OSError, subprocess.SubprocessError) as exc:
        raise StartError(
            f"the shell for OpenCode's commands cannot run ({exc}); server.data_dir must be on a "
            "disk that may hold programs (not mounted noexec)."
        ) from exc


def _past_the_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps a proxy out of the way between the server and a model on loopback."""
    if not any(name.lower().endswith("_proxy") for name in environ):
        return {}
    present = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    value = f"{present},{LOOPBACK}" if present else LOOPBACK
    return {"NO_PROXY": value, "no_proxy": value}


def _fingerprint(argv: Sequence[str], settings: Mapping[str, str]) -> str:
    facts = orjson.dumps([argv, settings], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(facts).hexdigest()
