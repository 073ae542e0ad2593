"""/files and /diff: what a turn changed."""

import pytest

from tests.commands.room import DIRECT


@pytest.fixture
async def linking(make_room):
    return await make_room(public_url="https://bot.example.com")


async def changed(room, files, *, text="写登录页"):
    turn = (await room.running(text)).record
    await room.changed(turn, files)
    return turn


async def ended(room, files):
    """Return a turn that has ended with these files."""
    turn = await changed(room, files)
    await room.store.turns.end(
        turn, state="done", outcome="answered", reason="", stopped_by="", answer="", footer="",
        at=room.now, delivery=None,
    )  # fmt: skip
    room.engine.runs.clear()
    return turn


async def test_files_are_listed_with_links_and_counts(linking):
    turn = await ended(linking, {"a.py": b"one\ntwo\n", "图.bin": b"\0\1\2"})
    lines = (await linking.say("/files")).splitlines()
    assert lines[0] == f"📁 #{turn.n} 写登录页 改了 2 个文件："
    raw = f"https://bot.example.com/t/{turn.n}/{linking.services.links.token(turn.n)}/raw"
    assert lines[1] == f"- [a.py]({raw}/a.py) +2 −0"
    assert lines[2].startswith(f"- [图.bin]({raw}/%E5%9B%BE.bin)")
    assert lines[3] == ""  # else the link belongs to the last file
    assert lines[4].startswith("[全部改动](https://bot.example.com/t/")


async def test_without_a_public_url_files_are_named_and_the_reason_given(room):
    turn = await ended(room, {"a.py": b"one\n"})
    lines = (await room.say(f"/files {turn.n}")).splitlines()
    assert lines[1] == "- a.py +1 −0"
    assert "server.public_url" in lines[3]


async def test_a_deleted_file_has_no_link(linking):
    first = await ended(linking, {"a.py": b"one\n"})
    turn = (await linking.running()).record
    folder = (await linking.folders.folder(first.chat)).resolve()
    await linking.store.turns.set_session(turn, "ses_1", str(folder))
    before = await linking.services.files.before(turn.n, folder)
    (folder / "a.py").unlink()
    await linking.services.files.after(turn.n, folder, since=before, claimed=(), touched=())
    assert (await linking.say(f"/files {turn.n}")).splitlines()[1] == "- a.py 已删除"


async def test_a_secret_file_is_named_and_not_linked(linking):
    await ended(linking, {"id_rsa": b"key\n", "[x].txt": b"x\n"})
    said = await linking.say("文件")
    assert "- id_rsa" in said
    assert "raw/id_rsa" not in said
    assert "[\\[x\\].txt](" in said


async def test_of_many_files_the_rest_is_counted(room):
    turn = await ended(room, {f"f{n:02}.txt": b"x\n" for n in range(23)})
    assert "另有 3 个" in await room.say(f"/files {turn.n}")
    assert "另有 3 个" not in await room.say(f"/diff {turn.n}")


async def test_a_turn_that_changed_nothing_says_so(room):
    turn = await room.ended()
    assert await room.say("/files") == f"#{turn.n} 修复登录 没有改动文件。"
    assert await room.say("/diff") == f"#{turn.n} 修复登录 没有改动文件。"


async def test_files_of_a_chat_without_any_turn_say_so(room):
    assert "E-TURN" in await room.say("/files", chat=DIRECT)


async def test_diff_links_to_the_page(linking):
    turn = await ended(linking, {f"f{n:02}.txt": b"x\n" for n in range(23)})
    said = await linking.say("差异")
    assert f"📝 #{turn.n} 写登录页 的改动：" in said
    assert "- f00.txt +1 −0" in said
    assert "另有 3 个" in said
    assert "[全部改动](https://" in said
    assert "```" not in said


async def test_a_short_list_of_changes_is_whole(linking):
    await ended(linking, {"a.py": b"one\n"})
    assert "另有" not in await linking.say("/diff")


async def test_without_a_public_url_the_diff_is_shown(room):
    turn = await ended(room, {"a.py": b"one\n```\ntwo\n", "b.bin": b"\0\1"})
    said = await room.say(f"/diff {turn.n}")
    assert "`````diff" in said
    assert "+one" in said
    assert "b.bin 不是文本文件" in said
    assert "只显示了一部分" not in said


async def test_a_long_diff_is_cut_and_says_so(room):
    files = {f"{n}.txt": b"\n".join(b"line %d" % i for i in range(400)) for n in range(3)}
    turn = await ended(room, files)
    said = await room.say(f"/diff {turn.n}")
    assert len(said.encode()) < 7_000
    assert f"只显示了一部分，/files {turn.n}" in said
    assert said.count("`````") % 2 == 0


async def test_files_of_a_running_turn_are_those_so_far_and_its_diff_comes_later(room):
    turn = (await room.running()).record
    folder = (await room.folders.folder(turn.chat)).resolve()
    await room.store.turns.set_session(turn, "ses_1", str(folder))
    await room.services.files.before(turn.n, folder)
    (folder / "a.py").write_text("one\n")
    room.now += 60_000
    assert "- a.py" in await room.say(f"/files {turn.n}")
    assert "还没有结束" in await room.say(f"/diff {turn.n}")
