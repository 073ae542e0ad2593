import pytest

from bot.opencode.events import StatusChanged, TodosUpdated
from bot.opencode.model import (
    Option,
    PermissionRequest,
    Question,
    QuestionRequest,
    Status,
    Todo,
)
from bot.render import (
    Frame,
    Pending,
    activity,
    ask,
    asks,
    diagnose,
    progress,
    short,
)
from bot.render.pieces import masked
from tests.turn_events import (
    SESSION,
    answering,
    bash,
    begun,
    busy,
    child,
    delta,
    folded,
    idle,
    part,
    running,
    step,
    thought,
    tool,
    updated,
    words,
)

NOW = 200_000
BASH = PermissionRequest(
    "per_1", SESSION, "bash", ("npm run x",), metadata={"command": "npm run x"}
)
COLOUR = Question("Which colour?", options=(Option("Red", "warm"), Option("Blue")))
PERMISSION = Pending("a7k", BASH, asked_at=NOW - 60_000, expires_at=NOW + 840_000)
QUESTION = Pending("c3m", QuestionRequest("que_1", SESSION, (COLOUR,)), asked_at=NOW)


def frame(**more):
    given = {"n": 31, "title": "fix the login", "agent": "build", "model": "anthropic/sonnet"}
    given |= {"detail": "normal", "language": "en", "now": NOW, "started_at": 0}
    return Frame(**given | more)


def shown(summary, **more):
    return progress(summary, frame(**more))


def retrying(message="rate limit", in_ms=8_000):
    return folded(busy(), StatusChanged(SESSION, Status("retry", 2, message, NOW + in_ms)))


# Progress


def test_the_head_tells_what_runs_how_long_how_far_and_by_whom():
    assert shown(begun()) == "⏳ fix the login · 3m20s · getting ready · build / sonnet"
    assert shown(answering(), language="zh").startswith("⏳ fix the login · 3m20s · 第 1 步")
    assert shown(begun(), title="", agent="", model="") == "⏳ #31 · 3m20s · getting ready"
    assert "`" not in shown(begun(), title="a `title`\nof *many* lines that goes on and on")


def test_a_group_sees_neither_commands_nor_files_nor_agents():
    summary = answering(bash("rm -r build"), tool("write", "prt_3", input={"filePath": "/w/x.py"}))
    quiet = shown(summary, detail="quiet")
    assert "rm -r" not in quiet
    assert "x.py" not in quiet
    assert "sonnet" not in quiet


def test_the_running_command_shows_with_its_age():
    assert "🖥 `pytest -q`  ⏱ 1m05s" in shown(answering(bash("pytest -q", started_at=NOW - 65_000)))
    assert "⏱ 0s" in shown(answering(bash("ls", started_at=None)))
    other = tool("webfetch", status="running", input={"url": "https://x"}, started_at=NOW)
    assert "🔧 webfetch `https://x`  ⏱ 0s" in shown(answering(other))
    assert "question" not in shown(answering(tool("question", status="running")))


def test_two_renders_half_a_minute_apart_differ():
    for started in (0, NOW - 3_600_000, NOW - 40_000_000):
        early = shown(begun(), started_at=started)
        assert early != shown(begun(), started_at=started, now=NOW + 30_000)


def test_edits_are_listed_with_their_counts():
    diffs = [{"filePath": f"/w/{n}.py", "additions": 10 + n, "deletions": n} for n in range(5)]
    summary = answering(tool("apply_patch", metadata={"files": diffs}))
    assert "✏️ files: 5 +60 −10 (2.py, 3.py, 4.py…)" in shown(summary)
    assert "0.py" in shown(summary, detail="full")
    old = tool("write", input={"filePath": "/w/a.py"}, metadata={"exists": True})
    assert "✏️ files: 1 (a.py)" in shown(answering(old))


def test_reads_and_searches_are_counters():
    read = tool("read", "prt_1", input={"filePath": "a"})
    search = tool("grep", "prt_3", input={"pattern": "x"})
    assert "🔎 files read: 1, searches: 1" in shown(answering(read, search))
    assert "🔎 已读 1 个文件、搜索 1 次" in shown(answering(read, search), language="zh")
    assert "🔎 searches: 1" in shown(answering(search))


def test_the_agents_list_shows_around_where_it_works():
    todos = [Todo(f"job {n}", "completed" if n < 5 else "pending") for n in range(10)]
    todos[5] = Todo("job 5", "in_progress")
    summary = folded(TodosUpdated(SESSION, tuple(todos)))
    assert "📋 5/10  ✔ job 2  ✔ job 3  ✔ job 4  ▶ job 5  ○ job 6  ○ job 7" in shown(summary)
    assert shown(summary, detail="quiet").endswith("📋 5/10  ▶ job 5")
    done = folded(TodosUpdated(SESSION, (Todo("one", "completed"), Todo("two", "cancelled"))))
    assert "📋 1/2  ✔ one  ✖ two" in shown(done)


