"""The frames of the long connection: what a client sends, and what it is told.

WeCom's page lists no error codes. Those here are WeCom's as people have seen them, but for
``NOT_ACCEPTABLE``, which is the stand-in's own. https://developer.work.weixin.qq.com/document/path/101463
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from bot.sandbox.cipher import Refused
from bot.sandbox.payloads import Payload

SUBSCRIBE = "aibot_subscribe"
PING = "ping"
RESPOND = "aibot_respond_msg"
WELCOME = "aibot_respond_welcome_msg"
UPDATE = "aibot_respond_update_msg"
PUSH = "aibot_send_msg"
UPLOAD_INIT = "aibot_upload_media_init"
UPLOAD_CHUNK = "aibot_upload_media_chunk"
UPLOAD_FINISH = "aibot_upload_media_finish"
MESSAGE = "aibot_msg_callback"
EVENT = "aibot_event_callback"

FRAME_BYTES = 1024 * 1024
REQ_ID_CHARS = 256

INVALID_REQ_ID = 846605
TOO_OFTEN = 846607
STREAM_EXPIRED = 846608
NOT_SUBSCRIBED = 846609
BAD_SECRET = 853000
INVALID_CHAT = 93006
NOT_ACCEPTABLE = 860104

ERRCODES: Mapping[str, int] = {
    "req_id_unknown": INVALID_REQ_ID,
    "req_id_kind": INVALID_REQ_ID,
    "req_id_expired": INVALID_REQ_ID,
    "frequency": TOO_OFTEN,
    "upload_frequency": TOO_OFTEN,
    "never_wrote": TOO_OFTEN,
    "stream_expired": STREAM_EXPIRED,
    "not_subscribed": NOT_SUBSCRIBED,
    "bad_secret": BAD_SECRET,
    "chat_unknown": INVALID_CHAT,
}


class Excused(Refused):
    """Refused by what the stand-in was told to do, or has forgotten: no fault of the client."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One request of a client."""

    cmd: str
    req_id: str
    body: Payload


def read_frame(raw: str | bytes) -> Frame:
    """Read what a client sent; ``Refused`` when it is no frame."""
    if isinstance(raw, bytes):
        raise Refused("frame_binary", "frames are text")
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise Refused("frame_not_json") from exc
    if not isinstance(frame, dict):
        raise Refused("frame_shape", "not an object")
    cmd, headers, body = frame.get("cmd"), frame.get("headers"), frame.get("body", {})
    if not isinstance(cmd, str):
        raise Refused("cmd", "a client's frame names its command")
    if not isinstance(headers, dict) or not isinstance(body, dict):
        raise Refused("frame_shape", "headers and body must be objects")
    req_id = headers.get("req_id")
    if not isinstance(req_id, str) or not 0 < len(req_id) <= REQ_ID_CHARS:
        raise Refused("req_id_shape", "headers.req_id must be a word")
    return Frame(cmd, req_id, body)


def acknowledgement(req_id: str, body: Payload | None = None) -> Payload:
    """Return the answer to a frame that was taken; it has no ``cmd``."""
    frame: Payload = {"headers": {"req_id": req_id}, "errcode": 0, "errmsg": "ok"}
    return frame if body is None else frame | {"body": body}


def refusal(req_id: str, code: int, message: str) -> Payload:
    """Return the answer to a frame that was not taken."""
    return {"headers": {"req_id": req_id}, "errcode": code, "errmsg": message}


def callback(cmd: str, req_id: str, body: Payload) -> Payload:
    """Return a frame that tells a client something."""
    return {"cmd": cmd, "headers": {"req_id": req_id}, "body": body}


def errcode_of(refused: Refused) -> int:
    """Return WeCom's number for a broken rule."""
    return ERRCODES.get(refused.code, NOT_ACCEPTABLE)
