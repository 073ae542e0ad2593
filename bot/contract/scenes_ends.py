"""Scenes in which a turn ends before its time: by a wish, by an error, by a name that is not there."""

from bot.contract.room import ASKED_COMMAND
from bot.contract.scenes_answers import bash
from bot.contract.stage import Scene, Stage, Talk, must, until
from bot.sandbox.script import hang, http_error, say

BEGUN = "echo begun; sleep 300"
FAR = {"retry-after": "60"}
NEAR = {"retry-after": "1"}


async def _stopped(stage: Stage, talk: Talk) -> str:
    """Stop a turn; go on only if that is what became of it and the session is as good as new."""
    await talk.stop()
    record = await talk.ends("stop")
    must(record.state == "stopped", f"its state is {record.state}")
    await talk.rests()
    waiting = await talk.waiting()
    must(not waiting, f"{len(waiting)} requests are left behind")
    await stage.goes_on(talk)
    return record.answer


async def before_text(stage: Stage) -> None:
    """Stop while the model has not said a word."""
    stage.model.script(stage.word, hang("before"))
    talk = await stage.say(f"{stage.word} go")
    await stage.asked(stage.word)
    await _stopped(stage, talk)


async def within_text(stage: Stage) -> None:
    """Stop in the middle of a sentence; what was shown stays."""
    stage.model.script(stage.word, hang("mid", "As far as this"))
    talk = await stage.say(f"{stage.word} go")
    await talk.shows("As far as this")
    answer = await _stopped(stage, talk)
    must(answer == "As far as this", f"{answer!r} is left of the words")


async def during_tool(stage: Stage) -> None:
    """Stop while a command runs."""
    stage.model.script(stage.word, say("I wait.") + bash(BEGUN), say("Never."))
    talk = await stage.say(f"{stage.word} go")
    await until(lambda: talk.summary.command, "no command was seen to run")
    answer = await _stopped(stage, talk)
    must(answer == "I wait.", f"{answer!r} is left of the words")


async def during_permission(stage: Stage) -> None:
    """Stop while a permission is waited for."""
    stage.model.script(stage.word, bash(f"{ASKED_COMMAND} stop"), say("Never."))
    talk = await stage.say(f"{stage.word} go")
    await talk.asked()
    await _stopped(stage, talk)


async def during_retry(stage: Stage) -> None:
    """Stop while the server waits to try the model again."""
    stage.model.script(stage.word, http_error(429, FAR))
    talk = await stage.say(f"{stage.word} go")
    await until(lambda: talk.summary.retry, "the server did not say that it tries again")
    await _stopped(stage, talk)


async def retried(stage: Stage) -> None:
    """Have a provider that is too busy for a moment."""
    stage.model.script(stage.word, http_error(429, NEAR), say("Here I am."))
    talk = await stage.say(f"{stage.word} go")
    await until(lambda: talk.summary.retry or talk.over, "no word of the wait")
    must(talk.summary.retry, "the server did not say that it tries again")
    await talk.answers("Here I am.")


async def provider_error(stage: Stage) -> None:
    """Have a provider that refuses; the next prompt must not be swallowed."""
    stage.model.script(stage.word, http_error(401, message="no such key"))
    talk = await stage.say(f"{stage.word} go")
    record = await talk.ends("failed")
    must("no such key" in record.reason, f"the reason came as {record.reason[:200]!r}")
    await stage.goes_on(talk)


async def unknown_agent(stage: Stage) -> None:
    """Ask an agent that is not there (any more)."""
    talk = await stage.say(f"{stage.word} go", wish={"agent": "nobody"})
    await talk.ends("failed")
    await stage.goes_on(talk)


async def unknown_model(stage: Stage) -> None:
    """Ask a model that is not there (any more)."""
    talk = await stage.say(f"{stage.word} go", wish={"model": "demo/nothing"})
    await talk.ends("failed")
    await stage.goes_on(talk)


SCENES = (
    Scene("stop-before-text", "A turn is stopped before its first word.", before_text),
    Scene(
        "stop-mid-text",
        "A turn is stopped mid-sentence, and what was shown stays.",
        within_text,
        short=True,
    ),
    Scene("stop-during-tool", "A turn is stopped while a command runs.", during_tool),
    Scene(
        "stop-during-permission",
        "A turn is stopped while it asks, and leaves no ghost.",
        during_permission,
    ),
    Scene("stop-during-retry", "A turn is stopped while the provider is waited for.", during_retry),
    Scene("retry", "A busy provider is tried again, and we are told of the wait.", retried),
    Scene("provider-error", "A provider's refusal ends the turn with its words.", provider_error),
    Scene("unknown-agent", "A prompt for an unknown agent fails and harms nothing.", unknown_agent),
    Scene("unknown-model", "A prompt for an unknown model fails and harms nothing.", unknown_model),
)
