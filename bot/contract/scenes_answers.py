"""Scenes in which all goes well: words, tools, files, sub-agents, commands, attachments, the line."""

import base64

from bot.contract.program import COMMAND
from bot.contract.stage import Scene, Stage, must
from bot.opencode.events import MessageUpdated, PartDelta, PartUpdated, SessionIdle, StatusChanged
from bot.sandbox.script import Request, Step, hold, say, think, tokens, tool

CALL = {"description": "for the contract"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def bash(command: str) -> Step:
    """Run a command."""
    return tool("bash", {"command": command, **CALL})


def task(prompt: str) -> Step:
    """Give work to a sub-agent."""
    return tool(
        "task", {"description": "look around", "prompt": prompt, "subagent_type": "general"}
    )


async def plain(stage: Stage) -> None:
    """Answer a question, shown while it is written."""
    stage.model.script(
        stage.word,
        think("Somebody greets me."),
        say("Hello! 你好，") + hold(stage.word) + say("世界 🙂."),
    )
    stage.model.script(stage.word, say("Hello! 你好，") + hold(stage.word) + say("世界 🙂."))
    talk = await stage.say(f"{stage.word} hello")
    await talk.shows("Hello!")
    stage.model.release(stage.word)
    record = await talk.answers("Hello! 你好，世界 🙂.")
    prompt, *answers = await talk.messages()
    must(prompt.id == record.prompt, f"the prompt is stored as {prompt.id}, not under our id")
    must(all(m.parent == record.prompt for m in answers), "the answer is not that to our prompt")
    must(talk.summary.tokens > 0, "no tokens were told")


async def tools(stage: Stage) -> None:
    """Speak, run a command, speak."""
    look = say("I look.") + bash("echo seen-$((40 + 2))")
    stage.model.script(stage.word, look, say("Done."))
    talk = await stage.say(f"{stage.word} look")
    await talk.answers("I look.\n\nDone.")
    told = stage.model.asked(stage.word)[-1].results
    must(any("seen-42" in one for one in told), f"the model was told {told!r} of the command")
    must(talk.summary.finished_tools == 1, f"{talk.summary.finished_tools} tools were counted")


async def files(stage: Stage) -> None:
    """Write one file with a tool and one with a command."""
    chat = stage.chat()
    folder = await stage.room.workspaces.folder(chat.key)
    write = tool("write", {"filePath": str(folder / "note.md"), "content": "# Note\n"})
    stage.model.script(stage.word, write, bash("echo data > other.txt"), say("Written."))
    talk = await stage.say(f"{stage.word} write", chat)
    await talk.answers("Written.")
    changed = {one.path: one.kind for one in await stage.room.files.changes(talk.n)}
    must(changed == {"note.md": "added", "other.txt": "added"}, f"{changed!r} was found changed")
    touched = [path for path in talk.summary.touched if path.endswith("note.md")]
    must(touched, f"the tools told of {talk.summary.touched!r}")


async def sub_agent(stage: Stage) -> None:
    """Have a sub-agent work, in a session of its own that is over before the turn is."""
    stage.model.script(stage.word, task("inner errand"), say("The sub-agent has looked."))
    stage.model.script("inner errand", bash("echo inside"), say("Inner words."))
    talk = await stage.say(f"{stage.word} delegate")
    await talk.answers("The sub-agent has looked.")
    states = [child.state for child in talk.summary.children]
    must(states == ["done"], f"the sub-agents were seen as {states!r}")
    must(talk.summary.children[0].tools, "the sub-agent's tools were not seen")


async def command(stage: Stage) -> None:
    """Run one of OpenCode's own commands."""
    stage.model.script("Greet by command: Zhang", say("Greetings."))
    talk = await stage.say(f"{COMMAND} Zhang", kind="command")
    await talk.answers("Greetings.")


async def unknown_command(stage: Stage) -> None:
    """Ask for a command that is not there (any more)."""
    talk = await stage.say("nosuch thing", kind="command")
    await talk.ends("failed")
    await stage.goes_on(talk)


async def attachments(stage: Stage) -> None:
    """Send a text and an image along with a prompt."""
    text = base64.b64encode(b"attached words\n").decode()
    given = {"type": "file", "mime": "text/plain", "filename": "a.txt"}
    image = {"type": "file", "mime": "image/png", "filename": "a.png"}
    stage.attach(
        stage.word,
        {**given, "url": f"data:text/plain;base64,{text}"},
        {**image, "url": f"data:image/png;base64,{PNG}"},
    )
    stage.model.script(lambda r: stage.word in str(r.messages), say("I have both."))
    talk = await stage.say(f"{stage.word} read these", wish={"model": "demo/eyes"})
    await talk.answers("I have both.")
    seen = [str(r.messages) for r in stage.model.requests if stage.word in str(r.messages)]
    must("attached words" in seen[-1], "the model did not get the text")
    must("image_url" in seen[-1], "the model did not get the image")
    await stage.goes_on(talk)


async def queue(stage: Stage) -> None:
    """Write a second message while the first is answered."""
    first, second = f"{stage.word} first", f"{stage.word} second"
    stage.model.script(first, say("One,") + hold(stage.word) + bash("true"), say("and its end."))
    stage.model.script(second, say("Two."))
    one = await stage.say(first)
    await one.shows("One,")
    two = await stage.write(second, one.chat)
    stage.model.release(stage.word)
    await one.answers("One,\n\nand its end.")
    await two.answers("Two.")
    must(one.session == two.session, "the second message came into another session")
    prompts = [m.id for m in await two.messages() if m.role == "user"]
    must(len(prompts) == 2, f"{len(prompts)} prompts are stored")  # noqa: PLR2004 - two messages


async def summed_up(stage: Stage) -> None:
    """Let a session grow too long in the middle of a turn."""
    summary = f"What {stage.word} was so far, summed up."
    long = say("I look first.") + bash("true") + tokens(100_000)

    def ours(request: Request) -> bool:
        return stage.word in str(request.messages)

    stage.model.script(stage.word, long)
    stage.model.script(lambda r: ours(r) and not r.tools, say(summary))
    stage.model.script(
        lambda r: ours(r) and bool(r.tools) and "summed up" in str(r.messages),
        say("The end of it."),
    )
    talk = await stage.say(f"{stage.word} go", wish={"model": "demo/tiny"})
    record = await talk.ends("answered")
    must("summed up" not in record.answer, "the server's summary was taken for the answer")
    must("The end of it." in record.answer, f"the answer was {record.answer!r}")


async def events(stage: Stage) -> None:
    """Listen to a turn: its message, its words, its rest."""
    must(stage.feed.connected, "the event stream does not greet")
    stage.model.script(stage.word, hold(stage.word) + say("Told by events."))
    talk = await stage.say(f"{stage.word} tell")
    await stage.asked(stage.word)
    heard: list[object] = []
    with stage.feed.follow(talk.session) as following:
        stage.model.release(stage.word)
        await talk.answers("Told by events.")
        while (item := await following.next(0)) is not None:
            heard.append(item)
    for kind in (MessageUpdated, PartUpdated, SessionIdle, StatusChanged):
        must(any(isinstance(one, kind) for one in heard), f"no {kind.__name__} was heard")
    pieces = sum(isinstance(one, PartDelta) or _has_piece(one) for one in heard)
    must(pieces > 1, f"the words came in {pieces} pieces")


def _has_piece(event: object) -> bool:
    return isinstance(event, PartUpdated) and bool(event.delta)


async def listed(stage: Stage) -> None:
    """Look for a session in the list of its folder."""
    folder = await stage.room.workspaces.folder(stage.chat().key)
    client = stage.room.client
    opened = await client.create_session(folder, title="修登录", metadata={})
    found = [one.title for one in await client.sessions(folder, 10) if one.id == opened.id]
    must(found == ["修登录"], f"the list has it as {found!r}")
    renamed = await client.rename(opened.id, "修好了")
    must(renamed.title == "修好了", f"its new title came back as {renamed.title!r}")


async def withdrawn(stage: Stage) -> None:
    """Take a prompt out of a session, as is done with one that was swallowed."""
    stage.model.script(stage.word, say("Taken back."))
    talk = await stage.say(f"{stage.word} go")
    record = await talk.answers("Taken back.")
    await stage.room.client.delete_message(talk.session, record.prompt)
    # In a repository it may come back for a moment's news of it, without its words.
    left = [part for one in await talk.messages() if one.id == record.prompt for part in one.parts]
    must(not left, "the words of a prompt that was taken out are still there")


SCENES = (
    Scene(
        "plain",
        "An answer is shown while it is written, and is stored under our id.",
        plain,
        short=True,
    ),
    Scene("tools", "Words before and behind a command are both answered.", tools, short=True),
    Scene("files", "Files that tools and commands wrote are found.", files),
    Scene("sub-agent", "A sub-agent is followed, and its end is not the turn's.", sub_agent),
    Scene("command", "OpenCode's own commands run as turns.", command),
    Scene(
        "unknown-command", "A command that is not there fails and harms nothing.", unknown_command
    ),
    Scene(
        "attachments", "A text and an image reach the model, and the session lives on.", attachments
    ),
    Scene("queue", "Two messages for one chat are answered one after the other.", queue),
    Scene(
        "summing-up",
        "A session that grew too long is summed up without a word of it in the answer.",
        summed_up,
    ),
    Scene("events", "The event stream tells of all that we count on.", events, short=True),
    Scene("withdrawal", "A prompt can be taken out of its session.", withdrawn),
    Scene("sessions", "A session is listed by its folder, with its title.", listed),
)
