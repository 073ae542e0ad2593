"""Scenes in which OpenCode waits for a person."""

from bot.contract.room import ASKED_COMMAND, SENDER
from bot.contract.scenes_answers import bash, task
from bot.contract.stage import Scene, Stage, must, read_until
from bot.opencode.client import Reply
from bot.sandbox.script import say, tool
from store.records import AskRecord

QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}
ASK = tool("question", {"questions": [QUESTION]})
OUTSIDE = "cat /etc/hostname"


def asking(word: str = "") -> str:
    """Return a command that the session's rules have the server ask about."""
    return f"{ASKED_COMMAND} {word}".strip()


async def allowed(stage: Stage) -> None:
    """Allow once what the session's own rules ask for; its second use is asked anew."""
    stage.model.script(stage.word, bash(asking("once")), bash(asking("again")), say("Done."))
    talk = await stage.say(f"{stage.word} go")
    first = await talk.asked()
    await stage.room.asks.allow(talk.chat.key, first.code, by=SENDER, role="admin")
    await read_until(
        lambda: _another(stage, talk.chat.key, first.id), "the second use was not asked"
    )
    await talk.allow()
    await talk.answers("Done.")
    must(talk.summary.finished_tools == 2, "not both commands ran")  # noqa: PLR2004 - two
    must(not await talk.waiting(), "the server still lists what was decided")


async def _another(stage: Stage, chat: str, known: str) -> bool:
    return any(ask.id != known for ask in await stage.room.asks.open(chat))


async def always(stage: Stage) -> None:
    """Allow for good, as another client of the server does."""
    stage.model.script(stage.word, bash(asking("one")), bash(asking("one")), say("Done."))
    talk = await stage.say(f"{stage.word} go")
    await _reply(stage, await talk.asked(), "always")
    await talk.answers("Done.")
    must(
        not await stage.room.asks.open(talk.chat.key),
        "what was decided elsewhere still waits with us",
    )
    must(talk.summary.finished_tools == 2, "not both commands ran")  # noqa: PLR2004 - two


async def _reply(stage: Stage, ask: AskRecord, reply: Reply) -> None:
    """Decide what is asked as another client of the server does: past our own store."""
    await stage.room.client.reply_permission(ask.directory, ask.id, reply)


async def denied(stage: Stage) -> None:
    """Refuse with a reason."""
    stage.model.script(stage.word, bash(asking("no")), say("I see."))
    talk = await stage.say(f"{stage.word} go")
    ask = await talk.asked()
    await stage.room.asks.deny(talk.chat.key, ask.code, "not today", by=SENDER, role="admin")
    await talk.answers("I see.")
    told = stage.model.asked(stage.word)[-1].results
    must(any("not today" in one for one in told), f"the model was told {told!r}")


async def denied_silently(stage: Stage) -> None:
    """Refuse without a reason, as another client of the server does."""
    stage.model.script(stage.word, say("May I?") + bash(asking("no")), say("Never said."))
    talk = await stage.say(f"{stage.word} go")
    await _reply(stage, await talk.asked(), "reject")
    record = await talk.ends("rejected")
    must(record.answer == "May I?", f"the answer was {record.answer!r}")
    await stage.goes_on(talk)


async def asked_within(stage: Stage) -> None:
    """Allow what a sub-agent asks for."""
    stage.model.script(stage.word, task(f"inner {stage.word}"), say("Done."))
    stage.model.script(f"inner {stage.word}", bash(OUTSIDE), say("Read."))
    talk = await stage.say(f"{stage.word} delegate")
    ask = await talk.asked()
    must(ask.session != talk.session, "the request is said to be the turn's own")
    await talk.allow()
    await talk.answers("Done.")


async def answered(stage: Stage) -> None:
    """Answer a question by the number of an option."""
    stage.model.script(stage.word, ASK, say("Blue, then."))
    talk = await stage.say(f"{stage.word} go")
    ask = await talk.asked()
    must(ask.kind == "question", f"it came as a {ask.kind}")
    await stage.room.asks.answer(talk.chat.key, ask.code, "2", by=SENDER, role="admin")
    await talk.answers("Blue, then.")
    told = stage.model.asked(stage.word)[-1].results
    must(any("Blue" in one for one in told), f"the model was told {told!r}")


async def dismissed(stage: Stage) -> None:
    """Dismiss a question, as another client of the server does."""
    stage.model.script(stage.word, say("Tell me.") + ASK, say("Never said."))
    talk = await stage.say(f"{stage.word} go")
    ask = await talk.asked()
    await stage.room.client.reject_question(ask.directory, ask.id)
    await talk.ends("rejected")
    await stage.goes_on(talk)


SCENES = (
    Scene(
        "permission-once", "A session's own rules make it ask, each time anew.", allowed, short=True
    ),
    Scene("permission-always", "What is allowed for good elsewhere is not asked again.", always),
    Scene(
        "permission-denied", "A refusal's reason reaches the model, and the turn goes on.", denied
    ),
    Scene("permission-rejected", "A refusal without a reason ends the turn.", denied_silently),
    Scene(
        "permission-of-sub-agent",
        "What a sub-agent asks is asked in the turn's chat.",
        asked_within,
    ),
    Scene("question-answered", "A question is answered by a label.", answered),
    Scene("question-dismissed", "A dismissed question ends the turn.", dismissed),
)
