"""Why something failed, in words that a person can act on and that give nothing away."""

import re
from collections.abc import Callable

from bot.opencode.model import ServerError, Status
from bot.texts import Language
from bot.texts.turns import REASONS, RETRY_RATE, RETRY_WHY

_RATE = re.compile(r"(?i)rate.?limit|too many requests|overloaded|\b429\b|限流|请求过多")
_BY_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("agent", re.compile(r"(?i)agent not found")),
    ("model", re.compile(r"(?i)model not found|ModelNotFound")),
    ("summary", re.compile(r"(?i)generating summary")),
    ("overflow", re.compile(r"(?i)too large to compact|context (?:length|window)|maximum context")),
    ("quota", re.compile(r"(?i)quota|insufficient|billing|credit|欠费|余额|额度")),
    ("rate", _RATE),
    ("image", re.compile(r"(?i)\bimage\b|media type")),
    ("timeout", re.compile(r"(?i)timed? ?out|timeout")),
)
_BY_NAME = {
    "ContextOverflowError": "overflow",
    "ProviderAuthError": "auth",
    "ProviderModelNotFoundError": "model",
}
_BY_STATUS = {401: "auth", 402: "quota", 403: "auth", 408: "timeout", 429: "rate", 504: "timeout"}
FIRST_SERVER_STATUS = 500
# What providers repeat of a key that they refuse: by how keys begin, what stands in front, or length.
_KEYS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|gh[opsu]|github_pat|glpat|AIza|AKIA|ya29|eyJ)[-_.]?[\w.*-]{8,}"
    r"|(?P<lead>(?i:key|token|secret|password)[^\w\n]{1,3}"
    r"(?:(?i:provided|given|used|is|was)[^\w\n]{1,3})?)(?=[^\s\"',;<>]{0,99}\d)[^\s\"',;<>]{8,}"
    r"|\b(?=[\w-]{0,99}\d)[\w-]{32,}"
)
HIDDEN = r"\g<lead>***"
KEPT_CHARS = 4000


def reason(error: ServerError | None, language: Language) -> str:
    """Return why a turn failed. OpenCode's own words may hold internals and are never shown."""
    status = (error.status if error else None) or 0
    return REASONS[kind(error)].say(language, status=status)


def kept(error: ServerError | None) -> str:
    """Return OpenCode's own words for administrators to read, without keys that stand in them."""
    return _KEYS.sub(HIDDEN, error.message[:KEPT_CHARS]) if error else ""


def kind(error: ServerError | None) -> str:
    """Return which of the known reasons it is."""
    return "not_taken" if error is None else _kind(error, error.status or 0)


def _kind(error: ServerError, status: int) -> str:
    guesses: tuple[Callable[[], str | None], ...] = (
        lambda: _BY_NAME.get(error.name),
        lambda: next((kind for kind, words in _BY_WORDS[:5] if words.search(error.message)), None),
        lambda: _BY_STATUS.get(status),
        lambda: next((kind for kind, words in _BY_WORDS[5:] if words.search(error.message)), None),
    )
    for guess in guesses:
        if found := guess():
            return found
    if status:
        return "server" if status >= FIRST_SERVER_STATUS else "request"
    return "unknown"


def retry_why(status: Status, language: Language) -> str:
    """Return why the server waits before it asks the model again."""
    return (RETRY_RATE if _RATE.search(status.message) else RETRY_WHY).say(language)
