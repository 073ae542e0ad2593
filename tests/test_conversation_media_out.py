"""Files that leave: pictures in a reply of the callback, what a turn puts into its outbox."""

import asyncio
import base64
import errno
import os
from pathlib import Path

import pytest

from bot.files import Files
from bot.opencode.workspace import folder_name
from config.settings import load_settings
from handlers.wecom.timing import Timing
from handlers.wecom.way_out import WayOut
from tests import service_fixtures
from tests.fakes.edge import until
from tests.fakes.opencode_turns import say, tool
from tests.fault_fixtures import brought, prompted

PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 20


def shown(talk):
    """Return the pictures of a bubble."""
    return [base64.b64decode(url.partition(",")[2]) for url in talk.bubble.images]


def drawing(path, content=PNG):
    """Return what an agent does that draws a picture with a command."""

    async def act(run):
        file = Path(run.directory) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        await tool("bash", {"command": "python plot.py"}, "done", title="plot")(run)

    return act


async def test_a_picture_that_somebody_asks_for_stands_in_the_reply(faked, fake):
    fake.script(drawing("plot.png"), say("Drawn."))
    await (await faked.wecom.say("zhangsan", "plot it")).done()
    talk = await faked.wecom.say("zhangsan", "/send plot.png")
    assert "plot.png" in await talk.done()
    assert (shown(talk), faked.wecom.violations) == ([PNG], [])


async def test_a_picture_in_the_outbox_of_a_turn_comes_with_its_answer(faked, fake):
    fake.script(drawing("outbox/plot.png"), say("Here it is."))
    talk = await faked.wecom.say("zhangsan", "plot it and send it")
    assert "Here it is." in await talk.done()
    assert (shown(talk), faked.wecom.violations) == ([PNG], [])


async def test_more_pictures_than_a_reply_can_hold_are_left_out_and_named(faked, fake):
    large = PNG + b"0" * (6 * 1024 * 1024)
    fake.script(drawing("outbox/1.png", large), drawing("outbox/2.png", large), say("Both."))
    talk = await faked.wecom.say("zhangsan", "send both")
    assert "outbox/2.png" in await talk.done()
    assert (shown(talk), faked.wecom.violations) == ([large], [])


async def test_what_cannot_come_as_a_file_is_told_with_its_reason(faked, fake):
    put = [drawing("outbox/a_b.pdf", b"%PDF-1.7"), drawing("outbox/.env", b"KEY=value")]
    fake.script(*put, drawing("outbox/small.txt", b"1"), say("Done."))
    talk = await faked.wecom.say("zhangsan", "send all")
    text = await talk.done()
    assert "Not sent as files: `outbox/a_b.pdf`. /files 1" in text
    assert "`outbox/.env` looks like it holds a secret" in text
    assert "`outbox/small.txt` has a size of 1 B" in text
    assert (shown(talk), faked.wecom.violations) == ([], [])


async def test_of_many_files_the_first_are_named_and_the_rest_is_counted(faked, fake):
    put = [drawing(f"outbox/{n:02}.pdf", b"%PDF-1.7") for n in range(13)]
    fake.script(*put, say("Done."))
    text = await (await faked.wecom.say("zhangsan", "send all")).done()
    assert "`outbox/09.pdf` and 3 more." in text


async def test_many_refusals_leave_room_for_the_rest_of_the_answer(faked, fake):
    put = [drawing(f"outbox/{n:02}/__init__.py", b"") for n in range(80)]
    fake.script(*put, say("Done."))
    text = await (await faked.wecom.say("zhangsan", "send all")).done()
    assert text.count("has a size of 0 B") == 3
    assert "77 more files were not sent" in text
    assert "✅ Done" in text
    assert "#1" in text


async def test_with_nobody_at_the_bubble_a_picture_is_named_in_the_late_answer(
    make_faked, fake, clock
):
    bot = await make_faked(options={"timing": Timing(patience_s=1)})
    bot.wecom.polling = False
    go = asyncio.Event()
    fake.script(drawing("outbox/plot.png"), say("Here it", go, " is."))
    talk = await bot.wecom.say("zhangsan", "plot it and send it")
    await prompted(fake, 1)
    clock.leap(5_000)  # so long nobody comes
    go.set()
    assert "Not sent as files: `outbox/plot.png`." in await talk.late_reply()


