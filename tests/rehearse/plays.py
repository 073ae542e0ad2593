"""The rehearsals: each a story with real releases, chats that are mapped, and a turn that runs."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.texts import engine as texts
from bot.texts import sessions as session_texts
from tests.rehearse.theatre import theatre

PLAY_S = 900.0
PEOPLE = ("zhangsan", "lisi", "wangwu")


@dataclass(frozen=True)
class Scene:
    """One row of the table: what was done, what it came to, and how long it took."""

    path: str
    what: str
    result: str
    seconds: float


class Failed(AssertionError):
    """A rehearsal did not go as it must; what the command said goes along."""


def must(holds, words, ran=None):
    if not holds:
        raise Failed(words if ran is None else f"{words}\n{ran.text}")


@asynccontextmanager
async def playing(folder, releases, old, new, **environ):
    """Open the theatre with the old release at work and a session for each of three chats."""
    async with theatre(folder, releases, **environ) as stage:
        stage.choose(old)
        stage.borrow(new)
        await stage.victim.start()
        await stage.victim.ready()
        must((await stage.health())["opencode"]["version"] == old, f"{old} is not what runs")
        for person in PEOPLE:
            await stage.ask(person, f"{person} before")
        yield stage


async def upgraded(stage, new, *arguments):
    """Upgrade with a turn at work that ends in time and a message in between; return what it came to."""
    work = await stage.begin("zhangsan", "long work")
    process = await stage.started("upgrade", "--to", new, *arguments)
    await stage.until(stage.frozen)
    kept = await stage.standin.say("lisi", "please meanwhile!")
    must("#" in await kept.done() and "OpenCode" in kept.text, f"no receipt: {kept.text}")
    stage.script("meanwhile")
    stage.model.release("long work")
    ran = await stage.ended(process)
    must(ran.code == 0, "the upgrade failed", ran)
    await stage.answered("long work")
    await stage.answered("meanwhile")
    must("answer to long work." in work.text, f"the turn that ran was not answered: {work.text}")
    must((await stage.health())["opencode"]["version"] == new, "another version runs", ran)
    return ran


async def there_and_back(folder, releases, old, new, **environ):
    """Upgrade under work, say more, add a session, roll back under work that is interrupted."""
    async with playing(folder, releases, old, new, **environ) as stage:
        ran = await upgraded(stage, new)
        yield Scene(f"{old} → {new}", "upgrade, a turn running", "done, all answered", ran.seconds)
        for person in PEOPLE:
            await stage.ask(person, f"{person} after")
        yield Scene(f"{old} → {new}", "old sessions go on", "answered", 0)
        await stage.standin.say("wangwu", "/new")
        await stage.ask("wangwu", "wangwu in a new session")
        work = await stage.begin("zhangsan", "work that is cut")
        ran = await stage.command("rollback", "--yes", "--drain-for", "1")
        must(ran.code == 0, "the rollback failed", ran)
        must("sessions created since: 1 " in ran.text, "what is lost was not said", ran)
        must("would be interrupted" in ran.text, "the turn that ran was not named", ran)
        must((await stage.health())["opencode"]["version"] == old, "another version runs", ran)
        yield Scene(f"{new} → {old}", "rollback, a turn cut off", "done, losses told", ran.seconds)
        cut = texts.ENDS["upgrade"].en.partition(".")[0]
        must(cut in await work.done(), f"the cut turn was not told: {work.text}")
        await stage.ask("lisi", "lisi at home again")
        lost = await stage.ask("wangwu", "wangwu without a session")
        noted = session_texts.LOST_RECAPPED.en.partition("{")[0]
        must(noted in everything(stage, lost), "the lost session was not told")
        yield Scene(
            f"{new} → {old}", "old sessions go on, a lost one anew", "answered, recapped", 0
        )
        await stage.standin.say("wangwu", "/new")
        await stage.ask("wangwu", "wangwu in one more session")
        yield Scene(f"{new} → {old}", "new sessions", "answered", 0)
        must(not stage.standin.violations, f"WeCom objects: {stage.standin.violations}")


def everything(stage, talk):
    """Return all that was ever shown in a bubble and behind it."""
    bubble = talk.bubble
    shown = [*(bubble.history if bubble else ()), talk.text, *(item.content for item in talk.late)]
    return "\n".join(shown)


async def service_killed(folder, releases, old, new, **environ):
    """Kill the service in the middle: the command goes on in its place, and keeps a new one out."""
    async with playing(folder, releases, old, new, **environ) as stage:
        process = await stage.started("upgrade", "--to", new)
        await stage.until(stage.frozen)
        kept = await stage.standin.say("lisi", "please kept!")
        await kept.done()
        await stage.victim.kill()
        await stage.until(stage.tried)
        await stage.victim.start()
        code = await stage.victim.process.wait()
        must(code == 1, f"the service started into an upgrade: {code}")
        ran = await stage.ended(process)
        must(ran.code == 0, "the upgrade failed", ran)
        stage.script("kept")
        await stage.victim.start()
        await stage.victim.ready()
        must((await stage.health())["opencode"]["version"] == new, "another version runs", ran)
        await stage.answered("kept")
        for person in PEOPLE:
            await stage.ask(person, f"{person} after")
        yield Scene(
            f"{old} → {new}", "upgrade, the service killed", "done, all answered", ran.seconds
        )


async def refused(folder, releases, old, new, **environ):
    """Refuse to upgrade data that would be lost, and change nothing."""
    async with playing(folder, releases, old, new, **environ) as stage:
        ran = await stage.command("upgrade", "--to", new, "--yes")
        must(ran.code == 1, "it was not refused", ran)
        must("JSON files" in ran.text, "the reason was not said", ran)
        must((await stage.health())["opencode"]["version"] == old, "another version runs", ran)
        await stage.ask("lisi", "lisi all the same")
        yield Scene(f"{old} → {new}", "upgrade", "refused: sessions are JSON files", ran.seconds)


async def table(scenes):
    """Play, and return the rows."""
    async with asyncio.timeout(PLAY_S):
        return [scene async for scene in scenes]
