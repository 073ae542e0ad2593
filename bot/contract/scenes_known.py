"""The scene that holds what the client knows of a release against what the release shows."""

from collections.abc import Mapping

from bot.contract.scenes_answers import bash
from bot.contract.stage import NotHeld, Scene, Stage, must, until
from bot.opencode.capabilities import Capabilities
from bot.opencode.client import OpenCode
from bot.opencode.events import PartDelta
from bot.opencode.ids import MessageIds
from bot.opencode.model import TextPart
from bot.sandbox.script import hang, hold, say

TWO_BEATS_S = 24.0  # of a server that beats every ten; some do every thirty


async def compared(stage: Stage) -> None:
    """Look at each capability, and compare."""
    seen = {
        "deltas": await _deltas(stage),
        "partial_text": await _partial_text(stage),
        "agent_errors": await _agent_errors(stage),
        "session_home": await _session_home(stage),
        "metadata": await _metadata(stage),
        "database": stage.program.database.exists(),
        "skills": stage.room.server.capabilities.skills,
        "heartbeats": await _heartbeats(stage),
    }
    wrong = differences(stage.room.server.version, seen)
    must(not wrong, wrong)


def differences(version: str, seen: Mapping[str, bool]) -> str:
    """Say in what a release is another than the client knows; empty when in nothing."""
    known = Capabilities.of(version).facts()
    wrong = [f"{name} is {seen[name]}" for name, is_ in known.items() if seen[name] is not is_]
    return f"{', '.join(wrong)}, other than the client knows" if wrong else ""


async def _deltas(stage: Stage) -> bool:
    """Tell whether words come in events of their own."""
    words = f"{stage.word} deltas"
    stage.model.script(words, hold(words) + say("Some words in pieces."))
    talk = await stage.say(words)
    await stage.asked(words)
    with stage.feed.follow(talk.session) as following:
        stage.model.release(words)
        await talk.ends("answered")
        while (item := await following.next(0)) is not None:
            if isinstance(item, PartDelta):
                return True
    return False


async def _heartbeats(stage: Stage) -> bool:
    """Tell whether the stream beats every ten seconds."""
    before = stage.feed.beats
    try:
        await until(lambda: stage.feed.beats >= before + 2, "no two beats", TWO_BEATS_S)
    except NotHeld:
        return False
    return True


async def _partial_text(stage: Stage) -> bool:
    """Tell whether the server keeps what was written when the turn was stopped."""
    words = f"{stage.word} partial"
    stage.model.script(words, hang("mid", "As far as this"))
    talk = await stage.say(words)
    await talk.shows("As far as this")
    await talk.stop()
    await talk.ends("stop")
    _, *answers = await talk.messages()
    parts = [part for message in answers for part in message.parts]
    return any(isinstance(part, TextPart) and part.text for part in parts)


async def _agent_errors(stage: Stage) -> bool:
    """Tell whether an event says that there is no such agent."""
    talk = await stage.say(f"{stage.word} agent", wish={"agent": "nobody"})
    await talk.ends("failed")
    return talk.summary.error is not None


async def _session_home(stage: Stage) -> bool:
    """Tell whether a prompt that does not say where runs where its session was opened."""
    words, address = f"{stage.word} home", stage.program.address
    folder = await stage.room.workspaces.folder(stage.chat().key)
    stage.model.script(words, bash("pwd"), say("Here."))
    opened = await stage.room.client.create_session(folder, title=words, metadata={})
    async with OpenCode(address.url, address.username, address.password) as stranger:
        await stranger.prompt(
            opened.id,
            message=MessageIds().next(),
            parts=[{"type": "text", "text": words}],
            agent="build",
            model="demo/demo",
        )
        await stage.asked(words, 2)
        told = stage.model.asked(words)[-1]
    return any(str(folder) in one for one in told.results)


async def _metadata(stage: Stage) -> bool:
    """Tell whether a session keeps whose it is."""
    folder = await stage.room.workspaces.folder(stage.chat().key)
    marks = {"service": "contract", "epoch": 3}
    client = stage.room.client
    opened = await client.create_session(folder, title="marked", metadata=marks)
    return dict((await client.session(opened.id)).metadata) == marks


SCENES = (
    Scene("capabilities", "What the client knows of the release is what it shows.", compared),
)
