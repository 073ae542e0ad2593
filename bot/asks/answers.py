"""What people type as an answer, turned into what OpenCode takes: labels or own words."""

import re
import unicodedata

from bot.errors import UserError
from bot.opencode.model import Question, QuestionRequest
from bot.texts import asks as texts

_BETWEEN = re.compile(r"\s*[|｜\n]\s*")
_COMMAS = re.compile(r"\s*[,，、;；]\s*|\s+")
_LISTED = re.compile(r"\s*[,，、;；]\s*")


def answers(request: QuestionRequest, code: str, text: str) -> list[list[str]]:
    """Return the answer to each question. Raises UserError when it does not fit the questions."""
    questions = request.questions or (Question(""),)
    several = len(questions) > 1
    given = [one for one in _BETWEEN.split(text.strip()) if one] if several else [text.strip()]
    if not any(given):
        example = "1 | 2" if several else ("1" if questions[0].options else "…")
        raise UserError(texts.NO_ANSWER_GIVEN, code=code, example=example)
    if len(given) != len(questions):
        raise UserError(texts.WRONG_COUNT, code=code, wanted=len(questions), given=len(given))
    return [
        _chosen(question, place, one)
        for place, (question, one) in enumerate(zip(questions, given, strict=True), start=1)
    ]


def _chosen(question: Question, place: int, text: str) -> list[str]:
    if not question.options:
        return [text]
    if numbers := _numbers(text):
        return _by_number(question, place, numbers)
    labels = {_plain(option.label): option.label for option in question.options}
    if label := labels.get(_plain(text)):
        return [label]
    listed = [_plain(one) for one in _LISTED.split(text)]
    if question.multiple and all(one in labels for one in listed):
        return [labels[one] for one in dict.fromkeys(listed)]
    if not question.custom:
        raise UserError(texts.ONLY_OPTIONS, question=place, last=len(question.options))
    return [text]


def _numbers(text: str) -> list[int]:
    """Return the numbers that a text consists of, none when it holds anything else."""
    pieces = _COMMAS.split(unicodedata.normalize("NFKC", text).strip())
    return [int(one) for one in pieces] if all(_short_number(one) for one in pieces) else []


def _short_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 2  # noqa: PLR2004 - 99 options


def _by_number(question: Question, place: int, numbers: list[int]) -> list[str]:
    last = len(question.options)
    for number in numbers:
        if not 1 <= number <= last:
            raise UserError(texts.NO_SUCH_OPTION, question=place, given=number, last=last)
    chosen = [question.options[number - 1].label for number in dict.fromkeys(numbers)]
    if len(chosen) > 1 and not question.multiple:
        raise UserError(texts.ONLY_ONE_OPTION, question=place)
    return chosen


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()
