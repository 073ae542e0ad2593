"""The soak as a picture and as a table."""

import matplotlib as mpl

from tests.soak.samples import BOUNDS, WAL_MB, after_warm_up, halves, slope

mpl.use("Agg")

from matplotlib import pyplot as plt

PANELS = (
    ("rss_mb", "resident memory, MB"),
    ("fds", "open descriptors"),
    ("wal_mb", "write-ahead log, MB"),
    ("p50_ms", "p50 of an answer to WeCom, ms"),
    ("p99_ms", "p99 of an answer to WeCom, ms"),
    ("streams", "turns that run"),
)


def draw(samples, title, file):
    """Save one panel for each measure; what counts stands out from the warm-up."""
    later = after_warm_up(samples)
    figure, axes = plt.subplots(3, 2, figsize=(12, 10), sharex=True, layout="constrained")
    figure.suptitle(title)
    for axis, (name, label) in zip(axes.flat, PANELS, strict=True):
        for part, color in ((samples, "0.75"), (later, "tab:blue")):
            axis.plot(
                [s.at_s / 60 for s in part], [getattr(s, name) for s in part], color=color, lw=1.2
            )
        axis.set_title(label, fontsize=10, loc="left")
        axis.set_ylim(0, 1.1 * max(getattr(s, name) for s in samples) or 1)
        axis.grid(visible=True, alpha=0.3)
        axis.set_xlabel("minutes")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def table(samples, lines):
    """Return the figures as Markdown; ``lines`` stand beneath."""
    later = after_warm_up(samples)
    rss, blocks, fds = (slope(later, name) for name, _, _ in BOUNDS)
    first, second = halves(later)
    rows = [
        ("resident memory", f"{later[0].rss_mb:.1f} → {later[-1].rss_mb:.1f} MB"),
        ("its slope", f"{rss.per_hour:+.2f} ± {rss.error:.2f} MB/h (bound: 1)"),
        ("blocks of Python's memory", f"{later[0].blocks:,} → {later[-1].blocks:,}"),
        ("their slope", f"{blocks.per_hour:+,.0f} ± {blocks.error:,.0f} an hour (bound: 10,000)"),
        ("open descriptors", f"{min(s.fds for s in later)} to {max(s.fds for s in later)}"),
        ("their slope", f"{fds.per_hour:+.1f} ± {fds.error:.1f} an hour"),
        ("threads", f"{min(s.threads for s in later)} to {max(s.threads for s in later)}"),
        (
            "write-ahead log",
            f"at most {max(s.wal_mb for s in samples):.1f} MB (bound: {WAL_MB:.0f})",
        ),
        ("turns at once", f"{min(s.streams for s in later)} to {max(s.streams for s in later)}"),
        ("p50 of an answer to WeCom", f"{sorted(s.p50_ms for s in later)[len(later) // 2]:.1f} ms"),
        ("p99, first and second half", f"{first:.1f} and {second:.1f} ms"),
    ]
    cells = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| After the warm-up | |", "|---|---|", *cells, "", *lines, ""])
