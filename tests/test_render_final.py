import pytest

from bot.opencode.model import ServerError
from bot.render import ChangedFile, Ending, age, final, reason
from bot.texts.turns import OUTCOMES

FILES = (ChangedFile("index.html", "added", 12, 0), ChangedFile("img/logo.png", "added"))


def ended(outcome="answered", text="All done.", **more):
    given = {"n": 31, "language": "en", "outcome": outcome, "text": text, "elapsed_ms": 401_000}
    return final(Ending(**given | more))


def test_the_footer_tells_how_it_ended():
    answer = ended(changes=FILES, link="https://x/t/31/k/", approvals=2)
    assert answer.body == "All done."
    assert answer.footer.splitlines() == [
        "📄 `index.html` +12 −0, `img/logo.png`",
        "✅ Done · 6m41s · files changed: 2 · approvals: 2 · #31 · [Files and diff](https://x/t/31/k/)",
    ]
    assert answer.more == "… (in full: [open](https://x/t/31/k/))"


def test_without_a_public_url_the_files_are_named_and_the_reason_is_given():
    answer = ended(changes=FILES, language="zh")
    assert "`index.html` +12 −0" in answer.footer
    assert "没有链接：管理员还没有设置 server.public_url" in answer.footer
    assert answer.more == "……（未完，/result 31 2 看后续）"
    assert "public_url" not in ended().footer


def test_many_files_are_counted_and_deleted_ones_named_so():
    changes = [ChangedFile(f"{n}.py", "deleted", 0, 3) for n in range(7)]
    footer = ended(changes=changes).footer
    assert "`4.py` (deleted), and 2 more" in footer
    assert "5.py" not in footer


def test_a_claimed_file_that_is_not_there_is_warned_of():
    footer = ended(missing=["report.html", "a.csv"], notes=["A note."]).footer
    assert footer.startswith("A note.\n⚠️ The answer claims `report.html`, `a.csv`, but")
    assert "✅" not in footer
    assert "⚠️ Done, but without `report.html`, `a.csv` · /retry 31 · 6m41s" in footer
    assert "⚠️ 完成，但缺文件 `a`、`b` … · /retry 31" in ended(missing="abc", language="zh").footer


def test_a_missing_file_does_not_hide_a_failure():
    error = ServerError("APIError", "boom", 503)
    footer = ended("failed", "half", error=error, missing=["a"]).footer
    assert "❌ Failed: the provider failed (503)" in footer


def test_a_request_that_was_turned_down_is_not_to_be_tried_again_as_it_is():
    error = ServerError("APIError", "bad thing", 400)
    body = ended("failed", "", error=error, language="zh").body
    assert body == "❌ 失败：模型服务不接受这次请求（400） · 换个说法或 /model 换模型"
    assert "/retry" in ended("failed", "", error=ServerError("APIError", "boom", 503)).body


def test_the_link_promises_a_diff_only_where_something_changed():
    assert "[Open](https://x/t/31/k/)" in ended(link="https://x/t/31/k/").footer
    assert "[查看](https://x/)" in ended(link="https://x/", language="zh").footer
    assert (
        "[查看文件与差异](https://x/)"
        in ended(link="https://x/", language="zh", changes=FILES).footer
    )


def test_no_words_but_files_are_answered_with_the_files():
    answer = ended(text="  \n", changes=FILES, link="https://x/")
    assert (
        answer.body
        == "No words from the model; files changed: 2\n\n- `index.html` +12 −0\n- `img/logo.png`"
    )
    assert answer.footer.startswith("✅ Done")
    assert "📄" not in answer.footer
    assert ended("empty", "", changes=FILES).footer.startswith("✅ Done")
    many = [ChangedFile(f"{n}.py", "added") for n in range(25)]
    assert ended(text="", changes=many).body.endswith("`19.py`\n- …")


def test_nothing_at_all_is_said_honestly():
    answer = ended("empty", "")
    assert answer.body == "No words, and no file changed."
    assert answer.footer.startswith("⚠️ Nothing was produced")
    assert ended("answered", "", tools=2).body.endswith("tool calls made: 2.")


def test_a_turn_that_went_wrong_without_words_is_its_own_message():
    error = ServerError("APIError", "secret internals", 402)
    answer = ended("failed", "", error=error)
    assert answer.body == "❌ Failed: the quota is used up · /retry 31"
    assert answer.footer == "6m41s · #31"
    assert ended("interrupted", "", stopped="⛔ Stopped by @a").body == "⛔ Stopped by @a"
    partial = ended("failed", "half an answer", error=error)
    assert partial.body == "half an answer"
    assert partial.footer.startswith("❌ Failed: the quota is used up")
    assert ended("aborted", "half", stopped="⛔ Stopped by @a").footer.startswith(
        "⛔ Stopped by @a ·"
    )


def test_a_turn_that_went_wrong_after_it_changed_files_lists_them():
    answer = ended("interrupted", "", changes=FILES)
    assert answer.body.startswith("No words from the model; files changed: 2")
    assert answer.footer.startswith("🔌 OpenCode went away")


def test_every_outcome_has_its_own_sentence():
    for language in ("zh", "en"):
        said = {ended(outcome, "x", language=language).footer for outcome in OUTCOMES}
        assert len(said) == len(OUTCOMES)


def test_an_open_code_block_is_closed_before_the_footer():
    assert ended(text="```py\nx = 1\n").body == "```py\nx = 1\n```"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, "OpenCode did not take the message in"),
        (ServerError("ContextOverflowError", "prompt too long"), "start /new"),
        (ServerError("UnknownError", "Session too large to compact"), "start /new"),
        (
            ServerError("UnknownError", "Tool call not allowed while generating summary: x"),
            "summing",
        ),
        (ServerError("ProviderAuthError", "x"), "refused the key"),
        (ServerError("APIError", "nope", 401), "refused the key"),
        (ServerError("APIError", "You exceeded your current quota", 429), "quota"),
        (ServerError("APIError", "slow down", 429), "rate-limited"),
        (ServerError("UnknownError", "Rate limit reached"), "rate-limited"),
        (ServerError("UnknownError", 'Agent not found: "x"'), "/agent"),
        (ServerError("UnknownError", "Model not found: a/b."), "/model"),
        (ServerError("UnknownError", "Invalid image data"), "attachment"),
        (ServerError("UnknownError", "SSE read timed out"), "in time"),
        (ServerError("APIError", "boom", 503), "the provider failed (503)"),
        (ServerError("APIError", "bad thing", 400), "refused the request (400)"),
        (ServerError("UnknownError", "at <anonymous> (/$bunfs/x.js)"), "inside OpenCode"),
    ],
)
def test_why_it_failed_is_said_in_our_words(error, expected):
    text = reason(error, "en")
    assert expected in text
    assert error is None or error.message not in text


def test_ages_read_as_people_say_them():
    assert [age(ms) for ms in (-5, 999, 45_000, 200_000, 3_725_000)] == [
        "0s",
        "0s",
        "45s",
        "3m20s",
        "1h02m05s",
    ]


def test_a_file_that_is_served_opens_by_its_name():
    page = ChangedFile("index.html", "added", 13, 0, "https://x/t/31/k/raw/index.html")
    answer = ended(changes=(page,), link="https://x/t/31/k/")
    assert "[`index.html`](https://x/t/31/k/raw/index.html) +13" in answer.footer
