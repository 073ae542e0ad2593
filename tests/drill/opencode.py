"""OpenCode as the drill needs it: each prompt's answer follows from its words, whoever asks first."""

import base64
import re
from collections import Counter

from tests.drill.history import Prompt
from tests.fakes.opencode import FakeOpenCode
from tests.fakes.opencode_turns import ask, say

ASKED = re.compile(r"please (\w+) ([\w-]+)!")
PACE_S = 0.05
FILLER = " " + "word " * 12
PIECES = {"short": 6, "long": 24, "longest": 54, "permitted": 6}


def words_for(kind, word):
    """Return what a person says for an answer of this kind."""
    return f"please {kind} {word}!"


def begin_of(word):
    """Return the mark with which an answer begins."""
    return f"Answer to {word}."


def end_of(word):
    """Return the mark that stands in a whole answer and in nothing else."""
    return f"end of {word}."


class DrillOpenCode(FakeOpenCode):
    """Keeps, beside what the fake keeps, which prompts came while their session was at work."""

    def __init__(self, *, wordy=False):
        super().__init__()
        self.overlapping = set()
        self._filler = FILLER if wordy else ""

    def answer_to(self, message):
        said = [part["text"] for part in message["parts"] if part["type"] == "text"]
        found = ASKED.search(said[-1])
        if found is None:
            return super().answer_to(message)
        kind, word = found.groups()
        pieces = [begin_of(word)]
        for n in range(1, PIECES[kind] + 1):
            pieces += [PACE_S, f" p{n}{self._filler if kind == 'longest' else ''}"]
        answer = say(*pieces, f" {end_of(word)}")
        return (ask(), answer) if kind == "permitted" else (answer,)

    def prompted(self, session, message):
        _, task = self._runs.get(session) or (None, None)
        if task is not None and not task.done():
            self.overlapping.add(message["info"]["id"])
        return super().prompted(session, message)

    def asked(self):
        """Return every prompt that names a word, in order."""
        for prompt in self.prompts:
            found = ASKED.search(prompt.text)
            if found is not None:
                directory = self.sessions[prompt.session]["directory"]
                overlapping = prompt.message in self.overlapping
                yield Prompt(found[2], prompt.session, directory, overlapping)

    def files(self):
        """Return the content of every file that stood in a prompt."""
        parts = [part for prompt in self.prompts for part in prompt.parts]
        urls = [part["url"] for part in parts if part["type"] == "file"]
        return [base64.b64decode(url.partition(";base64,")[2]) for url in urls]

    def opened(self):
        """Count the sessions of each folder; those of sub-agents are none of ours."""
        return dict(Counter(session["directory"] for session in self.sessions.values()))
