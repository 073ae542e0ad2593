"""A name for a received file that is safe in a folder, in a shell, in Markdown and for a model."""

import re
import unicodedata

NAME_BYTES = 120
SUFFIX_CHARS = 16
# What a shell or Markdown takes for more than a letter; blanks are no harm.
MARKS = re.compile(r"""[`$"'\\|;&<>*?!{}\[\]^~#:%@=,]+""")
BLANKS = re.compile(r"\s+")
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# OpenCode takes what these hold for instructions, to whoever reads another file of their folder.
INSTRUCTIONS = frozenset({"agents.md", "claude.md", "context.md"})
ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/heic": ".heic",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "video/mp4": ".mp4",
    "audio/amr": ".amr",
    "text/plain": ".txt",
}


def safe_name(name: str, *, kind: str, number: int, mime: str) -> str:
    """Return ``name`` as one harmless component of a path; ``kind`` and ``number`` without one."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    seen = "".join(char for char in last if unicodedata.category(char) not in UNSEEN)
    plain = BLANKS.sub(" ", MARKS.sub("_", seen)).strip(" .-_")
    if not plain:
        plain = f"{kind}-{number}"
    if plain.casefold() in INSTRUCTIONS:
        plain = f"{kind}-{plain}"
    stem, suffix = _split(plain)
    return _fitted(stem, suffix or ENDINGS.get(mime, ""))


def numbered(name: str, number: int) -> str:
    """Return the name that stands for the n-th file of this name."""
    stem, suffix = _split(name)
    return _fitted(stem, f"-{number}{suffix}")


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or not ending or len(ending) > SUFFIX_CHARS or " " in ending:
        return name, ""
    return stem, f".{ending}"


def _fitted(stem: str, suffix: str) -> str:
    """Return both in ``NAME_BYTES`` of UTF-8, the ending whole and no character cut."""
    room = NAME_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + suffix
