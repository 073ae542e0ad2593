"""What is allowed for a task: the like of it, as long as the task lasts, and nothing else."""

import pytest

from bot.cards import Click
from bot.opencode.client import OpenCode
from bot.opencode.model import PermissionRequest
from bot.texts import asks as texts
from store import open_store
from tests.asking import CHAT, Desk, refused
from tests.fakes.opencode_turns import ask, question, say


@pytest.fixture
async def desk(fake, tmp_path):
    async with (
        OpenCode(fake.url, fake.username, fake.password) as client,
        await open_store(f"sqlite:///{tmp_path}/bot.db") as store,
    ):
        yield Desk(fake, client, store, tmp_path)


async def test_what_waits_beside_it_is_granted_with_it(desk):
    await desk.begin(ask("bash", ["ls -a"]), say("one"))
    (first,) = await desk.asked()
    desk.session = (await desk.client.create_session(desk.directory, title="T", metadata={})).id
    await desk.prompt(ask("bash", ["ls -b"]), say("two"))
    (second,) = await desk.asked(2)
    other = PermissionRequest("per_x", desk.session, "bash", ("rm",), ("rm *",))
    left = await desk.asks.seen(desk.turn, other, desk.directory)
    await desk.asks.always(CHAT, first.code, by="zhangsan", role="member")
    assert "two" in await desk.answer()
    assert {id_: reply["reply"] for id_, reply in desk.fake.replies} == {
        first.id: "once",
        second.id: "once",
    }
    assert await desk.store.asks.approved(desk.turn.n) == 2
    assert await desk.asks.open(CHAT) == [left]
    with refused(texts.DECIDED_BEFORE["always"]):
        await desk.asks.deny(CHAT, first.code, "", by="boss", role="admin")


async def test_what_is_granted_already_is_asked_after_all_if_opencode_cannot_be_told(desk):
    await desk.begin(ask("bash", ["ls -a"]), ask("bash", ["ls -b"]), say("done"))
    (first,) = await desk.asked()
    await desk.asks.always(CHAT, first.code, by="zhangsan", role="member")
    desk.fake.fault("/reply", "refuse")
    (second,) = await desk.asked()
    await desk.asks.allow(CHAT, second.code, by="zhangsan", role="member")
    assert "done" in await desk.answer()


@pytest.mark.parametrize(
    "other",
    [
        PermissionRequest("per_x", "ses_1", "edit", ("ls -b",), ("ls *",)),
        PermissionRequest("per_x", "ses_1", "bash", ("rm x",), ("rm *",)),
        PermissionRequest("per_x", "ses_1", "bash", ("ls | rm",), ("ls *", "rm *")),
        PermissionRequest("per_x", "ses_1", "bash", ("ls -b",), ()),
    ],
    ids=["another permission", "another pattern", "one pattern more", "no pattern"],
)
async def test_anything_else_is_asked(desk, other):
    await desk.begin(ask("bash", ["ls -a"]), say("done"))
    (first,) = await desk.asked()
    await desk.asks.always(CHAT, first.code, by="zhangsan", role="member")
    assert await desk.asks.seen(desk.turn, other, desk.directory) is not None


async def test_what_names_no_patterns_and_a_question_cannot_be_allowed_for_the_task(desk):
    await desk.begin(question("Which?"))
    (asked,) = await desk.asked()
    with refused(texts.IS_QUESTION):
        await desk.asks.always(CHAT, asked.code, by="boss", role="admin")
    bare = PermissionRequest("per_x", desk.session, "bash", ("ls",))
    kept = await desk.asks.seen(desk.turn, bare, desk.directory)
    with refused(texts.NO_KIND):
        await desk.asks.always(CHAT, kept.code, by="boss", role="admin")


async def test_a_card_whose_request_is_gone_decides_the_equal_that_waits(desk):
    await desk.begin(ask("bash", ["ls"]), say("done"))
    (first,) = await desk.asked()
    equal = PermissionRequest(
        "per_equal", desk.session, "bash", ("ls",), ("ls *",), {"command": "ls"}
    )
    await desk.asks.seen(desk.turn, equal, desk.directory)
    await desk.asks.settled("per_equal")
    press = Click("t@1", "allow")
    decided = await desk.asks.press(CHAT, "per_equal", press, by="zhangsan", role="member")
    assert decided.id == first.id
    assert desk.fake.replies == [(first.id, {"reply": "once"})]


async def test_a_press_of_a_button_that_we_never_drew_decides_nothing(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    with refused(texts.UNKNOWN_CODE):
        await desk.asks.press(CHAT, one.id, Click("t@1", "sudo"), by="boss", role="admin")
    assert await desk.asks.open(CHAT) == [one]


async def test_a_press_in_another_chat_decides_nothing(desk):
    await desk.begin(ask("bash", ["ls"]))
    (one,) = await desk.asked()
    for chat in ("wecom:direct:lisi", "wecom:group:zhangsan"):
        with refused(texts.UNKNOWN_CODE):
            await desk.asks.press(chat, one.id, Click("t@1", "allow"), by="boss", role="admin")
        assert await desk.asks.of_card(chat, one.id) is None
    assert await desk.asks.of_card(CHAT, one.id) == one
    assert await desk.asks.open(CHAT) == [one]