async def test_a_picture_whose_bubble_nobody_came_for_any_more_is_named_in_the_late_answer(
    make_faked, fake, monkeypatch
):
    monkeypatch.setattr(WayOut, "waits_for_poll", lambda *_: True)  # somebody was there just now
    bot = await make_faked(options={"timing": Timing(patience_s=0.2)})
    bot.wecom.polling = False
    fake.script(drawing("outbox/a.png"), drawing("outbox/b.png"), say("Here they are."))
    talk = await bot.wecom.say("zhangsan", "plot both and send them")
    late = await talk.late_reply()
    assert "Here they are." in late
    assert "Not sent as files: `outbox/a.png`, `outbox/b.png`. /files 1" in late
    assert "Not sent" not in (await bot.store.turns.get(1)).footer  # they were to be shown
    bot.wecom.polling = True
    await talk.done()
    assert (shown(talk), bot.wecom.violations) == ([], [])


async def test_an_answer_that_has_shown_its_pictures_is_shown_once_more_without_naming_them(
    faked, fake
):
    fake.script(drawing("outbox/plot.png"), say("Here it is."))
    await (await faked.wecom.say("zhangsan", "plot it and send it")).done()
    again = await (await faked.wecom.say("zhangsan", "/result 1")).done()
    assert "Here it is." in again
    assert "Not sent" not in again


async def test_a_picture_whose_bubble_ended_with_the_service_is_named_in_the_late_answer(
    make_faked, fake
):
    bot = await make_faked(options={"timing": Timing(patience_s=30)})
    bot.wecom.polling = False
    fake.script(drawing("outbox/plot.png"), say("Here it is."))
    talk = await bot.wecom.say("zhangsan", "plot it and send it")
    await until(lambda: bot.turns.ended["answered"])
    await bot.restart()
    bot.wecom.polling = True
    text = await talk.done()
    assert "Not sent as files: `outbox/plot.png`." in text
    assert (shown(talk), bot.wecom.violations) == ([], [])


async def test_a_picture_that_goes_before_it_is_read_is_named_in_the_answer(
    faked, fake, monkeypatch
):
    real = Files.sendable

    async def fleeting(self, folder, path):
        one = await real(self, folder, path)
        if path == "outbox/a.png":
            (folder / path).unlink()
        return one

    monkeypatch.setattr(Files, "sendable", fleeting)
    fake.script(drawing("outbox/a.png"), drawing("outbox/b.png"), say("Here they are."))
    talk = await faked.wecom.say("zhangsan", "plot both and send them")
    assert "Not sent as files: `outbox/a.png`. /files 1" in await talk.done()
    assert (shown(talk), faked.wecom.violations) == ([PNG], [])


async def test_a_file_that_cannot_be_read_spoils_no_answer(faked, fake, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdopen", broken)
    fake.script(drawing("outbox/plot.png"), say("Here it is."))
    talk = await faked.wecom.say("zhangsan", "plot it")
    assert "Here it is." in await talk.done()


async def test_the_agent_is_told_how_to_send_a_file(faked, fake):
    await (await faked.wecom.say("zhangsan", "hello")).done()
    await brought(faked, 1)
    assert "outbox/" in fake.prompts[0].system


@pytest.fixture
async def shop(make_faked, tmp_path, monkeypatch):
    """A service all of whose chats work in one project."""
    project, file = tmp_path / "shop", tmp_path / "bot.toml"
    project.mkdir()
    file.write_text(f'[projects.shop]\npath = "{project}"\n')
    monkeypatch.setattr(
        service_fixtures, "load_settings", lambda _, environ: load_settings(file, environ)
    )
    return await make_faked()


async def test_in_a_project_of_many_chats_nobody_is_sent_what_another_one_asked_for(shop, fake):
    theirs = f"outbox/{folder_name('wecom:direct:lisi')}/"
    over = asyncio.Event()

    async def work(_):
        await over.wait()

    fake.script(work, say("One."))
    one = await shop.wecom.say("zhangsan", "work")
    await until(lambda: fake.prompts)
    fake.script(drawing(f"{theirs}plot.png"), drawing("outbox/plot.png"), say("Two."))
    two = await shop.wecom.say("lisi", "plot it and send it")
    assert "Two." in await two.done()
    assert theirs in fake.prompts[1].system
    over.set()
    assert "One." in await one.done()
    assert (shown(one), shown(two)) == ([], [PNG])