def test_the_last_failure_of_a_tool_is_one_line_until_the_next_tool():
    failed = tool("read", "prt_1", "error", input={"filePath": "x.py"}, error="File not\nfound")
    assert "❌ read `x.py`: File not found" in shown(answering(failed))
    assert "❌" not in shown(answering(failed, bash("ls")))


def test_each_sub_agent_is_an_indented_line():
    summary = folded(
        child(), part(bash("ls"), "m", "ses_2"), child("ses_3", title="two"), idle("ses_3"), busy()
    )
    text = shown(summary)
    assert "  ↳ 🤖 look around (@general subagent) · bash `ls`" in text.replace("\u3000", "  ")
    assert "↳ ✔ two" in text
    many = folded(*(child(f"ses_{n}", title=f"job {n}") for n in range(2, 7)))
    assert "· at work" in shown(many)
    assert "2 more sub-agents" in shown(many)


def test_sub_agents_at_work_show_before_those_that_are_done():
    done = [event for n in range(3, 7) for event in (child(f"ses_{n}"), idle(f"ses_{n}"))]
    text = shown(folded(child(title="still at it"), *done))
    assert "still at it" in text
    assert text.count("✔") == 2


def test_a_failed_sub_agent_shows_so():
    task = tool("task", status="error", metadata={"sessionId": "ses_2"}, input={"description": "x"})
    assert "↳ ❌ x" in shown(answering(task))


def test_a_retry_says_when_the_next_try_is():
    assert "model retrying, next try in 8 s (no. 2)" in shown(retrying())
    assert "模型限流，8 秒后自动重试（第 2 次）" in shown(retrying(), language="zh", detail="quiet")
    assert "the model is not available: model retrying now" in shown(retrying("x", in_ms=0))


def test_reasoning_is_never_shown_only_that_there_is_some():
    summary = folded(delta("secret thoughts", "prt_0"), summary=answering(thought("", done=False)))
    for detail in ("quiet", "normal", "full"):
        assert "secret" not in shown(summary, detail=detail)
        assert "💭 thinking …" in shown(summary, detail=detail)


def test_full_detail_logs_the_tools_and_the_size():
    summary = folded(
        updated(step("msg_101", tokens=12_345)),
        part(bash("ls", status="completed")),
        part(tool("todowrite", "prt_3")),
    )
    text = shown(summary, detail="full")
    assert "✔ bash `ls`" in text
    assert "✔ todowrite\n" in text + "\n"
    assert "12.3k tokens" in text
    assert "tokens" not in shown(summary)


def test_the_words_stand_below_and_note_and_link_above():
    text = shown(answering(words("So far.")), note="A note.", live_link="https://x/t/1/")
    assert text.index("A note.") < text.index("https://x/t/1/") < text.index("────")
    assert text.endswith("So far.")


def test_a_long_text_shows_its_end_within_bounds():
    text = shown(answering(words("```py\n" + "\n".join(f"x{n}" for n in range(9_000)))))
    assert "left out here" in text
    assert "```py" in text
    assert text.endswith("x8999")
    assert len(text.encode()) < 13_000


# What waits for a person


def test_a_permission_shows_what_it_is_for_and_how_to_answer():
    text = shown(begun(), asks=[PERMISSION], detail="quiet", language="zh")
    assert "🔐 需要批准 · a7k\n执行命令：`npm run x`\n回复：允许 a7k / 拒绝 a7k 理由" in text
    assert text.endswith("⏳ 14m00s")


def test_a_question_lists_its_options_with_numbers():
    text = ask(QUESTION, "en", NOW)
    assert "1. Red — warm\n2. Blue\n" in text
    assert text.endswith("/answer c3m a number or your own words")


@pytest.mark.parametrize(
    ("questions", "example"),
    [
        ((), "your answer"),
        ((Question("Name?"),), "your answer"),
        ((Question("Which?", options=(Option("a"),), multiple=True),), "several like 1,3"),
        ((Question("Which?", options=(Option("a"),), custom=False),), "c3m a number"),
        ((COLOUR, Question("", header="Size")), "first answer | second answer"),
    ],
)
def test_an_example_fits_the_question(questions, example):
    pending = Pending("c3m", QuestionRequest("que_1", SESSION, questions), asked_at=NOW)
    assert ask(pending, "en", NOW).endswith(example)


def test_several_questions_are_numbered():
    pending = Pending("c3m", QuestionRequest("q", SESSION, (COLOUR, Question("", "Size"))), NOW)
    text = ask(pending, "en", NOW)
    assert "(1) Which colour?" in text
    assert "(2) Size" in text


@pytest.mark.parametrize("detail", ["quiet", "normal", "full"])
def test_a_request_names_its_tool_and_the_whole_path_whatever_the_detail(detail):
    path = "/srv/" + "folder/" * 12 + "x.txt"
    request = PermissionRequest(
        "p", SESSION, "external_directory", ("/srv/*",), metadata={"filepath": path}
    )
    reading = answering(tool("read", status="running", input={"filePath": path}))
    pending = [Pending("a7k", request, NOW), QUESTION]
    text = shown(reading, detail=detail, asks=pending)
    assert f"Reach outside the workspace (tool read): \n```\n{path}\n```" in text
    assert "(tool" not in shown(begun(), detail=detail, asks=pending)


