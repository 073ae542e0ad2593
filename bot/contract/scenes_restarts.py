"""Scenes with a server that dies, a service that starts anew, and a stream that says nothing."""

from bot.contract.room import opened
from bot.contract.scenes_answers import bash
from bot.contract.scenes_asks import asking
from bot.contract.stage import Scene, Stage, must
from bot.sandbox.script import hold, say


async def restart(stage: Stage) -> None:
    """Kill the server in the middle of a sentence, and start it on the same data."""
    first, second, third = (f"{stage.word} {which}" for which in ("first", "second", "third"))
    stage.model.script(first, say("Kept for good."))
    stage.model.script(second, say("Half a sen") + hold(stage.word))
    stage.model.script(third, say("Back again."))
    one = await stage.say(first)
    await one.answers("Kept for good.")
    two = await stage.say(second, one.chat)
    await two.shows("Half a sen")
    await stage.program.kill()
    await stage.program.start()
    record = await two.ends("interrupted")
    must(record.answer == "Half a sen", f"{record.answer!r} is left of what was shown")
    three = await stage.say(third, one.chat)
    await three.answers("Back again.")
    must(three.session == one.session, "the next message came into another session")
    told = str(stage.model.asked(third)[-1].messages)
    must("Kept for good." in told, "the model was not told of what was before")


async def mapping(stage: Stage) -> None:
    """Start server and service anew: a chat is where it was."""
    first, second = f"{stage.word} first", f"{stage.word} second"
    stage.model.script(first, say("Remember me."))
    stage.model.script(second, say("I do."))
    folder, chat = stage.folder / stage.word, stage.chat()
    async with opened(folder, stage.program.address) as room:
        before = await stage.say(first, chat, room=room)
        await before.answers("Remember me.")
    await stage.program.kill()
    await stage.program.start()
    async with opened(folder, stage.program.address) as room:
        after = await stage.say(second, chat, room=room)
        await after.answers("I do.")
        must(after.session == before.session, "the chat was given another session")
        told = str(stage.model.asked(second)[-1].messages)
        must("Remember me." in told, "the model was not told of what was before")


async def disposal(stage: Stage) -> None:
    """Have the server put all of its state away in the middle of a sentence."""
    stage.model.script(stage.word, say("Half a sen") + hold(stage.word))
    talk = await stage.say(f"{stage.word} go")
    await talk.shows("Half a sen")
    await stage.room.client.dispose()
    record = await talk.ends("aborted")
    must(record.answer == "Half a sen", f"{record.answer!r} is left of what was shown")
    await stage.goes_on(talk)


async def polling(stage: Stage) -> None:
    """Follow without a single event: the same words, the same asks, the same ends."""
    asks, fails = f"{stage.word} asks", f"{stage.word} stops"
    steps = (say("I ask.") + bash(asking("poll")), say("Done."))
    stage.model.script(asks, *steps)
    stage.model.script(fails, say("Half") + hold(stage.word))
    folder = stage.folder / stage.word
    async with opened(folder, stage.program.address, follow="poll") as room:
        talk = await stage.say(asks, room=room)
        await talk.allow()
        await talk.answers("I ask.\n\nDone.")
        must(talk.summary.finished_tools == 1, "the command was not counted")
        other = await stage.say(fails, room=room)
        await stage.asked(fails)
        await other.stop()
        await other.ends("stop")


SCENES = (
    Scene("disposal", "A server that puts its state away ends its turns.", disposal, alone=True),
    Scene("polling", "A turn is followed without events to the same end.", polling, short=True),
    Scene(
        "restart",
        "A killed server has its history, and the turn is seen as interrupted.",
        restart,
        alone=True,
    ),
    Scene("mapping", "After a restart of both a chat is in its session.", mapping, alone=True),
)
