"""The drill's figures: one row a point and cut, for the terminal and for a page."""

from collections import Counter
from dataclasses import dataclass, field

from tests.drill.judge import LOST, STUCK, TWICE_ASKED, TWICE_SHOWN

NAMED = (LOST, TWICE_ASKED, TWICE_SHOWN, STUCK)
HEAD = (
    *("point", "cut", "where", "runs", "reached", "lost", "duplicate prompts"),
    *("duplicate finals", "stuck", "other", "never heard", "first reply", "re-attached"),
)


@dataclass
class Row:
    """The runs of one point and one cut."""

    point: str
    cut: str
    where: str
    runs: int = 0
    reached: int = 0
    counts: Counter = field(default_factory=Counter)
    faults: list = field(default_factory=list)
    first_reply_s: float = 0.0
    attached_s: float = 0.0
    ended_s: float = 0.0
    unheard: int = 0

    def add(self, outcome):
        """Count a run."""
        self.runs += 1
        self.reached += outcome.reached
        self.unheard += outcome.unheard
        self.counts.update(fault.kind for fault in outcome.faults)
        self.faults += [f"{outcome.case}: {fault}" for fault in outcome.faults]
        self.first_reply_s = max(self.first_reply_s, outcome.first_reply_s)
        self.attached_s = max(self.attached_s, outcome.attached_s)
        self.ended_s = max(self.ended_s, outcome.ended_s)

    @property
    def cells(self):
        """The row in words."""
        named = [self.counts[kind] for kind in NAMED]
        other = sum(self.counts.values()) - sum(named)
        counts = (self.runs, self.reached, *named, other, self.unheard)
        times = (f"{self.first_reply_s:.2f} s", f"{self.attached_s:.2f} s")
        where = f"{self.where}; it ends within {self.ended_s:.2f} s" if self.ended_s else self.where
        return (self.point, self.cut, where, *map(str, counts), *times)


def total(rows):
    """Return the sum of rows, and of their times the worst."""
    whole = Row("all", "", "")
    for row in rows:
        whole.runs += row.runs
        whole.reached += row.reached
        whole.unheard += row.unheard
        whole.counts += row.counts
        whole.first_reply_s = max(whole.first_reply_s, row.first_reply_s)
        whole.attached_s = max(whole.attached_s, row.attached_s)
    return whole


def markdown(rows):
    """Return the rows as a table of Markdown, which reads well as it is, too."""
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    drawn = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([drawn[0], rule, *drawn[1:]])
