"""/pending, /allow, /always, /deny, /answer."""

import orjson
import pytest

from store.records import AskRecord
from tests.commands.room import GROUP, MINUTE, OTHER, START

PERMISSION = {
    "id": "per_1",
    "sessionID": "ses_1",
    "permission": "bash",
    "patterns": ["npm *"],
    "metadata": {"command": "npm run db:migrate"},
}
QUESTION = {
    "id": "que_1",
    "sessionID": "ses_1",
    "questions": [
        {
            "question": "哪种颜色？",
            "header": "颜色",
            "options": [{"label": "红", "description": "暖"}],
        }
    ],
}


def ask(code, body, *, chat=GROUP, kind="permission", expires_at=START + 15 * MINUTE):
    return AskRecord(
        id=body["id"], code=code, chat=chat.key, turn=31, session="ses_1", directory="/srv",
        kind=kind, body=orjson.dumps(body).decode(), state="open", decision="", decided_by="",
        asked_at=START, expires_at=expires_at, decided_at=None,
    )  # fmt: skip


async def test_nothing_pending_is_said_to_be_nothing(room):
    room.decisions.waiting = [ask("a7k", PERMISSION, chat=OTHER)]
    assert "没有等待决定" in await room.say("/pending")


async def test_pending_shows_every_request_in_full_with_its_code(room):
    long = {**PERMISSION, "metadata": {"command": "echo " + "x" * 1_500 + " end"}}
    question = ask("b3m", QUESTION, kind="question", expires_at=None)
    room.decisions.waiting = [ask("a7k", long), question]
    said = await room.say("待批准")
    assert "a7k" in said
    assert "x" * 1_500 + " end" in said
    assert "15m00s" in said
    assert "哪种颜色？" in said
    assert "1. 红 — 暖" in said
    assert "回复：回答 b3m 编号" in said


async def test_pending_tells_a_sub_agents_request(room):
    running = await room.running()
    await room.store.turns.set_session(running.record, "ses_parent", "/srv")
    running.record = await room.store.turns.get(running.record.n)
    room.decisions.waiting = [ask("a7k", PERMISSION)]
    assert "来自子任务" in await room.say("/pending")


async def test_pending_stays_within_a_bubble_however_much_waits(room):
    huge = {**PERMISSION, "metadata": {"command": "echo some words\n" * 3_000}}
    room.decisions.waiting = [ask(f"a{n}k", huge) for n in range(9)]
    assert len((await room.say("/pending")).encode()) <= 16_000


@pytest.mark.parametrize("text", ["/allow a7k", "允许 A7K", "/允许 ａ７ｋ", "／allow a7k 谢谢"])
async def test_allow_hands_over_code_person_and_role(room, text):
    assert "已允许 a7k" in await room.say(text)
    assert room.decisions.decided == [("allow", GROUP.key, "a7k", "zhang", "member")]


@pytest.mark.parametrize("text", ["/always a7k", "本任务 a7k"])
async def test_always_hands_over_code_person_and_role(room, text):
    assert "同类" in await room.say(text)
    assert room.decisions.decided == [("always", GROUP.key, "a7k", "zhang", "member")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("/deny a7k", ""), ("拒绝 a7k", ""), ("拒绝 a7k 不要动 数据库", "不要动 数据库")],
)
async def test_deny_hands_over_the_reason(room, text, reason):
    assert "已拒绝 a7k" in await room.say(text, sender="lead")
    assert room.decisions.decided == [("deny", GROUP.key, "a7k", reason, "lead", "maintainer")]


async def test_answer_hands_over_the_words(room):
    assert "b3m" in await room.say("/answer b3m 用红色 | 不要蓝色")
    decided = [("answer", GROUP.key, "b3m", "用红色 | 不要蓝色", "zhang", "member")]
    assert room.decisions.decided == decided


async def test_a_decision_without_a_code_decides_nothing_even_when_one_waits(room):
    room.decisions.waiting = [ask("a7k", PERMISSION)]
    for text in ("允许", "/allow", "拒绝", "/deny", "/answer"):
        said = await room.say(text)
        assert "a7k" in said
    assert room.decisions.decided == []


async def test_a_decision_without_a_code_and_nothing_waiting_says_that(room):
    assert "没有等待决定" in await room.say("允许")
