"""What every check is given: the settings, the places, and what the running service says of itself."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import orjson

from bot.clock import Clock, now_ms
from bot.doctor.asking import FAILURES, why
from bot.opencode.environment import Folders
from bot.opencode.identity import HOST
from bot.opencode.probe import Address
from bot.opencode.server_managed import USERNAME
from bot.tls import trusted
from config.data_files import TOKEN_FILE
from config.problems import Problem
from config.settings import Settings
from store import SQLITE

ANSWER_S = 20.0  # for the service on this machine: one that is loaded is slow, not down
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}  # noqa: S104 - where to knock


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the checks look.

    ``file`` is the settings file; ``problems`` are the mistakes in the settings, which then are
    those that could be read; ``now`` is in Unix milliseconds. ``address`` is OpenCode's, None when
    a managed one was never started. ``live`` is what ``/admin/health`` of the running service
    says, None when it cannot be had, and ``silence`` why; ``slow``: it took the question and gave
    no answer in time.
    """

    settings: Settings
    file: Path | None
    environ: Mapping[str, str]
    deep: bool
    now: int
    address: Address | None = None
    live: Mapping[str, object] | None = None
    silence: str = ""
    slow: bool = False
    problems: tuple[Problem, ...] = field(default=())

    @property
    def data_dir(self) -> Path:
        """The folder of everything that the service keeps."""
        return self.settings.server.data_dir

    @property
    def database(self) -> Path:
        """The database's file."""
        return Path(self.settings.store.url.removeprefix(SQLITE))

    @property
    def lock(self) -> Path:
        """The file that a running service holds locked."""
        return self.database.with_name(self.database.name + ".lock")

    @property
    def unread(self) -> bool:
        """Whether the settings file cannot be read: what was set in it is not known, and not looked at."""
        named = str(self.file)
        return self.file is not None and any(one.key == named for one in self.problems)

    @property
    def managed(self) -> bool:
        """Whether OpenCode is the service's own."""
        return self.settings.opencode.url is None

    @property
    def url(self) -> str:
        """Where the service is reached from this machine."""
        return url_of(self.settings)

    def told(self, *names: str) -> object:
        """Return one fact of what the service says of itself, by its path; None where it is not there."""
        value: object = self.live
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


async def look_around(
    settings: Settings,
    file: Path | None,
    environ: Mapping[str, str] = os.environ,
    *,
    deep: bool = False,
    problems: tuple[Problem, ...] = (),
    clock: Clock = now_ms,
    limit_s: float = ANSWER_S,
) -> Scene:
    """Return the scene as it is now; nothing that is down or wrong keeps it from being made."""
    address = address_of(settings)
    scene = Scene(settings, file, environ, deep, clock(), address, problems=problems)
    try:
        live, silence = await _live(scene, limit_s)
    except httpx.TimeoutException:
        silence = f"{scene.url} has not answered within {limit_s:.0f} s"
        return replace(scene, silence=silence, slow=True)
    return replace(scene, live=live, silence=silence)


def address_of(settings: Settings) -> Address | None:
    """Return where OpenCode is: an external one by the settings, a managed one by what it keeps."""
    opencode = settings.opencode
    if opencode.url is not None:
        password = opencode.password.get_secret_value() if opencode.password else ""
        return Address(opencode.url, opencode.username, password)
    with contextlib.suppress(OSError, ValueError):
        kept = orjson.loads(Folders.under(settings.server.data_dir).identity.read_bytes())
        if isinstance(kept, dict) and isinstance(kept.get("port"), int):
            return Address(f"http://{HOST}:{kept['port']}", USERNAME, str(kept.get("password", "")))
    return None


def url_of(settings: Settings) -> str:
    """Return where a service with these settings is reached from this machine."""
    host = ANYWHERE.get(settings.server.host, settings.server.host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.server.port}"


def admin_token(settings: Settings) -> str:
    """Return what administrators show; empty when there is none yet, or it is not ours to read."""
    if settings.server.admin_token is not None:
        return settings.server.admin_token.get_secret_value()
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (settings.server.data_dir / TOKEN_FILE).read_text(encoding="ascii").strip()
    return ""


async def _live(scene: Scene, limit_s: float) -> tuple[Mapping[str, object] | None, str]:
    """Ask the service; return what it says, or why it says nothing. Raises ``TimeoutException``."""
    token = admin_token(scene.settings)
    if not token:
        return None, "no admin token can be read: it never started here, or is another user's"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(trust_env=False, verify=trusted(), timeout=limit_s) as http:
            answer = await http.get(f"{scene.url}/admin/health", headers=headers)
    except httpx.TimeoutException:
        raise
    except FAILURES as exc:
        return None, f"{scene.url} does not answer ({why(exc)})"
    with contextlib.suppress(ValueError):
        told = orjson.loads(answer.content)
        if answer.is_success and isinstance(told, dict) and "uptime_s" in told:
            return told, ""
    return None, f"{scene.url} answers {answer.status_code}, and not as this service does"
