"""/model: which model this chat uses, and why."""

from dataclasses import replace

from bot.choices import Offer, unknown_model
from bot.texts import about
from bot.texts import settling as texts
from commands.agent import DEFAULT
from commands.registry import Invocation, command

SHOWN = 12


@command("model", alias=("模型",), topic=about.CHOOSING, about=about.MODEL)
async def model(invocation: Invocation) -> str:
    """Show the model in force and why, or choose another for this chat."""
    name = invocation.rest
    if not name:
        return await _show(invocation)
    if name.casefold() in DEFAULT:
        await invocation.services.store.chats.choose(invocation.chat.key, model="")
        return texts.RESET.say(invocation.language)
    return await _choose(invocation, name)


async def _show(invocation: Invocation) -> str:
    choices, language = invocation.services.choices, invocation.language
    directory = await invocation.services.sessions.directory(invocation.chat)
    offer = await choices.offer(directory)
    choice = await choices.resolve(invocation.chat, directory)
    now = texts.MODEL_NOW.say(language, model=choice.model, why=choice.model_why.say(language))
    return "\n".join((now, *_listed(invocation, offer), "", texts.PICK_MODEL.say(language)))


def _listed(invocation: Invocation, offer: Offer) -> list[str]:
    language = invocation.language
    names = "\n".join(f"- {name}" for name in offer.models[:SHOWN])
    lines = [texts.MODELS.say(language, names=names)]
    if len(offer.models) > SHOWN:
        lines.append(texts.MODELS_MORE.say(language, count=len(offer.models) - SHOWN))
    return lines


async def _choose(invocation: Invocation, name: str) -> str:
    """Keep the choice only once the server has said that there is such a model."""
    choices, language = invocation.services.choices, invocation.language
    directory = await invocation.services.sessions.directory(invocation.chat)
    offer = await choices.offer(directory)
    if name not in offer.models:
        raise unknown_model(name, texts.ASKED_FOR, offer.models)
    choice = await choices.resolve(replace(invocation.chat, model=name), directory)
    await invocation.services.store.chats.choose(invocation.chat.key, model=name)
    now = texts.MODEL_NOW.say(language, model=choice.model, why=choice.model_why.say(language))
    return "\n".join((texts.CHOSEN.say(language), now))
