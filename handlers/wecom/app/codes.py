"""What each error code of WeCom's API asks for: one table.

https://developer.work.weixin.qq.com/document/path/90313
"""

from dataclasses import dataclass
from typing import Literal

OK = 0
BUSY = -1
MINUTE_S = 60

Reaction = Literal["again", "renew", "rest", "stop", "give up"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about a code.

    ``again``: at once, a few times; ``renew``: once, with a new token; ``rest``: nothing is asked
    for ``pause_s``; ``stop``: same, and whoever looks after the service must ``mend`` something;
    ``give up``: no repeat of this call would change it.
    """

    reaction: Reaction
    meaning: str
    pause_s: int = 0
    mend: str = ""


_KEYWORD = "set wecom.app.secret (WECOM_SECRET) to the Secret of the application's page"
_CORP = "set wecom.app.corp_id (WECOM_CORP_ID) to the corp's id (我的企业 → 企业 ID)"
_AGENT = "set wecom.app.agent_id (WECOM_AGENT_ID) to the AgentId that belongs to the secret"
_OURS = "report it: the service made a call that WeCom cannot take"

RULES = {
    BUSY: Rule("again", "WeCom is busy"),
    40001: Rule("stop", "the secret is not this application's", 60 * MINUTE_S, _KEYWORD),
    40003: Rule("give up", "no such member"),
    40004: Rule("give up", "the kind of medium is wrong"),
    40006: Rule("give up", "the medium's size is wrong"),
    40007: Rule("give up", "no such medium, or it is too old"),
    40008: Rule("give up", "the type of message is wrong"),
    40009: Rule("give up", "the image is too large"),
    40011: Rule("give up", "the video is too large"),
    40013: Rule("stop", "no such corp", 60 * MINUTE_S, _CORP),
    40014: Rule("renew", "the token is not good", MINUTE_S),
    40056: Rule("stop", "no such application", 30 * MINUTE_S, _AGENT),
    41001: Rule("stop", "the token is missing", 10 * MINUTE_S, _OURS),
    41004: Rule("stop", "the secret is missing", 60 * MINUTE_S, _OURS),
    42001: Rule("renew", "the token has expired", MINUTE_S),
    44001: Rule("give up", "the medium is empty"),
    44004: Rule("give up", "the text is empty"),
    45002: Rule("give up", "the text is too long"),
    45009: Rule("rest", "the API was called too often", MINUTE_S),
    45033: Rule("rest", "too many calls at once", MINUTE_S),
    48002: Rule(
        "stop",
        "the application may not make this call",
        10 * MINUTE_S,
        "let the secret be that of the self-built application, and give it this right",
    ),
    50003: Rule(
        "stop",
        "the application is disabled",
        5 * MINUTE_S,
        "enable the application in WeCom's administration",
    ),
    60011: Rule(
        "stop",
        "the application has no right to do this",
        10 * MINUTE_S,
        "let the members who use it be in the application's visible range (可见范围)",
    ),
    60020: Rule(
        "stop",
        "this machine's address is not trusted",
        MINUTE_S,
        "add the public address of this machine to the application's trusted IPs (企业可信IP)",
    ),
    80001: Rule(
        "stop",
        "the trusted domain is wrong",
        10 * MINUTE_S,
        "set the application's trusted domain (可信域名)",
    ),
    81013: Rule("give up", "nobody of those may use the application"),
    85005: Rule(
        "stop",
        "the application is not trusted with this domain",
        10 * MINUTE_S,
        "set the application's trusted domain (可信域名)",
    ),
    93000: Rule("give up", "no such webhook"),
    93004: Rule("give up", "the robot is disabled"),
    93008: Rule("give up", "the robot is not in the group"),
    301002: Rule("stop", "the application is not the secret's", 30 * MINUTE_S, _AGENT),
    830002: Rule("give up", "the medium is too large to be had at once"),
}
UNKNOWN = Rule("give up", "unknown")
NO_API = Rule(
    "stop", "no API of WeCom is there", 10 * MINUTE_S, "set wecom.api_url (WECOM_API_URL)"
)


# HTTP statuses, with a minus in front: of whatever stands where the API should be, or before it.
STATUSES = {
    **dict.fromkeys((-301, -302, -307, -308, -401, -403, -404, -405), NO_API),
    -429: Rule("rest", "the API was called too often", MINUTE_S),
}


def rule_of(code: int) -> Rule:
    """Return what to do about an ``errcode``, or about an HTTP status with a minus in front."""
    return (STATUSES if code < BUSY else RULES).get(code, UNKNOWN)
