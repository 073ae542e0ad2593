"""A request of OpenCode as a card, while it waits and once it is over."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bot.cards import Button, ButtonCard, Card, Choice, Fact, NoticeCard, VoteCard
from bot.opencode.model import PermissionRequest, QuestionRequest
from bot.render.asks import kind_of, like, subject
from bot.render.frame import Pending
from bot.render.pieces import age, one_line
from bot.texts import Language
from bot.texts import asks as ask_texts
from bot.texts import cards as texts

ALLOW, ALWAYS, DENY, ANSWER, SPENT = "allow", "always", "deny", "answer", "done"
CHOICES = 20  # a question with more is asked in words
TEXT_CHARS = 200  # of a label or question, before a platform cuts it further
ENDS = {"expired": texts.EXPIRED, "gone": texts.GONE}
DECISIONS = {
    "allow": texts.ALLOWED,
    "always": texts.ALLOWED_FOR_TASK,
    "deny": texts.DENIED,
    "answer": texts.ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card stands: its own name, the turn's number and page, the turn's language."""

    task: str
    n: int
    language: Language
    link: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended: ``state`` as the store has it, and who decided what."""

    state: str
    decision: str = ""
    by: str = ""


def ask_card(pending: Pending, place: Place, *, note: str = "") -> Card | None:
    """Return the card of a request that waits; None for one that a card cannot ask."""
    if isinstance(pending.request, PermissionRequest):
        return _approval(pending, pending.request, place, note)
    return _vote(pending, pending.request, place, note)


def over_card(
    pending: Pending, place: Place, outcome: Outcome, ticked: Collection[str] = ()
) -> Card:
    """Return what stands in a card's place once its request is over."""
    request, language = pending.request, place.language
    title = _end(outcome, pending.code, language)
    by = texts.DECIDED_BY.say(language, by=outcome.by) if outcome.by else ""
    if isinstance(request, QuestionRequest):
        card = _vote(pending, request, place, f"{title} · {outcome.by}" if by else title)
        return _closed(card, ticked, language) if card else _spent(place, title, by, "")
    return _spent(place, title, by, subject(request))


def working_card(pending: Pending, place: Place) -> Card:
    """Return what stands in a card's place while its decision is on its way."""
    title = texts.WORKING.say(place.language, code=pending.code)
    request = pending.request
    detail = subject(request) if isinstance(request, PermissionRequest) else ""
    return _spent(replace(place, link=""), title, "", detail)


def lost_card(task: str, language: Language) -> Card:
    """Return what stands in the place of a card whose request nobody knows any more."""
    return _spent(Place(task, 0, language), texts.LOST.say(language), "", "")


def _approval(pending: Pending, request: PermissionRequest, place: Place, note: str) -> ButtonCard:
    language, code = place.language, pending.code
    what = kind_of(pending, request, language)
    if pending.of_child:
        what += ask_texts.OF_CHILD.say(language)
    facts = [(texts.WHO, texts.WHO_MAY), (texts.IN_WORDS, texts.HOW_TO_DECIDE)]
    shown = [Fact(name.say(language), value.say(language, code=code)) for name, value in facts]
    buttons = [Button(texts.ALLOW.say(language), ALLOW, "main")]
    if kind := like(request):
        shown.append(Fact(texts.LIKE.say(language), kind))
        buttons.append(Button(texts.ALWAYS.say(language), ALWAYS))
    if (
        pending.expires_at is not None
    ):  # a card stands still: what is left would not be true for long
        limit = age(pending.expires_at - pending.asked_at)
        shown.append(Fact(texts.LIMIT.say(language), limit))
    return ButtonCard(
        task=place.task,
        title=texts.APPROVAL.say(language, code=code),
        about=texts.ASKED_FOR.say(language, n=place.n, what=what),
        detail=subject(request) or ask_texts.NO_DETAIL.say(language),
        facts=tuple(shown),
        buttons=(*buttons, Button(texts.DENY.say(language), DENY, "danger")),
        link=place.link,
        note=note,
    )


def _vote(pending: Pending, request: QuestionRequest, place: Place, note: str) -> VoteCard | None:
    """Return a question with its answers; several at once, or one without answers, are none."""
    question = request.questions[0] if len(request.questions) == 1 else None
    if question is None or not 0 < len(question.options) <= CHOICES:
        return None
    language = place.language
    how = texts.HOW_TO_ANSWER.say(language, n=place.n, code=pending.code)
    return VoteCard(
        task=place.task,
        title=f"❓ {one_line(question.question or question.header, TEXT_CHARS)}",
        about=note or how,
        choices=tuple(
            Choice(str(number), one_line(option.label, TEXT_CHARS) or str(number))
            for number, option in enumerate(question.options, start=1)
        ),
        multiple=question.multiple,
        submit=Button(texts.SUBMIT.say(language), ANSWER, "main"),
    )


def _closed(card: VoteCard, ticked: Collection[str], language: Language) -> VoteCard:
    choices = tuple(replace(one, ticked=one.id in ticked) for one in card.choices)
    submit = replace(card.submit, text=texts.DONE.say(language), key=SPENT)
    return replace(card, choices=choices, submit=submit, closed=True)


def _end(outcome: Outcome, code: str, language: Language) -> str:
    ended = ENDS.get(outcome.state)
    text = ended or DECISIONS.get(outcome.decision, texts.GONE)
    return text.say(language, code=code)


def _spent(place: Place, title: str, about: str, detail: str) -> Card:
    """Return a card on which nothing can be decided: a link, or else a button that does nothing."""
    goes_on = texts.GOES_ON.say(place.language, n=place.n) if about else ""
    about = " · ".join(filter(None, (about, goes_on)))
    if place.link:
        return NoticeCard(title, about, detail, (), place.link, task=place.task)
    done = Button(texts.DONE.say(place.language), SPENT)
    return ButtonCard(place.task, title, about, detail, (), (done,))
