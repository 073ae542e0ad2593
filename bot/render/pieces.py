"""Small pieces that every rendered line is made of: ages, names, code."""

import re
from collections.abc import Iterable

from bot.texts import Language
from bot.texts.engine import COMMA

KILO = 1024
PATH_CHARS = 80
# No pattern looks far ahead from every place where it might begin: a command may be long.
_SECRETS = re.compile(
    r"(?i)((?:password|passwd|pwd|token|secret|api[_-]?key|access[_-]?key)[\w-]{0,40}[\"']?\s*[=:]\s*"
    r"|bearer\s+|--?(?:password|token)\s+)([\"']?)[^\s\"'&;|]+"
)
_URL_SECRETS = re.compile(r"(://[^\s/:@]+:)[^\s/@]+@")


def age(ms: int) -> str:
    """Return a length of time as people say it, to the second: ``45s``, ``3m20s``, ``1h02m05s``."""
    minutes, seconds = divmod(max(ms, 0) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m{seconds:02}s"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def size_of(size: int) -> str:
    """Return a size in bytes as people read it."""
    if size < KILO:
        return f"{size} B"
    if size < KILO * KILO:
        return f"{size / KILO:.1f} KB"
    return f"{size / KILO / KILO:.1f} MB"


def one_line(text: str, chars: int) -> str:
    """Return the text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= chars else f"{line[: chars - 1]}…"


def code(text: str, chars: int = 60) -> str:
    """Return the text as inline code, so that nothing in it is taken for Markdown."""
    return f"`{one_line(text, chars).replace('`', chr(39))}`"


def path_of(path: str) -> str:
    """Return the path of a file as inline code: its name may hold Markdown."""
    return code(path, PATH_CHARS)


def paths_of(paths: Iterable[str], language: Language) -> str:
    """Return paths of files as a list within a sentence."""
    return COMMA.say(language).join(map(path_of, paths))


def plain(text: str, chars: int) -> str:
    """Return the text as one line with no Markdown left in it."""
    return re.sub(r"[`*_\[\]<>#|]", "", one_line(text, chars)).strip()


def block(text: str) -> str:
    """Return the text as a code block that nothing inside it can end."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}\n{text}\n{mark}"


def name_of(path: str) -> str:
    """Return the last piece of a path."""
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or path


def counts(added: int | None, removed: int | None) -> str:
    """Return `` +48 −12``, or nothing when nobody counted."""
    return f" +{added or 0} −{removed or 0}" if added or removed else ""


def masked(text: str) -> str:
    """Return the text with what looks like a password or a key replaced."""
    text = _SECRETS.sub(r"\1\2****", text)
    return _URL_SECRETS.sub(r"\1****@", text)
