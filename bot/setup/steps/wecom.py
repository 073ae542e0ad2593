"""The credentials of the AI bot's callback: taken from WeCom's page, or made here for it."""

import base64
import secrets
import string

from bot.setup.wizard import Wizard

ALPHABET = string.ascii_letters + string.digits
BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
TOKEN_CHARS, KEY_CHARS = 32, 43
SPARE_BITS = 4  # of the last character of 43 two bits mean nothing, and are zero
KEEP, MAKE, COPY = "keep", "make", "copy"
WHERE = (
    "Where to click: 工作台 → 智能机器人, or the admin console (管理后台).",
    "Create the bot in API 模式, and let it receive messages by callback URL",
    "(接收消息 URL), not by the long connection (长连接). The page wants a URL,",
    "a Token and an EncodingAESKey, all of them yours to choose.",
    "Leave it open and do not save yet: WeCom calls the URL the moment you save.",
)


def ask_wecom(wizard: Wizard) -> None:
    """Take or make Token and EncodingAESKey; ask for the bot's id and name."""
    terminal = wizard.terminal
    for line in WHERE:
        terminal.say(line)
    options = {
        MAKE: "Make a Token and an EncodingAESKey here, to paste into WeCom's page",
        COPY: "Type those that WeCom's page shows",
    }
    if all(wizard.callback):
        options = {KEEP: "Keep those that are set", **options}
    way = terminal.choose("Token and EncodingAESKey:", options)
    if way == MAKE:
        wizard.put("wecom.bot.token", new_token())
        wizard.put("wecom.bot.aes_key", new_key())
        terminal.say("They are made. The next step shows them, once, beside the URL.")
    elif way == COPY:
        wizard.ask_secret("wecom.bot.token", "Token:")
        wizard.ask_secret("wecom.bot.aes_key", "EncodingAESKey (43 characters):")
    if way != KEEP:
        wizard.generated, wizard.verified = way == MAKE, False
        wizard.draft.note_heard("")
    wizard.ask("wecom.bot.name", "The bot's name in WeCom, as people @-mention it (optional):")
    wizard.ask("wecom.bot.bot_id", "The bot's id, to refuse other bots' calls (optional):")


def new_token() -> str:
    """Return a Token: letters and digits, as WeCom takes them."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_CHARS))


def new_key() -> str:
    """Return an EncodingAESKey of letters and digits: unpadded base64 of 32 bytes."""
    last = [c for c in ALPHABET if BASE64.index(c) % SPARE_BITS == 0]
    key = "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARS - 1)) + secrets.choice(last)
    assert len(base64.b64decode(f"{key}=", validate=True)) == 32, "as many as AES-256 takes"  # noqa: PLR2004
    return key
