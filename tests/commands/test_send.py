"""/send: a file of the workspace comes into the chat, as the channel can."""

import os
from types import SimpleNamespace

import pytest

from bot.messages import CALLBACK
from commands.registry import Show
from tests.commands.room import GROUP
from tests.commands.test_files import ended

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Sender:
    """A channel that sends files; ``says`` what becomes of them."""

    def __init__(self, says="sent"):
        self.says, self.sent = says, []

    async def send_medium(self, chat, medium):
        self.sent.append((chat, medium.name, medium.kind, medium.content))
        return self.says


@pytest.fixture
async def linking(make_room):
    room = await make_room(public_url="https://bot.example.com")
    room.outlets.put(CALLBACK, SimpleNamespace())
    return room


async def folder_of(room):
    return await room.folders.folder(GROUP.key)


async def test_a_channel_that_sends_files_sends_one_and_says_so(make_room):
    room, sender = await make_room(), Sender()
    room.outlets.put(CALLBACK, sender)
    folder = await folder_of(room)
    (folder / "out").mkdir()
    (folder / "out/报告.pdf").write_bytes(b"%PDF-1.7 ...")
    assert await room.say("/send out/报告.pdf") == "✅ 已发送 `out/报告.pdf`"
    assert sender.sent == [(GROUP.key, "报告.pdf", "file", b"%PDF-1.7 ...")]
    assert await room.say(f"/发送 {folder / 'out/报告.pdf'}") == "✅ 已发送 `out/报告.pdf`"


@pytest.mark.parametrize(("says", "word"), [("refused", "没有发送"), ("doubtful", "不确定")])
async def test_what_was_not_surely_sent_is_not_called_sent(make_room, says, word):
    room = await make_room(public_url="https://bot.example.com")
    turn = await ended(room, {"a.pdf": b"%PDF-1.7"})
    room.outlets.put(CALLBACK, Sender(says))
    said = await room.say("/send a.pdf")
    assert word in said
    assert f"https://bot.example.com/t/{turn.n}/" in said


async def test_a_picture_stands_in_the_reply_where_no_file_can_be_sent(linking):
    (await folder_of(linking) / "a.png").write_bytes(PNG)
    shown = await linking.say("/send a.png")
    assert isinstance(shown, Show)
    assert (shown.text, [one.content for one in shown.images]) == ("🖼 `a.png`", [PNG])
    assert "没有发送" in shown.otherwise


async def test_another_file_becomes_a_link_to_what_a_turn_left(linking):
    turn = await ended(linking, {"[a].csv": b"1,2,3\n"})
    said = await linking.say("/send [a].csv", language="en")
    assert said.startswith(f"[`[a].csv`](https://bot.example.com/t/{turn.n}/")
    (await folder_of(linking) / "new.csv").write_bytes(b"4,5,6\n")
    assert "没有发送" in await linking.say("/send new.csv")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("../out.txt", "不在本聊天的工作目录"),
        ("/etc/passwd", "不在本聊天的工作目录"),
        ("id_rsa", "密钥"),
        (".env", "密钥"),
        ("nothing.txt", "没有文件"),
        ("dir", "没有文件"),
        ("away.txt", "没有文件"),
        ("second.txt", "没有文件"),
        ("tiny.txt", "4 字节"),
        ("large.bin", "20 MB"),
        ("", "E-USAGE"),
    ],
)
async def test_what_must_not_or_cannot_be_sent_is_told_and_stays(make_room, tmp_path, path, word):
    room, sender = await make_room(), Sender()
    room.outlets.put(CALLBACK, sender)
    folder = await folder_of(room)
    (tmp_path / "outside.txt").write_text("not theirs")
    (folder / "dir").mkdir()
    (folder / "id_rsa").write_text("a key of theirs")
    (folder / ".env").write_text("KEY=secret")
    (folder / "away.txt").symlink_to(tmp_path / "outside.txt")
    os.link(tmp_path / "outside.txt", folder / "second.txt")
    (folder / "tiny.txt").write_bytes(b"1234")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(20 * 1024 * 1024 + 1)
    assert word in await room.say(f"/send {path}")
    assert sender.sent == []
