"""What is recorded: scripts for the model, and what a person does meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.sandbox.model import ScriptedModel
from bot.sandbox.script import Step, cut, empty, hold, http_error, say, think, tokens, tool
from tests.opencode_talk import until
from tests.record.stage import Stage

ASK_BASH = ({"permission": "bash", "pattern": "*", "action": "ask"},)
LS = tool("bash", {"command": "ls -a", "description": "List the folder"})
AT_ONCE = {"retry-after": "0"}
TASK = {"description": "look around", "prompt": "inner job", "subagent_type": "general"}
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}
ASK = tool("question", {"questions": [QUESTION]})


@dataclass(frozen=True)
class Scenario:
    """One recording: the model's steps by the words of the prompt that they answer."""

    name: str
    steps: dict[str, tuple[Step, ...]]
    play: Callable[[Stage], Awaitable[None]]
    model: str = "demo/demo"
    permission: tuple[dict[str, str], ...] = ()

    def script(self, model: ScriptedModel) -> None:
        """Tell the model what to do, and nothing else."""
        model.reset()
        for words, steps in self.steps.items():
            model.script(words, *steps)


async def ask(stage):
    """Ask, and let it come to its end."""
    await stage.prompt()
    await stage.over()


async def allow(stage):
    await stage.prompt()
    request = await stage.permission()
    await stage.talk.client.reply_permission(stage.talk.directory, request.id, "once")
    await stage.over()


async def deny(stage, why="Not in this folder, please."):
    await stage.prompt()
    request = await stage.permission()
    await stage.talk.client.reply_permission(stage.talk.directory, request.id, "reject", why)
    await stage.over()


async def deny_without_a_word(stage):
    await deny(stage, None)


async def answer(stage):
    await stage.prompt()
    request = await stage.question()
    await stage.talk.client.reply_question(stage.talk.directory, request.id, [["Blue"]])
    await stage.over()


async def dismiss(stage):
    await stage.prompt()
    request = await stage.question()
    await stage.talk.client.reject_question(stage.talk.directory, request.id)
    await stage.over()


async def stop_the_words(stage):
    await stage.prompt()
    await stage.until_heard(b'"delta":')
    await stage.talk.client.abort(stage.session.id)
    await stage.over()


async def stop_the_command(stage):
    await stage.prompt()
    await stage.until_heard(b'"output":"begun\\n"')
    await stage.talk.client.abort(stage.session.id)
    await stage.over()


async def ask_twice(stage):
    """Ask again while the first answer is held up before its tool."""
    await stage.prompt("first")
    await stage.until_heard(b'"delta":')
    await stage.prompt("second")
    await stage.until_heard(stage.prompts[1].encode())
    stage.model.release()
    await stage.over()


async def lose_the_model(stage):
    """Break the model's connection once its words have come through."""
    await stage.prompt()
    await stage.until_heard(b'"delta":"in wi"')
    stage.model.release()
    await stage.over()


async def kill(stage):
    """Kill the server in the middle of a text, and start it again with its data."""
    await stage.prompt()
    await stage.until_heard(b"Then I")
    await stage.opencode.kill()
    await until(lambda: stage.opencode.server.managed.state != "ready")
    await stage.opencode.ready()


async def ask_an_unknown_agent(stage):
    await stage.prompt(agent="nobody")
    await stage.until_heard(b'"session.error"')
    await stage.rested()


HELLO = think("They greet me. I greet back.") + say("Hello! 你好，长城 🙂.\n\n- one\n- two\n")
WRITE = tool("write", {"filePath": "notes.md", "content": "# Notes\n\n- one\n"})
SLEEP = {"command": "echo begun; sleep 60", "description": "Take a while"}
LONG = say("I look first.") + LS + tokens(100_000)
GO_ON = "Continue if you have next steps"

SCENARIOS = (
    Scenario("plain", {"go": (HELLO,)}, ask),
    Scenario("text-tool-text", {"go": (say("I look.\n") + LS, say("An empty folder."))}, ask),
    Scenario("tools-only", {"go": (WRITE, LS, empty())}, ask),
    Scenario(
        "sub-agent",
        {
            "go": (tool("task", TASK), say("The sub-agent looked.")),
            "inner job": (LS, say("Inner words.")),
        },
        ask,
    ),
    Scenario("permission-allowed", {"go": (LS, say("I did."))}, allow, permission=ASK_BASH),
    Scenario("permission-denied", {"go": (LS, say("I see."))}, deny, permission=ASK_BASH),
    Scenario(
        "permission-denied-silently",
        {"go": (say("May I?") + LS, say("Never said."))},
        deny_without_a_word,
        permission=ASK_BASH,
    ),
    Scenario("question-answered", {"go": (ASK, say("Blue, then."))}, answer),
    Scenario("question-dismissed", {"go": (ASK, say("Never said."))}, dismiss),
    Scenario("aborted-text", {"go": (say("As far as this") + hold() + say("!"),)}, stop_the_words),
    Scenario("aborted-command", {"go": (tool("bash", SLEEP), say("Never."))}, stop_the_command),
    Scenario("rate-limited", {"go": (http_error(429, AT_ONCE), say("Now."))}, ask),
    Scenario("refused-by-provider", {"go": (http_error(400, message="no such thing"),)}, ask),
    Scenario("provider-down", {"go": (http_error(500, AT_ONCE),)}, ask),
    Scenario(
        "cut-and-retried",
        {"go": (say("I begin wi", 2) + hold() + cut(""), say("I begin anew, and end."))},
        lose_the_model,
    ),
    Scenario(
        "compacted",
        {GO_ON: (say("The end of it."),), "go": (LONG, say("What was so far, summed up."))},
        ask,
        model="demo/tiny",
    ),
    Scenario(
        "merged",
        {
            "first": (say("One moment.") + hold() + LS, say("Never said.")),
            "second": (say("An answer to both."),),
        },
        ask_twice,
    ),
    Scenario("unknown-agent", {}, ask_an_unknown_agent),
    # The last one: it harms the server.
    Scenario("killed", {"go": (say("I look.") + LS, say("Then I say", 1) + hold())}, kill),
)
