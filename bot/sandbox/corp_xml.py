"""What WeCom writes into an application's callback, as XML, and how it reads the answer.

https://developer.work.weixin.qq.com/document/path/90239 (messages), 90240 (events), 90241 (answers)
"""

from collections.abc import Iterable, Mapping
from xml.parsers.expat import ExpatError

import xmltodict

from bot.sandbox.cipher import Refused, Sealed
from bot.sandbox.payloads import Payload, kind_of

REPLY_BYTES = 2048
EVENTS = {"enter_chat": "enter_agent"}
NUMBERS = ("CreateTime", "MsgId", "AgentID", "Location_X", "Location_Y", "Scale")


def message(content: Payload) -> Payload:
    """Return the elements of what a person sent, beside those that every message has."""
    kind = kind_of(content)
    piece = content[kind]
    assert isinstance(piece, dict), "a payload has a member of its kind"
    if kind == "text":
        return {"MsgType": kind, "Content": piece["content"]}
    names = {"media_id": "MediaId", "name": "FileName", "format": "Format", "url": "Url"}
    names |= {"title": "Title", "description": "Description", "label": "Label", "scale": "Scale"}
    names |= {"x": "Location_X", "y": "Location_Y"}
    return {"MsgType": kind} | {names[key]: value for key, value in piece.items()}


def event(kind: str, facts: Payload) -> Payload:
    """Return the elements of something that a person did."""
    elements: Payload = {"MsgType": "event", "Event": EVENTS.get(kind, kind)}
    elements["EventKey"] = facts.get("event_key", "")
    names = {"task_id": "TaskId", "card_type": "CardType", "response_code": "ResponseCode"}
    elements |= {names[key]: facts[key] for key in names if key in facts}
    chosen = facts.get("selected_items")
    if isinstance(chosen, dict):
        elements["SelectedItems"] = {"SelectedItem": _selected(chosen["selected_item"])}
    return elements


def xml(elements: Mapping[str, object]) -> bytes:
    """Return elements as WeCom writes them: numbers bare, all else quoted."""
    return f"<xml>{_elements(elements)}</xml>".encode()


def shell(sealed: Sealed, corp_id: str, agent_id: int) -> bytes:
    """Return the body of a callback."""
    return xml({"ToUserName": corp_id, "AgentID": str(agent_id), "Encrypt": sealed.encrypt})


def read(body: bytes) -> dict[str, str]:
    """Read the flat XML of an answer. ``Refused`` when it is none."""
    try:
        found: object = xmltodict.parse(body.decode())
    except (ExpatError, ValueError) as exc:
        raise Refused("answer_not_xml", type(exc).__name__) from exc
    elements = found.get("xml") if isinstance(found, dict) else None
    if not isinstance(elements, dict):
        raise Refused("answer_not_xml", "no element xml")
    return {name: value or "" for name, value in elements.items() if not isinstance(value, list)}


def read_text(plain: bytes, *, to: str, corp_id: str) -> str:
    """Return the words of an answer; ``Refused`` for what WeCom would not show."""
    reply = read(plain)
    if (reply.get("ToUserName"), reply.get("FromUserName")) != (to, corp_id):
        raise Refused("answer_names", "the answer goes from the corp to the member")
    if not reply.get("CreateTime", "").isdigit():
        raise Refused("answer_time", "must be seconds")
    if reply.get("MsgType") != "text":
        raise Refused("msgtype", f"{reply.get('MsgType', '')[:40]} is no answer here")
    content = reply.get("Content", "")
    if not content.strip():
        raise Refused("blank", "nothing to show")
    if len(content.encode()) > REPLY_BYTES:
        raise Refused("content_too_long", f"{len(content.encode())} bytes, {REPLY_BYTES} allowed")
    return content


def _selected(items: Iterable[Mapping[str, Mapping[str, object]]]) -> list[Payload]:
    return [
        {
            "QuestionKey": item["question_key"],
            "OptionIds": {"OptionId": item["option_ids"]["option_id"]},
        }
        for item in items
    ]


def _elements(elements: Mapping[str, object]) -> str:
    return "".join(_element(name, value) for name, value in elements.items())


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, dict):
        return f"<{name}>{_elements(value)}</{name}>"
    if name in NUMBERS and not isinstance(value, str):
        return f"<{name}>{value}</{name}>"
    quoted = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{quoted}]]></{name}>"
