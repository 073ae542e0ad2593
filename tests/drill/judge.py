"""Judges a history by the invariants: what is lost, what came twice, what never ended.

I1 nothing acknowledged is lost · I2 one prompt a message · I3 one final · I4 order · I5 never
silent · I7 no secrets.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

LOST, TWICE_ASKED, TWICE_SHOWN, STUCK = "lost", "duplicate prompt", "duplicate final", "stuck"
SAID_CHARS = 80
TAIL = 10  # pieces that may be seen to go: what is written between two flushes, and some
PIECE = re.compile(r"\bp(\d+)\b")
UNANSWERED = "event_unanswered"  # a card was pressed while nobody was there
MAY_BE_USED = "late_used"  # who died before it read the answer may try the address once more


@dataclass(frozen=True)
class Fault:
    """One broken promise."""

    kind: str
    detail: str

    def __str__(self):
        return f"{self.kind}: {self.detail}"


def judge(history):
    """Return every fault, in the order of the promises."""
    return [
        *_of_messages(history),
        *_of_prompts(history),
        *_of_refusals(history),
        *_of_the_end(history),
    ]


def _of_messages(history):
    for message in history.messages:
        if not message.acknowledged:
            yield from _of_unheard(message, history)
            continue
        if not message.finals and not message.asked:
            stuck = message.msgid in history.open_turns
            shows = (message.last or "")[:SAID_CHARS]
            kind = STUCK if stuck else LOST
            yield Fault(kind, f"{message.word} has no answer, its bubble says {shows!r}")
        if len(message.finals) > 1:
            yield Fault(TWICE_SHOWN, f"{message.word} was answered {len(message.finals)} times")
        if message.prompts != 1:
            kind = TWICE_ASKED if message.prompts else "never run"
            yield Fault(kind, f"{message.word} became {message.prompts} prompts")
        if "timeout" in message.attempts:
            yield Fault("silent", f"{message.word} was left without any answer for 5 s")
        yield from _of_bubble(message)


def _of_unheard(message, history):
    """A message that no channel acknowledged; where nobody repeats it, people write another one."""
    if not message.rewritten:
        yield Fault(STUCK, f"{message.word} was never taken in")
    elif message.msgid in history.open_turns:
        yield Fault(STUCK, f"{message.word} waits, and nobody was told")
    elif message.msgid in history.kept and not message.finals:
        yield Fault(LOST, f"{message.word} was kept, and nobody was told")
    if message.rewritten and message.prompts > 1:
        yield Fault(TWICE_ASKED, f"{message.word} became {message.prompts} prompts")
    if message.rewritten and len(message.finals) > 1:
        yield Fault(TWICE_SHOWN, f"{message.word} was answered {len(message.finals)} times")


def _of_bubble(message):
    if message.last is None:
        yield Fault(STUCK, f"the bubble of {message.word} stays open")
        return
    if not message.last.strip():
        yield Fault("blank final", f"the bubble of {message.word} ended with nothing")
    for later in message.later:
        if not later.strip():
            yield Fault("blank final", f"{message.word} became blank")
        elif later != message.last and message.last in message.finals:
            yield Fault("changed final", f"{message.word}: {message.last!r} became {later!r}")
    if len(set(message.streams)) > 1:
        yield Fault("second stream", f"copies of {message.word} got {len(set(message.streams))}")
    yield from _shortened(message)


def _shortened(message):
    reached = 0
    for text in message.shown:
        now = max(map(int, PIECE.findall(text)), default=0)
        if now < reached - TAIL:
            yield Fault("shortened", f"{message.word} showed {reached} pieces, then {now}")
        reached = max(reached, now)


def _of_prompts(history):
    rank = {message.word: n for n, message in enumerate(history.messages)}
    lanes = defaultdict(list)
    for prompt in history.prompts:
        if prompt.while_busy:
            yield Fault("two at once", f"{prompt.word} came while its session was at work")
        lanes[prompt.directory].append(prompt)
    for prompts in lanes.values():
        order = [rank[prompt.word] for prompt in prompts if prompt.word in rank]
        if order != sorted(order):
            yield Fault("out of order", " ".join(prompt.word for prompt in prompts))
    for directory, count in history.sessions.items():
        if count > 1:
            yield Fault("second session", f"{directory} has {count}")


def _of_refusals(history):
    used = Counter(one.msgid for one in history.refusals if one.code == MAY_BE_USED)
    for one in history.refusals:
        if one.code == MAY_BE_USED and history.crashed and used[one.msgid] == 1:
            continue
        if one.code == UNANSWERED and history.crashed:
            continue
        yield Fault("refused by WeCom", f"{one.code} {one.detail}")


def _of_the_end(history):
    known = {message.msgid for message in history.messages}
    for msgid in history.open_turns:
        if msgid not in known:
            yield Fault(STUCK, f"a turn of nobody's message {msgid}")
    if history.whole_files != history.files:
        yield Fault("files", f"{history.whole_files} whole ones of {history.files} were prompted")
    if history.integrity != "ok":
        yield Fault("damaged", history.integrity)
    for leak in history.leaks:
        yield Fault("secret in the log", leak)
    if history.exit_code != 0:
        yield Fault("bad end", f"exit code {history.exit_code} after SIGTERM")
