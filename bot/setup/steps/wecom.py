"""What WeCom's pages know the bot and the application by: taken from there, or made here for them."""

import base64
import secrets
import string

from bot.setup.steps.channels import CALLBACK, CONNECTION
from bot.setup.wizard import Wizard

ALPHABET = string.ascii_letters + string.digits
BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
TOKEN_CHARS, KEY_CHARS = 32, 43
SPARE_BITS = 4  # of the last character of 43 two bits mean nothing, and are zero
KEEP, MAKE, COPY = "keep", "make", "copy"
BOT, APP = "wecom.bot", "wecom.app"  # the tables of Token and key
WHERE_CONNECTION = (
    "Where to click: 工作台 → 智能机器人, or the admin console (管理后台).",
    "Create the bot in API 模式, and let it receive messages by the long connection",
    "(长连接), not by callback URL (接收消息 URL). The page then shows the bot's id",
    "(Bot ID) and a Secret. Changing between the two makes the other one's invalid.",
)
WHERE_CALLBACK = (
    "Where to click: 工作台 → 智能机器人, or the admin console (管理后台).",
    "Create the bot in API 模式, and let it receive messages by callback URL",
    "(接收消息 URL), not by the long connection (长连接). The page wants a URL,",
    "a Token and an EncodingAESKey, all of them yours to choose.",
    "Leave it open and do not save yet: WeCom calls the URL the moment you save.",
)
WHERE_APP = (
    "The application, in the admin console (管理后台): 应用管理 → 自建 → 创建应用.",
    "Its page shows AgentId and Secret (sent to your WeCom); the corp's id stands",
    "under 我的企业 → 企业信息 → 企业 ID. Then 接收消息 → 设置 API 接收 wants a URL,",
    "a Token and an EncodingAESKey: leave that open, and do not save yet.",
    "Under 企业可信IP add the public address from which this machine calls WeCom.",
)


def ask_wecom(wizard: Wizard) -> None:
    """Ask for what the chosen channels need, and for the bot's name."""
    before = wizard.credentials
    if wizard.way == CONNECTION:
        _ask_connection(wizard)
    elif wizard.way == CALLBACK:
        _say(wizard, WHERE_CALLBACK)
        _ask_seal(wizard, BOT, "Token and EncodingAESKey:")
    _ask_names(wizard)
    if wizard.app:
        _ask_app(wizard)
    if wizard.credentials != before:
        wizard.verified = False
        wizard.draft.note_heard("")


def _ask_connection(wizard: Wizard) -> None:
    _say(wizard, WHERE_CONNECTION)
    wizard.ask("wecom.bot.bot_id", "The bot's id (Bot ID):", needed=True)
    wizard.ask_secret("wecom.bot.secret", "Secret of the long connection:")


def _ask_names(wizard: Wizard) -> None:
    if wizard.way in {CONNECTION, CALLBACK}:
        wizard.ask("wecom.bot.name", "The bot's name in WeCom, as people @-mention it (optional):")
    if wizard.way == CALLBACK:
        wizard.ask("wecom.bot.bot_id", "The bot's id, to refuse other bots' calls (optional):")


def _ask_app(wizard: Wizard) -> None:
    _say(wizard, WHERE_APP)
    wizard.ask("wecom.app.corp_id", "The corp's id (企业 ID):", needed=True)
    wizard.ask("wecom.app.agent_id", "The application's AgentId:", needed=True)
    wizard.ask_secret("wecom.app.secret", "The application's Secret:")
    _ask_seal(wizard, APP, "Token and EncodingAESKey of the application:")


def _ask_seal(wizard: Wizard, table: str, question: str) -> None:
    """Take or make the Token and the key of a callback."""
    options = {
        MAKE: "Make a Token and an EncodingAESKey here, to paste into WeCom's page",
        COPY: "Type those that WeCom's page shows",
    }
    if all(wizard.seal(table)):
        options = {KEEP: "Keep those that are set", **options}
    way = wizard.terminal.choose(question, options)
    if way == KEEP:
        return
    wizard.generated.discard(table)
    if way == MAKE:
        wizard.put(f"{table}.token", new_token())
        wizard.put(f"{table}.aes_key", new_key())
        wizard.generated.add(table)
        wizard.terminal.say("They are made. The next step shows them, once, beside the URL.")
        return
    wizard.ask_secret(f"{table}.token", "Token:")
    wizard.ask_secret(f"{table}.aes_key", "EncodingAESKey (43 characters):")


def _say(wizard: Wizard, lines: tuple[str, ...]) -> None:
    for line in lines:
        wizard.terminal.say(line)


def new_token() -> str:
    """Return a Token: letters and digits, as WeCom takes them."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_CHARS))


def new_key() -> str:
    """Return an EncodingAESKey of letters and digits: unpadded base64 of 32 bytes."""
    last = [c for c in ALPHABET if BASE64.index(c) % SPARE_BITS == 0]
    key = "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARS - 1)) + secrets.choice(last)
    assert len(base64.b64decode(f"{key}=", validate=True)) == 32, "as many as AES-256 takes"  # noqa: PLR2004
    return key
