"""What the bot wrote, as HTML that is safe to show: the Markdown that WeCom's client renders.

https://developer.work.weixin.qq.com/document/path/91770 (markdown_v2)
"""

import re

import nh3
from markdown_it import MarkdownIt

THINK = re.compile(r"^[ \t]*<think>(.*?)(?:</think>|\Z)", re.DOTALL | re.MULTILINE)
TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "blockquote"),
    *("ul", "ol", "li", "a", "img", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")


def to_html(content: str) -> str:
    """Render an answer; what stands in ``<think>`` becomes a block that opens on a click."""
    html, end = [], 0
    for thought in THINK.finditer(content):
        html += [_render(content[end : thought.start()]), _fold(thought[1])]
        end = thought.end()
    return "".join([*html, _render(content[end:])])


def _fold(thought: str) -> str:
    inner = _render(thought)
    return f'<details class="think"><summary></summary>{inner}</details>'


def _render(markdown: str) -> str:
    return nh3.clean(
        MARKDOWN.render(markdown),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
