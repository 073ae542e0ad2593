"""What the doctor makes of its checks: a report for people, for programs, for a chat."""

import asyncio
from pathlib import Path

import orjson
import pytest

from bot.doctor import render
from bot.doctor.checks import GROUPS, Group
from bot.doctor.examine import Report, examine
from bot.doctor.findings import check, worst
from bot.doctor.redact import Redactor, for_chat
from bot.texts import Text
from tests.doctor.scenes import scene_in, seen_in

TITLE = Text(zh="标题", en="Title")


@check("made.up", TITLE)
async def fine(_):
    return [fine.fine("all is well")]


@check("made.up", TITLE)
async def bad(_):
    return [bad.warning("it is old", "renew it"), bad.error("it is gone", "put it back")]


@check("made.up", TITLE)
async def broken(_):
    raise ZeroDivisionError("a secret of this test")


@check("made.up", TITLE, limit_s=0.01)
async def endless(_):
    await asyncio.Event().wait()


def group_of(*checks):
    return Group("made", Text(zh="组", en="Group"), checks)


async def report_of(scene, *checks):
    return await examine(scene, groups=[group_of(*checks)])


@pytest.fixture
def scene(tmp_path):
    return scene_in(tmp_path)


async def test_the_exit_code_is_that_of_the_worst_finding(scene):
    assert (await report_of(scene, fine)).exit_code == 0
    assert (await report_of(scene, bad, fine)).exit_code == 2
    assert worst([]) == "fine"
    only_old = Report(0, (), tuple((await report_of(scene, bad)).of("warning")))
    assert only_old.exit_code == 1


async def test_a_check_that_fails_is_told_by_the_kind_of_its_failure_and_stops_no_other(scene):
    first, second = (await report_of(scene, broken, fine)).findings
    assert (first.grade, first.evidence) == ("error", "the check itself failed: ZeroDivisionError")
    assert second.grade == "fine"


async def test_what_this_user_may_not_look_at_is_told_with_who_may(scene):
    @check("made.up", TITLE)
    async def closed(_):
        raise PermissionError(13, "Permission denied", "/srv/closed")

    (finding,) = (await report_of(scene, closed)).findings
    assert finding.evidence.endswith("may not look at /srv/closed")
    assert finding.mend == "run doctor as the user of the service"


async def test_a_check_that_never_ends_is_ended_and_told(scene):
    (finding,) = (await report_of(scene, endless)).findings
    assert (finding.grade, finding.evidence) == ("error", "no answer within 0 s")


async def test_progress_is_told_before_each_check(scene):
    told = []
    await examine(scene, groups=[group_of(fine, bad)], progress=told.append)
    assert told == [fine, bad]


async def test_a_terminal_shows_groups_evidence_mends_and_a_summary(scene):
    assert render.for_terminal(await report_of(scene, fine, bad)) == (
        "Group\n"
        "  ✅ Title — all is well\n"
        "  ⚠️ Title — it is old\n"
        "     → renew it\n"
        "  ❌ Title — it is gone\n"
        "     → put it back\n"
        "\n"
        "❌ 1 errors, 1 warnings, 1 fine"
    )


async def test_a_group_in_which_nothing_was_looked_at_is_not_shown(scene):
    report = await examine(scene, groups=[group_of(), group_of(fine)])
    assert (
        render.for_terminal(Report(0, report.groups[:1], ())) == "✅ 0 errors, 0 warnings, 0 fine"
    )


async def test_programs_get_one_object(scene):
    told = orjson.loads(orjson.dumps(render.as_json(await report_of(scene, bad))))
    assert (told["grade"], told["counts"]) == ("error", {"fine": 0, "warning": 1, "error": 1})
    assert told["findings"][0] == {
        "check": "made.up",
        "group": "made",
        "grade": "warning",
        "title": "Title",
        "evidence": "it is old",
        "mend": "renew it",
    }


