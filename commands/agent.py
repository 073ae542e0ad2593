"""/agent: which agent this chat uses."""

from dataclasses import replace

from bot.choices import unknown_agent
from bot.texts import about
from bot.texts import settling as texts
from commands.registry import Invocation, command

DEFAULT = ("default", "默认")


@command("agent", alias=("智能体",), topic=about.CHOOSING, about=about.AGENT)
async def agent(invocation: Invocation) -> str:
    """Show the agent in force and why, or choose another for this chat."""
    name = invocation.rest
    if not name:
        return await _show(invocation)
    if name.casefold() in DEFAULT:
        await invocation.services.store.chats.choose(invocation.chat.key, agent="")
        return texts.RESET.say(invocation.language)
    return await _choose(invocation, name)


async def _show(invocation: Invocation) -> str:
    choices, language = invocation.services.choices, invocation.language
    directory = await invocation.services.sessions.directory(invocation.chat)
    names = (await choices.offer(directory)).selectable()
    choice = await choices.resolve(invocation.chat, directory)
    lines = (
        texts.AGENT_NOW.say(language, agent=choice.agent, why=choice.agent_why.say(language)),
        texts.AGENTS.say(
            language, names="、".join(names) if language == "zh" else ", ".join(names)
        ),
        texts.PICK_AGENT.say(language),
    )
    return "\n".join(lines)


async def _choose(invocation: Invocation, name: str) -> str:
    """Keep the choice only once the server has said that there is such an agent."""
    choices, language = invocation.services.choices, invocation.language
    directory = await invocation.services.sessions.directory(invocation.chat)
    names = (await choices.offer(directory)).selectable()
    if name not in names:
        raise unknown_agent(name, texts.ASKED_FOR, names)
    choice = await choices.resolve(replace(invocation.chat, agent=name), directory)
    await invocation.services.store.chats.choose(invocation.chat.key, agent=name)
    lines = (
        texts.CHOSEN.say(language),
        texts.AGENT_NOW.say(language, agent=choice.agent, why=choice.agent_why.say(language)),
        texts.MODEL_NOW.say(language, model=choice.model, why=choice.model_why.say(language)),
    )
    return "\n".join(lines)
