"""What a turn changed in the files, and their content as the turn left it."""

from bot.texts import files as texts
from tests.desk import git, kinds, settle

pytest_plugins = ["tests.desk_fixtures"]


async def test_a_turn_is_told_what_it_added_changed_and_deleted(desk):
    desk.write("keep.txt")
    desk.write("edit.txt", "one\ntwo\n")
    desk.write("drop.txt", "gone\n")
    n = await desk.begin()
    desk.write("edit.txt", "one\n2\nthree\n")
    desk.write("out/new.txt", "a\nb\n")
    (desk.workspace / "drop.txt").unlink()
    looked = await desk.look(n)
    assert kinds(looked) == {"drop.txt": "deleted", "edit.txt": "modified", "out/new.txt": "added"}
    counts = {change.path: (change.added, change.removed) for change in looked.changes}
    assert counts == {"drop.txt": (0, 1), "edit.txt": (2, 1), "out/new.txt": (2, 0)}
    assert [change.path for change in await desk.store.files.changes(n)] == sorted(counts)


async def test_a_turn_that_changed_nothing_is_looked_at_once(desk):
    desk.write("a.txt")
    settle(desk.workspace)
    n = await desk.begin()
    looked = await desk.end(n)
    assert looked.changes == ()
    assert desk.waited == []


async def test_a_file_that_comes_late_is_still_found(desk):
    n = await desk.begin()
    desk.write("first.txt")
    desk.meanwhile = (desk.write(name) for name in ["second.txt", "third.txt"])
    looked = await desk.look(n)
    assert set(kinds(looked)) == {"first.txt", "second.txt", "third.txt"}
    assert desk.waited == [0.3, 1.2, 3.4]


async def test_the_looks_end_at_the_first_that_finds_nothing_new(desk):
    n = await desk.begin()
    desk.write("first.txt")
    await desk.look(n)
    assert desk.waited == [0.3]


async def test_a_claimed_file_is_waited_for_within_five_seconds(desk):
    n = await desk.begin()
    looked = await desk.look(n, claimed=["report.html"])
    assert looked.missing == ("report.html",)
    assert desk.waited == [0.3, 1.2, 3.4]
    assert sum(desk.waited) < 5


async def test_slow_looks_do_not_stretch_the_window(desk):
    desk.now = 1_000_000

    def tick():
        while True:
            desk.now += 2_500
            yield

    desk.meanwhile = tick()
    n = await desk.begin()
    await desk.look(n, claimed=["report.html"])
    assert desk.waited == [0.3, 1.2]


async def test_a_claimed_file_that_comes_late_is_not_missing(desk):
    n = await desk.begin()
    desk.meanwhile = (desk.write(name) for name in ["report.html"])
    looked = await desk.look(n, claimed=["report.html"])
    assert looked.missing == ()
    assert kinds(looked) == {"report.html": "added"}


async def test_a_claimed_file_may_be_named_in_other_ways(desk):
    n = await desk.begin()
    desk.write("out/report.html")
    looked = await desk.look(
        n,
        claimed=[
            "report.html",
            "./out/report.html",
            f"{desk.workspace}/out/report.html",
            f"file://{desk.workspace}/out/report.html",
            "/home/agent/project/out/report.html",
            "C:\\work\\out\\report.html",
            "chat/out/report.html",
            "out/",
        ],
    )
    assert looked.missing == ()


async def test_a_claimed_file_elsewhere_is_missing(desk):
    n = await desk.begin()
    desk.write("data/a.csv")
    claims = ("out/a.csv", "/tmp/a.csv", f"{desk.workspace}/a.csv", "../a.csv", "b.csv", "/")
    assert (await desk.look(n, claimed=claims)).missing == claims


async def test_what_the_answer_claims_is_published_though_git_ignores_it(desk):
    git(desk.workspace, "init", "-q")
    desk.write(".gitignore", "dist/\n*.log\n")
    n = await desk.begin()
    desk.write("dist/index.html", "<script src=app.js></script>")
    desk.write("dist/app.js", "1")
    desk.write("dist/node_modules/x.js", "1")
    desk.write("run.log", "ok\n")
    desk.write("other.log", "ok\n")
    looked = await desk.end(n, claimed=["dist/index.html"], touched=[f"{desk.workspace}/run.log"])
    assert set(kinds(looked)) == {"dist/app.js", "dist/index.html", "run.log"}
    assert looked.missing == ()
    assert await desk.content(n, "dist/app.js") == b"1"
    assert await desk.content(n, "other.log") is None


async def test_an_ignored_file_that_is_older_than_the_turn_is_served_but_not_its_change(desk):
    git(desk.workspace, "init", "-q")
    desk.write(".gitignore", "dist/\n")
    desk.write("dist/app.js", "1")
    settle(desk.workspace)
    n = await desk.begin()
    desk.write("dist/index.html")
    looked = await desk.end(n, touched=["dist/index.html"])
    assert set(kinds(looked)) == {"dist/index.html"}
    assert await desk.content(n, "dist/app.js") == b"1"


async def test_an_ignored_file_once_known_is_followed_from_then_on(desk):
    git(desk.workspace, "init", "-q")
    desk.write(".gitignore", "*.log\n")
    first = await desk.begin()
    desk.write("run.log", "1\n")
    await desk.end(first, touched=["run.log"])
    second = await desk.begin()
    desk.write("run.log", "1\n2\n")
    assert kinds(await desk.end(second)) == {"run.log": "modified"}
    third = await desk.begin()
    (desk.workspace / "run.log").unlink()
    assert kinds(await desk.end(third)) == {"run.log": "deleted"}


