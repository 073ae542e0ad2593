"""What an error code of WeCom asks of whoever looks after the service; in full in docs/howto/troubleshoot.md."""

import re
from collections.abc import Mapping

CODE = re.compile(r"errcode (-?\d+)")
BOT_PAGE = "the bot's page in WeCom's administration"
APP_PAGE = "the application's page in WeCom's administration"
TROUBLESHOOT = "docs/howto/troubleshoot.md"
MENDS: Mapping[int, str] = {
    -1: "WeCom is busy: try again in a minute",
    40001: f"copy the Secret anew from {APP_PAGE} (WECOM_SECRET), and try once: "
    "WeCom shuts out an address for an hour that tries wrong ones",
    40013: "correct WECOM_CORP_ID: 我的企业 → 企业信息 → 企业 ID",
    40014: "restart the service, so that it asks for another token",
    41004: "set WECOM_SECRET",
    42001: "restart the service, so that it asks for another token",
    45009: "wait: WeCom takes no more calls for a minute, after wrong secrets for an hour",
    45033: "wait a minute: there are too many calls at once",
    48002: f"let the application send messages: {APP_PAGE}, 可见范围 and 权限",
    50003: f"enable the application (启用): {APP_PAGE}",
    60020: f"add this machine's public address to 企业可信IP on {APP_PAGE}, and wait a minute",
    81013: f"let the people see the application (可见范围): {APP_PAGE}",
    93000: "copy the address of the webhook anew from its group, and set WECOM_WEBHOOK_KEY",
    93004: f"enable the bot: {BOT_PAGE}",
    93008: "take the bot into the group again",
    301002: f"correct WECOM_AGENT_ID by {APP_PAGE}: it is another application's",
    853000: f"copy the bot's id and the Secret of its long connection (长连接) from {BOT_PAGE}, "
    "and see that it receives messages by that, not by a callback URL",
}


def mend_in(words: str) -> str:
    """Return the mend of the code that some words name; empty when they name none."""
    found = CODE.search(words)
    return mend_of(int(found[1])) if found else ""


def mend_of(code: int) -> str:
    """Return what is to be done about a code."""
    return MENDS.get(code, f"look for {code} in {TROUBLESHOOT}, else in WeCom's list of codes")
