"""Questions in the terminal: each says what is wrong with an answer, and asks again."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import questionary
from questionary import Question

Check = Callable[[str], str]
"""Returns why an answer cannot be taken; empty when it can."""

KEEPS = "(Enter keeps the one that is set)"
ALTERNATE_SCREEN, FORMER_SCREEN = "\x1b[?1049h\x1b[H", "\x1b[?1049l"


def nothing(_: str) -> str:
    """Take every answer."""
    return ""


class Terminal:
    """Asks one person. Every question raises ``KeyboardInterrupt`` on Ctrl-C."""

    def say(self, text: str = "") -> None:
        """Print a line."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def title(self, text: str) -> None:
        """Begin a step."""
        self.say(f"\n── {text} {'─' * max(0, 68 - len(text))}")

    def ask(self, question: str, *, default: str = "", check: Check = nothing) -> str:
        """Return a line of text; ``default`` stands in the line already."""
        return _answer(questionary.text(question, default=default, validate=_rule(check)))

    def ask_secret(self, question: str, *, present: str = "", check: Check = nothing) -> str:
        """Return a secret, which is not shown; nothing typed keeps the ``present`` one."""

        def rule(text: str) -> str:
            return "" if present and not text else check(text)

        words = f"{question} {KEEPS}" if present else question
        return _answer(questionary.password(words, validate=_rule(rule))) or present

    def complete(
        self, question: str, words: Sequence[str], *, default: str = "", check: Check = nothing
    ) -> str:
        """Return a line of text for which there are proposals."""
        if not words:
            return self.ask(question, default=default, check=check)
        asked = questionary.autocomplete(
            question,
            choices=list(words),
            default=default,
            validate=_rule(check),
            match_middle=True,
            ignore_case=True,
        )
        return _answer(asked)

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        return bool(questionary.confirm(question, default=default).unsafe_ask())

    def choose(self, question: str, options: Mapping[str, str], *, default: str = "") -> str:
        """Return the key of the option that was taken."""
        choices = [questionary.Choice(words, value=key) for key, words in options.items()]
        wanted = default if default in options else None
        return str(questionary.select(question, choices, default=wanted).unsafe_ask())

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Show what is said meanwhile on a screen of its own, of which nothing stays behind."""
        sys.stdout.write(ALTERNATE_SCREEN)
        sys.stdout.flush()
        try:
            yield
        finally:
            sys.stdout.write(FORMER_SCREEN)
            sys.stdout.flush()


def _answer(question: Question) -> str:
    return str(question.unsafe_ask()).strip()


def _rule(check: Check) -> Callable[[str], bool | str]:
    def rule(text: str) -> bool | str:
        return check(text.strip()) or True

    return rule
