"""An answer's Markdown as HTML that is safe to show."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from bot.snapshot.places import inside

LIGHT, DARK = "default", "github-dark"
HIGHLIGHT_CHARS = 100_000
_LINE_NUMBERS = re.compile(r"(?::\d+(?:-\d+)?)+$")
TEXT_TAGS = {"a", "br", "code", "del", "em", "img", "s", "span", "strong"}
BLOCK_TAGS = {"blockquote", "hr", "li", "ol", "p", "pre", "ul", "table", "tbody", "td", "th"}
TAGS = TEXT_TAGS | BLOCK_TAGS | {"thead", "tr", "h1", "h2", "h3", "h4", "h5", "h6"}
ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title"},
    "span": {"class"},
    "ol": {"start"},
}
SCHEMES = {"http", "https", "mailto"}


def to_html(markdown: str, directory: str) -> str:
    """Render ``markdown``; a path of the workspace ``directory`` becomes a link below ``raw/``.

    A line ends where it ends, as in the chat.
    """
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "highlight": _coloured})
    parser.enable(["table", "strikethrough"])
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, directory))
    return nh3.clean(
        parser.renderer.render(tokens, parser.options, {}),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )


def style() -> str:
    """Return the style sheet of coloured code, for light and for dark."""
    light, dark = _colours(LIGHT), _colours(DARK)
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _colours(name: str) -> str:
    formatter = HtmlFormatter(style=name)
    rules: str = formatter.get_style_defs("pre")  # type: ignore[no-untyped-call]  # types-pygments lacks it
    return rules


def _coloured(code: str, language: str, _attributes: str) -> str:
    """Return the inside of a code block; without a language (or a huge one) it stays plain."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return escape(code)
    if len(code) > HIGHLIGHT_CHARS:
        return escape(code)
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def _linked(tokens: Sequence[Token], directory: str) -> Iterator[Token]:
    """Turn paths into links; a picture from elsewhere becomes a link, since nothing is fetched."""
    for token in tokens:
        if token.type == "link_open":
            token.attrs["href"] = _target(str(token.attrs["href"]), directory)
        if token.type != "image":
            yield token
            continue
        source = _target(str(token.attrs["src"]), directory)
        token.attrs["src"] = source
        if source.startswith("raw/"):
            yield token
        else:
            yield Token("link_open", "a", 1, attrs={"href": source})
            yield Token("text", "", 0, content=token.content or source)
            yield Token("link_close", "a", -1)


def _target(address: str, directory: str) -> str:
    """Return where a link leads: to the web, within the answer, or to a file of the turn."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "#"
    if parts.scheme in SCHEMES or address.startswith("#"):
        return address
    if parts.netloc:
        return "#"
    written, _, fragment = unquote(address).partition("#")
    path = inside(_LINE_NUMBERS.sub("", written), Path(directory))
    return f"raw/{quote(path)}" + (f"#{quote(fragment)}" if fragment else "") if path else "#"
