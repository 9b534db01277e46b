"""The serving benchmark as one figure: requests a second and p99 by connections, each server."""

from pathlib import Path

import serving_figures as figures

import utils

COLOURS = {  # this server and the naive original stand out; the peers are in the order of the run
    figures.OURS: "#d62728",
    figures.NAIVE: "#555555",
}
PEERS = ("#1f77b4", "#8ab8dc", "#2ca02c", "#9467bd", "#ff7f0e", "#b8860b", "#17becf")
ROWS = {"rps": "requests a second", "p99_ms": "p99, ms"}


def draw(result: figures.Result, path: Path) -> None:
    """Draw a result, whole or not at all; both axes of every part are logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    pairs = figures.kinds(result)
    pictures = list(dict.fromkeys(picture for picture, _ in pairs))
    counts = list(dict.fromkeys(n for _, n in pairs))
    peers = [name for name in result["servers"] if name not in COLOURS]
    colours = COLOURS | dict(zip(peers, PEERS, strict=False))
    shape = (len(ROWS), len(pictures))
    fig, axes = pyplot.subplots(*shape, figsize=(9, 6.2), sharex=True, squeeze=False)
    for row, (key, label) in enumerate(ROWS.items()):
        for column, picture in enumerate(pictures):
            part = axes[row][column]
            for name, server in result["servers"].items():
                found = [figures.figure(server, picture, n, key) for n in counts]
                part.plot(
                    range(len(counts)),
                    [one.median for one in found],
                    marker="o",
                    markersize=4,
                    linewidth=2.6 if name == figures.OURS else 1.3,
                    linestyle="--" if name == figures.NAIVE else "-",
                    color=colours.get(name, "black"),
                    label=server["title"],
                    zorder=3 if name == figures.OURS else 2,
                )
            if key == "rps" and result["ceiling"]:
                top = figures.ceiling(result, picture, "rps").median
                part.axhline(top, color="black", linewidth=1, linestyle=":", label="ceiling")
            part.set_yscale("log")
            part.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            part.yaxis.set_major_formatter("{x:,g}")
            part.yaxis.set_minor_formatter(ticker.NullFormatter())
            part.grid(True, alpha=0.25)
            part.set_xticks(range(len(counts)), counts)
            if row == 0:
                part.set_title(f"pictures of {picture}")
            else:
                part.set_xlabel("connections")
            if column == 0:
                part.set_ylabel(label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=9)
    fig.tight_layout(rect=(0, 0.09, 1, 1))
    with utils.atomic_path(path) as aside:
        fig.savefig(aside, dpi=110)
    pyplot.close(fig)