async def test_each_turn_keeps_its_own_version(desk):
    desk.write("style.css", "body{}")
    first = await desk.begin()
    desk.write("index.html", "one")
    await desk.end(first)
    second = await desk.begin()
    desk.write("index.html", "two")
    desk.write("style.css", "b{}")
    await desk.end(second)
    (desk.workspace / "index.html").unlink()
    assert await desk.content(first, "index.html") == b"one"
    assert await desk.content(first, "style.css") == b"body{}"
    assert await desk.content(second, "index.html") == b"two"


async def test_a_deleted_file_is_not_served(desk):
    desk.write("old.txt")
    n = await desk.begin()
    (desk.workspace / "old.txt").unlink()
    await desk.end(n)
    assert await desk.content(n, "old.txt") is None


async def test_a_running_turn_shows_the_files_as_they_are_now(desk):
    desk.write("a.txt", "one\n")
    desk.write("just before.txt", "one\n")
    n = await desk.begin()
    desk.write("a.txt", "three\n")
    desk.write("new.txt", "x")
    assert await desk.content(n, "a.txt") == b"three\n"
    changes = await desk.files.changes(n)
    assert [(each.path, each.kind) for each in changes] == [
        ("a.txt", "modified"),
        ("new.txt", "added"),
    ]
    assert await desk.files.diff(n, "a.txt") == texts.DIFF_LATER.say("zh", n=n)


async def test_many_who_watch_cost_one_look_in_three_seconds(desk):
    desk.now = 5_000_000
    n = await desk.begin()
    desk.write("a.txt")
    assert len(await desk.files.changes(n)) == 1
    desk.write("b.txt")
    assert len(await desk.files.changes(n)) == 1
    desk.now += 3_000
    assert len(await desk.files.changes(n)) == 2


async def test_two_chats_in_one_folder_each_hear_of_what_moved_during_their_turn(desk):
    n = await desk.begin()
    base = (await desk.store.turns.get(n)).sync_before
    desk.write("other.txt", "by another chat")
    await desk.files.before(n, desk.workspace)
    looked = await desk.files.after(n, desk.workspace, since=base, claimed=[], touched=[])
    assert kinds(looked) == {"other.txt": "added"}


async def test_a_file_changed_back_while_another_chat_looked_is_no_change(desk):
    desk.write("a.txt", "one")
    n = await desk.begin()
    base = (await desk.store.turns.get(n)).sync_before
    desk.write("a.txt", "two")
    await desk.files.before(n, desk.workspace)
    desk.write("a.txt", "one")
    looked = await desk.files.after(n, desk.workspace, since=base, claimed=[], touched=[])
    assert looked.changes == ()


async def test_a_touched_file_with_the_same_content_is_no_change(desk):
    desk.write("a.txt", "one")
    settle(desk.workspace)
    n = await desk.begin()
    desk.write("a.txt", "one")
    assert (await desk.look(n)).changes == ()


async def test_looking_again_after_a_crash_gives_the_same(desk):
    n = await desk.begin()
    desk.write("a.txt")
    first = await desk.look(n)
    assert (await desk.look(n)).changes == first.changes


async def test_a_diff_is_as_git_prints_it(desk):
    desk.write("a.py", "".join(f"{i}\n" for i in range(20)))
    n = await desk.begin()
    desk.write("a.py", "".join(f"{i}\n" for i in range(20) if i != 9) + "end")
    desk.write("new.py", "x\n")
    await desk.end(n)
    assert await desk.files.diff(n, "a.py") == (
        "--- a/a.py\n+++ b/a.py\n@@ -7,7 +7,6 @@\n 6\n 7\n 8\n-9\n 10\n 11\n 12\n"
        "@@ -18,3 +17,4 @@\n 17\n 18\n 19\n+end\n\\ No newline at end of file\n"
    )
    assert await desk.files.diff(n, "new.py") == "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n"
    assert await desk.files.diff(n, "no.py") == texts.DIFF_UNCHANGED.say("zh", n=n, path="no.py")


async def test_no_diff_is_made_of_bytes_or_of_very_long_texts(desk):
    n = await desk.begin()
    desk.write("a.png", b"\x89PNG\r\n\0\0")
    desk.write("b.bin", b"\xff\xff\xff")
    desk.write("long.txt", "x\n" * 600_000)
    looked = await desk.end(n)
    assert {change.added for change in looked.changes} == {None}
    assert await desk.files.diff(n, "a.png") == texts.DIFF_BINARY.say("zh", path="a.png")
    assert await desk.files.diff(n, "b.bin") == texts.DIFF_BINARY.say("zh", path="b.bin")
    assert await desk.files.diff(n, "long.txt") == texts.DIFF_LARGE.say("zh", path="long.txt")


async def test_a_workspace_that_is_gone_or_a_link_is_nothing_and_forgets_nothing(desk, tmp_path):
    desk.write("a.txt", "kept")
    n = await desk.begin()
    real = desk.workspace.rename(tmp_path / "real")
    desk.workspace.symlink_to("/etc")
    assert await desk.files.changes(n) == ()
    assert await desk.content(n, "hostname") is None
    looked = await desk.end(n, claimed=["hostname"])
    assert (looked.changes, looked.missing) == ((), ("hostname",))
    assert await desk.content(n, "a.txt") == b"kept"
    assert await desk.content(n, "hostname") is None
    assert real.exists()


async def test_nobody_gets_files_of_a_turn_that_is_not_there(desk):
    assert await desk.files.open(99, "a.txt") is None
    assert await desk.files.changes(99) == ()
    n = await desk.queue()
    assert await desk.files.open(n, "a.txt") is None


async def test_hundreds_of_files_are_listed_the_first_ones_counted(desk):
    n = await desk.begin()
    for index in range(305):
        desk.write(f"f{index:03}.txt")
    looked = await desk.end(n)
    assert sum(change.added is not None for change in looked.changes) == 300
    assert len(looked.changes) == 305
