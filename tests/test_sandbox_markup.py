"""How the sandbox's page renders answers: as WeCom shows them, and never as code."""

import re

import pytest

from bot.sandbox.markup import to_html


def test_markdown_is_rendered_as_wecom_shows_it():
    html = to_html("# T\n\n**b** `c`\nnext\n\n| a |\n|---|\n| 1 |\n\n```js\nx < 1\n```")
    for piece in ("<h1>T</h1>", "<strong>b</strong>", "<br>", "<td>1</td>", "x &lt; 1"):
        assert piece in html


def test_a_link_opens_in_a_new_tab():
    html = to_html("[a](http://127.0.0.1/t)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer"' in html


def test_thoughts_are_folded_also_while_they_grow():
    html = to_html("<think>\n**hm**\n</think>\nanswer")
    assert '<details class="think"><summary></summary><p><strong>hm</strong></p>' in html
    assert html.endswith("</details><p>answer</p>\n")
    assert to_html("<think>still").count("details") == 2
    assert "details" not in to_html("use `<think>` here")


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "![a](data:text/html;base64,x)",
        "<think><script>alert(1)</script></think>",
        "<details open ontoggle=alert(1)>",
    ],
)
def test_an_answer_cannot_bring_code(evil):
    html = to_html(evil)
    assert not re.search(
        r"<script|<img[^>]*onerror|<[^>]*javascript:|<img[^>]*data:|<details o", html
    )