async def test_a_chat_shows_the_worst_first_and_counts_what_is_well(scene):
    report = await report_of(scene, fine, bad)
    assert render.for_chat(report, "zh", Redactor([])) == (
        "🩺 检查：❌ 1 · ⚠️ 1 · ✅ 1 项正常\n"
        "❌ 组 · 标题：it is gone\n　→ put it back\n"
        "⚠️ 组 · 标题：it is old\n　→ renew it"
    )
    well = render.for_chat(await report_of(scene, fine), "en", Redactor([]))
    assert well == "🩺 Doctor: ❌ 0 · ⚠️ 0 · ✅ 1 fine\nAll is well."


async def test_a_chat_names_the_program_as_it_is_called_on_the_machine(scene):
    @check("made.up", TITLE)
    async def held(_):
        return [held.error("held", "python -m bot opencode rollback")]

    called = render.program(Path("/etc/bot.toml"))
    assert called.endswith(" -m bot --config /etc/bot.toml")
    said = render.for_chat(await report_of(scene, held), "en", Redactor([]), called)
    assert f"→ {called} opencode rollback" in said


async def test_in_short_only_what_is_not_fine_is_shown_and_all_is_counted(scene):
    said = render.in_short(await report_of(scene, fine, bad))
    assert "all is well" not in said
    assert "⚠️ Title — it is old" in said
    assert said.endswith("❌ 1 errors, 1 warnings, 1 fine")


async def test_a_chat_shows_no_more_than_fits(scene):
    @check("made.up", TITLE)
    async def many(_):
        return [many.error(f"{n} " + "数" * 1000, "挂" * 1000) for n in range(200)]

    said = render.for_chat(await report_of(scene, many), "zh", Redactor([]))
    assert len(said.encode()) < 7000
    shown = said.count("❌ 组")
    assert said.splitlines()[-1].startswith(f"还有 {200 - shown} 项没有列出")


async def test_a_chat_shows_no_secret_and_no_path_of_one(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text('[server]\nadmin_token = "hidden-from-all-4711"\n')
    file.chmod(0o644)
    scene = scene_in(tmp_path, file=file, BOT_ADMIN_TOKEN=None, ANTHROPIC_API_KEY="sk-1234567")
    (scene.data_dir / "link.key").touch(mode=0o644)
    found = await seen_in(scene, "security")
    cleaned = [for_chat(scene).text(f"{one.evidence} {one.mend}") for one in found]
    [settings] = [one for one in cleaned if "chmod o-rwx" in one]
    assert "‹the settings file with secrets in it› (the settings file" in settings
    assert not any(str(tmp_path) in one for one in cleaned)
    assert for_chat(scene).text("key sk-1234567 and hidden-from-all-4711") == "key *** and ***"


async def test_every_finding_bears_the_name_of_its_check_and_a_mend_where_something_is_wrong(
    tmp_path,
):
    scene = scene_in(tmp_path, BOT_ADMINS="*", BOT_PUBLIC_URL=None, WECOM_BOT_TOKEN=None)
    for group in GROUPS:
        for one in await seen_in(scene, group.name):
            assert one.check in {check.name for check in group.checks}
            assert bool(one.mend) is (one.grade != "fine"), one
            assert one.evidence
            assert "\n" not in one.mend


def test_who_is_nobody_stands_for_nobody():
    assert Redactor([], people=["", "-"], salt=b"s").text("a - b") == "a - b"
    assert Redactor([], people=[], salt=b"s").text("a - b") == "a - b"


def test_a_narrow_terminal_breaks_lines_at_blanks_and_leaves_mends_whole():
    evidence = "  ✅ Title — /a/folder/that/is/long and what was seen there"
    mend = "     → a command that is longer than the terminal is wide"
    said = render.wrapped(f"Group\n{evidence}\n{mend}", 30).splitlines()
    assert said[0] == "Group"
    assert said[-1] == mend
    assert " ".join(line.strip() for line in said[1:-1]) == evidence.strip()
    assert all(len(line) < 30 for line in said[1:-1])
    assert all(line.startswith("     ") for line in said[2:-1])
