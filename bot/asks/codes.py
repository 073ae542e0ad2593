"""The short names that people type: three characters, none of which looks like another."""

import secrets
from collections.abc import Collection

LETTERS = "acdefhjkmnprtwxy"
DIGITS = "34679"


def new_code(taken: Collection[str]) -> str:
    """Return a code that is not taken; a digit in the middle keeps it from being a word."""
    while True:
        code = secrets.choice(LETTERS) + secrets.choice(DIGITS) + secrets.choice(LETTERS)
        if code not in taken:
            return code
