"""What the sandbox sets up for itself: its folder, its secrets, a free port, its settings."""

import base64
import contextlib
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.errors import StartError
from bot.messages import CALLBACK
from bot.opencode.user_config import NAMES, UserConfig
from bot.sandbox.gateway import PATH as GATEWAY
from bot.sandbox.view import Cast, Group, Member
from config.settings import Settings, load_settings
from handlers.wecom.app.app_wire import APP
from handlers.wecom.connection.reception import CONNECTION

HOST = "127.0.0.1"
PORT = 8080
PORTS_TRIED = 20
FOLDER = "sandbox"
SECRETS_FILE = "sandbox.json"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
BOT_ID = "aibSANDBOX"
BOT_NAME = "OpenCode"
CORP_ID = "wwSANDBOX"
AGENT_ID = 1000002
MEMBERS = (Member("zhangsan", "张三"), Member("lisi", "李四"), Member("wangwu", "王五"))
STRANGER = Member("zhaoliu", "赵六")  # not admitted: shows what a refusal looks like
GROUPS = (Group("wrSANDBOX", "项目群"),)
NOT_FOR_US = (
    *("BOT_CONFIG", "BOT_HOST", "BOT_PORT", "BOT_PUBLIC_URL", "BOT_DATA_DIR", "BOT_DATABASE_URL"),
    *("BOT_WORKSPACES", "BOT_ADMINS", "BOT_MAINTAINERS", "BOT_MEMBERS"),
)
COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
LAST_COMMA = re.compile(r",(\s*[}\]])")


@dataclass(frozen=True, slots=True)
class Keys:
    """The bot's credentials and the token of the page."""

    token: str
    aes_key: str
    page: str

    @property
    def secret(self) -> str:
        """What the bot proves itself with where it calls WeCom."""
        return self.token


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the sandbox's own folder, made at the first start."""
    folder = Path(environ.get("BOT_DATA_DIR") or "data").absolute() / FOLDER
    folder.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)  # the service's, later
    folder.mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
    return folder


def keys(folder: Path) -> Keys:
    """Return the keys that the folder keeps, made at the first start, so that an open page stays good."""
    path = folder / SECRETS_FILE
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(asdict(_new_keys()), file)
    try:
        return Keys(**json.loads(path.read_text(encoding="ascii")))
    except (ValueError, TypeError) as exc:
        raise StartError(f"{path} is damaged: remove it, and new keys are made") from exc


def _new_keys() -> Keys:
    aes_key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return Keys(secrets.token_hex(16), aes_key, secrets.token_urlsafe(24))


def wanted_port(environ: Mapping[str, str]) -> int:
    """Return the port to try first."""
    port = environ.get("BOT_PORT", "")
    return int(port) if port.isascii() and port.isdecimal() else PORT


def free_port(first: int) -> int:
    """Return the first free port from ``first`` on."""
    for port in range(first, first + PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, OverflowError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise StartError(f"no port is free from {first} on; set BOT_PORT")


def settings_for(
    environ: Mapping[str, str],
    folder: Path,
    port: int,
    keys: Keys,
    model: str | None,
    channel: str = CALLBACK,
) -> Settings:
    """Build settings: the user's own where they do no harm, the sandbox's in all else."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("WECOM_") and name not in NOT_FOR_US
    }
    url = f"http://{HOST}:{port}"
    ours = {
        "BOT_HOST": HOST,
        "BOT_PORT": str(port),
        "BOT_PUBLIC_URL": url,
        "BOT_DATA_DIR": str(folder),
        "BOT_ADMINS": MEMBERS[0].id,
        "BOT_MEMBERS": ",".join(member.id for member in MEMBERS),
        "WECOM_API_URL": url,
    }
    chosen = {"OPENCODE_MODEL": model} if model else {}
    return load_settings(None, kept | ours | _credentials(keys, port, channel) | chosen)


def _credentials(keys: Keys, port: int, channel: str) -> dict[str, str]:
    """Return what a channel of WeCom's must be given."""
    if channel == APP:
        return {
            "WECOM_CORP_ID": CORP_ID,
            "WECOM_AGENT_ID": str(AGENT_ID),
            "WECOM_SECRET": keys.secret,
            "WECOM_TOKEN": keys.token,
            "WECOM_AES_KEY": keys.aes_key,
        }
    bot = {"WECOM_BOT_ID": BOT_ID, "WECOM_BOT_NAME": BOT_NAME}
    if channel == CONNECTION:
        gateway = f"ws://{HOST}:{port}{GATEWAY}"
        return bot | {"WECOM_BOT_SECRET": keys.secret, "WECOM_WS_URL": gateway}
    return bot | {"WECOM_BOT_TOKEN": keys.token, "WECOM_BOT_AES_KEY": keys.aes_key}


def cast(*, demo_model: bool, channel: str = CALLBACK) -> Cast:
    """Return everybody who takes part; an application has no groups."""
    return Cast((*MEMBERS, STRANGER), () if channel == APP else GROUPS, demo_model)


def has_model(environ: Mapping[str, str]) -> bool:
    """Tell whether the user's OpenCode has a model: a chosen one, a log-in, or a server of its own."""
    if environ.get("OPENCODE_MODEL") or environ.get("OPENCODE_URL"):
        return True
    user = UserConfig.of(environ)
    log_ins = _read_file(user.credentials / "auth.json")
    return bool(log_ins) or any("model" in config for config in _configs(user))


def _configs(user: UserConfig) -> Iterator[dict[str, object]]:
    yield user.inline_json()
    for folder in (user.global_folder, user.home_folder, user.extra_folder):
        if folder is not None:
            yield from (_read_file(folder / name) for name in NAMES)
    if user.extra_file is not None:
        yield _read_file(user.extra_file)


def _read_file(path: Path) -> dict[str, object]:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return _read_jsonc(path.read_text(encoding="utf-8"))
    return {}


def _read_jsonc(text: str) -> dict[str, object]:
    """Read JSON with comments; what cannot be read is OpenCode's to complain about."""
    bare = LAST_COMMA.sub(r"\1", COMMENT.sub(lambda found: found[1] or "", text))
    with contextlib.suppress(ValueError):
        value = json.loads(bare)
        if isinstance(value, dict):
            return value
    return {}
