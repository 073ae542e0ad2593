"""Requests as the store keeps them, and as rendering wants them."""

from collections.abc import Iterable

import orjson

from bot.opencode.model import PermissionRequest, Question, QuestionRequest
from bot.render import Pending
from store.records import AskRecord

Request = PermissionRequest | QuestionRequest


def dump(request: Request) -> str:
    """Return a request as the JSON in which OpenCode gave it."""
    json: dict[str, object] = {"id": request.id, "sessionID": request.session}
    if isinstance(request, QuestionRequest):
        json["questions"] = [_question(question) for question in request.questions]
    else:
        json["permission"] = request.permission
        json["patterns"] = request.patterns
        json["always"] = request.always
        json["metadata"] = request.metadata
        json["tool"] = {"messageID": request.message, "callID": request.call}
    return orjson.dumps(json).decode()


def _question(question: Question) -> dict[str, object]:
    return {
        "question": question.question,
        "header": question.header,
        "options": [{"label": o.label, "description": o.description} for o in question.options],
        "multiple": question.multiple,
        "custom": question.custom,
    }


def load(record: AskRecord) -> Request:
    """Return the request of a record."""
    json = orjson.loads(record.body)
    if record.kind == "question":
        return QuestionRequest.parse(json)
    return PermissionRequest.parse(json)


def same(one: Request, other: Request) -> bool:
    """Tell whether two requests ask for the same, so that one decision serves both."""
    if isinstance(one, QuestionRequest) or isinstance(other, QuestionRequest):
        return False
    return _subject(one) == _subject(other)


def covers(allowed: Request, request: Request) -> bool:
    """Tell whether what was allowed for good, for a turn, is all that another request is about."""
    if isinstance(allowed, QuestionRequest) or isinstance(request, QuestionRequest):
        return False
    like = request.permission == allowed.permission and bool(request.always)
    return like and set(request.always) <= set(allowed.always)


def _subject(request: PermissionRequest) -> tuple[object, ...]:
    command = request.metadata.get("command")
    return (request.session, request.permission, request.patterns, command)


def pending_of(record: AskRecord, session: str = "", *, count: int = 1) -> Pending:
    """Return a record as rendering wants it; ``session`` is the turn's own, where it is known."""
    return Pending(
        code=record.code,
        request=load(record),
        asked_at=record.asked_at,
        expires_at=record.expires_at,
        count=count,
        of_child=bool(session) and record.session != session,
    )


def pendings(records: Iterable[AskRecord], session: str = "") -> list[Pending]:
    """Return the records as rendering wants them, those of one code as one with a count."""
    by_code: dict[str, list[AskRecord]] = {}
    for record in records:
        by_code.setdefault(record.code, []).append(record)
    return [pending_of(equal[0], session, count=len(equal)) for equal in by_code.values()]
