"""/answer: answer a question of the agent."""

from bot.texts import about
from bot.texts import asks as texts
from commands.asked import code_of, role_of
from commands.registry import Invocation, command


@command("answer", alias=("回答",), topic=about.APPROVALS, about=about.ANSWER, followed="words")
async def answer(invocation: Invocation) -> str:
    """Hand the words behind the code to the turn that asked."""
    code, words = await code_of(invocation, about.ANSWER)
    ask = await invocation.services.asks.answer(
        invocation.chat.key, code, words, by=invocation.message.sender, role=role_of(invocation)
    )
    return texts.ANSWERED.say(invocation.language, code=ask.code, n=ask.turn)
