import sys
from collections import Counter
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.claims import claimed

CORPUS = Path(__file__).parent / "data" / "claims.tsv"
LEAST = 0.95


def corpus():
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        kind, paths, text = line.split("\t")
        yield kind, set() if paths == "-" else set(paths.split(",")), text.replace("\\n", "\n")


def test_claims_are_told_from_intents_mentions_and_the_rest(capsys):
    counts = Counter()
    for _, wanted, text in corpus():
        found = set(claimed(text))
        counts.update(right=len(found & wanted), wrong=len(found - wanted))
        counts.update(missed=len(wanted - found), sentences=1)
    precision = counts["right"] / (counts["right"] + counts["wrong"])
    recall = counts["right"] / (counts["right"] + counts["missed"])
    with capsys.disabled():
        sys.stdout.write(
            f"\nclaims: {counts['sentences']} sentences, {precision=:.3f}, {recall=:.3f}\n"
        )
    assert counts["sentences"] >= 120
    assert precision >= LEAST
    assert recall >= LEAST


def test_the_corpus_knows_every_kind_of_sentence():
    kinds = Counter(kind for kind, _, _ in corpus())
    assert kinds.keys() >= {
        "claim",
        "intent",
        "negation",
        "question",
        "conditional",
        "mention",
        "past",
        "url",
        "code",
        "mixed",
    }
    assert kinds["claim"] >= 40


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("已生成 report.html", ["report.html"]),
        ("saved to out/a.csv", ["out/a.csv"]),
        ("saved to ./out/a.csv and updated out/a.csv", ["out/a.csv"]),
        ("我将创建 index.html", []),
        ("you could create index.html", []),
        ("```\n已生成 report.html\n```", []),
        ("Created a.py", ["a.py"]),
        ("", []),
    ],
)
def test_the_examples_of_the_rule(text, paths):
    assert claimed(text) == paths


def test_a_list_under_an_announcement_ends_with_the_list():
    text = "Created files:\n- `a.py` — uses `x.py`\n\n* b.py\n\nThe rest is in c.py.\n- d.py"
    assert claimed(text) == ["a.py", "b.py"]


def test_a_link_to_a_file_is_its_target_and_a_link_with_words_its_words():
    assert claimed("Created [the page](out/index.html).") == ["out/index.html"]
    assert claimed("Created [index.html](#top).") == ["index.html"]


def test_more_paths_than_can_be_numbered_do_no_harm():
    text = "\n".join(f"Created file{n}.py." for n in range(5_000)) + "\nCreated `last.py`."
    assert len(claimed(text)) == 4_000


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    assert all(path in text for path in claimed(text))


@pytest.mark.parametrize(
    "piece",
    ["[", "`", "-", "a/", "a.b.", "已生成", "I now ", "已", '"=', "报告", "**", "写入 a.csv，"],
)
def test_no_text_is_read_for_ever(piece):
    started = process_time()
    claimed(piece * (20_000 // len(piece)))
    assert process_time() - started < 5  # a regular expression that runs away takes minutes