def test_equal_requests_and_those_of_sub_agents_say_so():
    pending = Pending("a7k", BASH, NOW, count=3, of_child=True)
    assert "a7k (from a sub-agent) (asked 3 times)" in ask(pending, "en", NOW)


def test_what_else_is_asked_for_is_named_by_its_patterns():
    for request, expected in [
        (PermissionRequest("p", SESSION, "external_directory", ("/etc/*",)), "workspace: `/etc/*`"),
        (
            PermissionRequest(
                "p", SESSION, "external_directory", ("/etc/*",), metadata={"filepath": "/etc/hosts"}
            ),
            "Reach outside the workspace: `/etc/hosts`",
        ),
        (PermissionRequest("p", SESSION, "mcp_x", ("a", "b")), "Use mcp_x: \n```\na\nb\n```"),
        (PermissionRequest("p", SESSION, "doom_loop"), "same call: (no details)"),
    ]:
        assert expected in ask(Pending("a7k", request, NOW), "en", NOW)


def test_a_command_is_shown_as_it_is_and_whole_where_it_is_decided():
    command = "echo `date`\n```\n" + "x" * 2_000 + "END"
    request = PermissionRequest("p", SESSION, "bash", metadata={"command": command})
    whole = ask(Pending("a7k", request, NOW), "en", NOW, whole=True)
    assert f"````\n{command}\n````" in whole
    part_of_it = ask(Pending("a7k", request, NOW), "en", NOW)
    assert "END" in part_of_it
    assert "characters left out, /pending shows all" in part_of_it
    assert len(part_of_it) < 1_500


def test_secrets_in_a_command_are_masked():
    assert (
        masked("curl -H 'Authorization: Bearer abc.def' x")
        == "curl -H 'Authorization: Bearer ****' x"
    )
    assert masked("TOKEN=abc API_KEY='d e' mysql --password hunter2") == (
        "TOKEN=**** API_KEY='**** e' mysql --password ****"
    )
    assert masked("git push https://me:pw@host/x") == "git push https://me:****@host/x"
    assert masked("ls -la tokens/") == "ls -la tokens/"
    assert masked("克隆这个仓库https://me:pw@host/x") == "克隆这个仓库https://me:****@host/x"


@pytest.mark.parametrize("unit", ["x", "token", "a://", "a://b:", "--password ", "bearer", "_a"])
def test_a_long_command_is_masked_without_reading_it_again_from_every_place(unit):
    masked(unit * (50_000 // len(unit)))  # quadratic, some of these would take minutes


def test_the_first_three_requests_show_and_the_rest_is_counted():
    text = asks([PERMISSION] * 5, "en", NOW)
    assert text.count("🔐") == 3
    assert text.endswith("2 more: /pending")


def test_a_request_in_one_line():
    assert short(PERMISSION, "en") == "🔐 a7k · Run a command `npm run x`"
    assert short(QUESTION, "en") == "❓ c3m · Which colour?"
    other = PermissionRequest("p", SESSION, "mcp_x", ("a",))
    assert short(Pending("a7k", other, NOW), "en") == "🔐 a7k · mcp_x `a`"
    assert short(Pending("a7k", QuestionRequest("q", SESSION), NOW), "en") == "❓ a7k · "


# What it is doing, in words


@pytest.mark.parametrize(
    ("summary", "pending", "expected"),
    [
        (begun(), [PERMISSION], "waiting for approval a7k (for 1m00s)"),
        (begun(), [QUESTION], "waiting for an answer to c3m (for 0s)"),
        (retrying(), [], "the model is rate-limited: model retrying, next try in 8 s"),
        (
            answering(bash("npm test", started_at=NOW - 240_000)),
            [],
            "command running 4m00s: `npm test`",
        ),
        (answering(tool("webfetch", status="running")), [], "tool webfetch at work for 3m19s"),
        (folded(child()), [], "a sub-agent is at work: look around (@general subagent)"),
        (answering(thought(done=False)), [], "the model is thinking"),
        (answering(words("x", done=False)), [], "the model is writing"),
        (folded(updated(step())), [], "waiting for the model"),
        (folded(busy()), [], "waiting for the model"),
        (begun(), [], "OpenCode has not begun yet"),
    ],
)
def test_what_a_turn_does_is_said_in_words(summary, pending, expected):
    assert activity(summary, pending, NOW, "en") == expected


def test_a_stall_names_its_cause_and_only_a_stall_does():
    summary = answering(bash("npm test", started_at=NOW - 240_000), at=NOW - 120_000)
    text = diagnose(summary, [], NOW, stall_after_ms=90_000, language="en")
    assert text == (
        "⚠️ Nothing new for 2m00s; command running 4m00s: `npm test`. /stop ends it. E-STALL"
    )
    assert diagnose(summary, [], NOW, stall_after_ms=150_000, language="en") == ""


def test_a_running_step_without_text_waits_for_the_model():
    assert activity(folded(updated(running())), [], NOW, "en") == "waiting for the model"
