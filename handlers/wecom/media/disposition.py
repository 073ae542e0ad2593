"""The name in a ``Content-Disposition``, as WeCom's storage and others write it.

https://www.rfc-editor.org/rfc/rfc6266
"""

import re
from urllib.parse import unquote_to_bytes

EXTENDED = re.compile(r"""filename\*\s*=\s*"?([\w.-]+)'[^']*'([^;"\s]+)""", re.IGNORECASE)
QUOTED = re.compile(r"""filename\s*=\s*"((?:[^"\\]|\\.)*)\"""", re.IGNORECASE)
PLAIN = re.compile(r"""filename\s*=\s*([^;"\s][^;"]*)""", re.IGNORECASE)


def name_of(header: str) -> str:
    """Return the file name that a header gives, the extended form first; empty without one."""
    if found := EXTENDED.search(header):
        raw = _bytes(found[2])
        charset = "utf-8" if found[1].lower() == "utf-8" else "latin-1"
        return raw.decode(charset, "replace")
    if found := QUOTED.search(header):
        return _told(re.sub(r"\\(.)", r"\1", found[1]))
    found = PLAIN.search(header)
    return _told(found[1].strip()) if found else ""


def _told(name: str) -> str:
    """Return a name without a charset: percent-encoded, or bytes that are most likely UTF-8."""
    raw = _bytes(name)
    for charset in ("utf-8", "gb18030"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _bytes(name: str) -> bytes:
    """Return the bytes that a header held: aiohttp stands surrogates in for those that are no UTF-8."""
    return unquote_to_bytes(name.encode("utf-8", "surrogateescape"))
