"""The XML of an application's callback: its shell, what the shell holds, and our answers.

https://developer.work.weixin.qq.com/document/path/90238 (shell), 90241 (answers)
"""

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from xml.parsers.expat import ExpatError

from bot.errors import BadEnvelope

_DECLARATION = re.compile(rb"\s*<\?xml[^<>]*\?>")
_ENCRYPTED = re.compile(
    rb"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=]+)(?:\]\]>)?\s*</Encrypt>", re.ASCII
)
MOST_MARKS = 1000  # WeCom's largest event has a tenth of that
_TEXT, _TEXT_END = b"<![CDATA[", b"]]>"


@functools.cache
def parser() -> Callable[[str], object]:
    """Return wechatpy's parser; it brings 15 MB along, which only an application is worth."""
    found: Callable[[str], object] = importlib.import_module("wechatpy.enterprise").parse_message
    return found


def ciphertext(body: bytes) -> bytes:
    """Return what the shell of a callback seals. Raises BadEnvelope."""
    _check(body)
    found = _ENCRYPTED.findall(body)
    if len(found) != 1:
        raise BadEnvelope("shape")
    return bytes(found[0])


def fields(plaintext: bytes) -> Mapping[str, object]:
    """Return the elements of a message or an event by their names. Raises BadEnvelope."""
    _check(plaintext)
    try:
        message = parser()(plaintext.decode())
        # Of types that it does not know it gives away nothing but this.
        elements: object = vars(message)["_data"]
    except (ExpatError, LookupError, AttributeError, TypeError, ValueError) as exc:
        raise BadEnvelope("xml") from exc
    if not isinstance(elements, dict):
        raise BadEnvelope("xml shape")
    return elements


def shell(encrypted: bytes, signature: bytes, timestamp: bytes, nonce: bytes) -> bytes:
    """Return the body of an answer around its ciphertext; the nonce is ours."""
    return b"".join(
        (
            b"<xml><Encrypt><![CDATA[",
            encrypted,
            b"]]></Encrypt><MsgSignature><![CDATA[",
            signature,
            b"]]></MsgSignature><TimeStamp>",
            timestamp,
            b"</TimeStamp><Nonce><![CDATA[",
            nonce,
            b"]]></Nonce></xml>",
        )
    )


def text_reply(content: str, *, to: str, corp_id: str, at_s: int) -> bytes:
    """Return an answer in plain text, the only kind of words that a callback's answer takes."""
    return (
        f"<xml><ToUserName>{_quoted(to)}</ToUserName>"
        f"<FromUserName>{_quoted(corp_id)}</FromUserName>"
        f"<CreateTime>{at_s}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content>{_quoted(content)}</Content></xml>"
    ).encode()


def _quoted(text: str) -> str:
    """Return a text as XML holds it: what would end the quotation is cut in two."""
    allowed = "".join(char for char in text if char >= " " or char in "\n\t")
    return f"<![CDATA[{allowed.replace(']]>', ']]]]><![CDATA[>')}]]>"


def _check(raw: bytes) -> None:
    """Refuse declarations and instructions before anything is parsed: WeCom sends none.

    What a person wrote stands in CDATA, and may well be a web page with a `<!DOCTYPE`.
    """
    rest = _outside_text(raw[found.end() :] if (found := _DECLARATION.match(raw)) else raw)
    if b"<!" in rest or b"<?" in rest:
        raise BadEnvelope("xml declaration")
    if rest.count(b"<") > MOST_MARKS:
        raise BadEnvelope("xml size")


def _outside_text(raw: bytes) -> bytes:
    pieces, start = [], 0
    while (begin := raw.find(_TEXT, start)) >= 0:
        end = raw.find(_TEXT_END, begin)
        if end < 0:
            raise BadEnvelope("xml")
        pieces.append(raw[start:begin])
        start = end + len(_TEXT_END)
    # A blank between the pieces: taking text out must not put a declaration together.
    return b" ".join([*pieces, raw[start:]])
