# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture: server CPU per message, or the p99 of open loops; a panel for each mode, size and
rate, a dot for each server."""
import importlib
import math

import comparison.tables as tables

MISSING = "matplotlib is missing: no plot (Debian: apt-get install python3-matplotlib)"

# Told apart without colour by their shapes; the colours are Okabe and Ito's.
STYLES = {
    "ours": ("#d55e00", "o"),
    "floor": ("#777777", "|"),
    "durable": ("#0072b2", "s"),
    "loose": ("#56b4e9", "^"),
}
LABELS = {
    "ours": "ringpostd",
    "floor": "the floors",
    "durable": "on stable storage before the 250",
    "loose": "not on stable storage before the 250",
}


def load():
    """matplotlib.pyplot without a display, or None."""
    try:
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return None


def usual(counts):
    """Of the numbers of connections the one nearest to 100."""
    return min(counts, key=lambda count: abs(math.log(count / 100)))


def style_of(results, server):
    if server.kind in ("ours", "floor"):
        return server.kind
    return "durable" if results.is_durable(server.name) else "loose"


def panels(results, is_open):
    """[(mode, [(size and rate, index of the workload), ...]), ...] at the usual connections."""
    rows = {}
    count = usual([workload.connections for workload in results.workloads])
    for index, workload in enumerate(results.workloads):
        if workload.connections == count and (workload.rate is not None) == is_open:
            rows.setdefault(workload.mode, []).append(
                (workload.size_name + workload.rate_name, index))
    return count, list(rows.items())


def draw_panel(axes, results, servers, index, is_open):
    for place, server in enumerate(servers):
        value = results.value(server.name, index, "p99_us" if is_open else "cpu_us")
        value = value / 1000 if is_open and value is not None else value
        if value is None:
            axes.text(0.02, place, "not offered or not measured", fontsize=6, color="#777777",
                      va="center", transform=axes.get_yaxis_transform())
            continue
        colour, marker = STYLES[style_of(results, server)]
        axes.plot([value], [place], marker=marker, color=colour, markersize=8,
                  markeredgewidth=2.5 if marker == "|" else 0, linestyle="none")
        axes.annotate(tables.number(value), (value, place), xytext=(7, 0),
                      textcoords="offset points", fontsize=7, va="center")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.grid(axis="x", which="major", color="#dddddd")
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.margins(x=0.25)


def write(results, servers, title, stem):
    """STEM.png and STEM.svg; the names of what was written, none without matplotlib."""
    pyplot = load()
    if pyplot is None or not results.workloads:
        return []
    is_open = any(workload.rate for workload in results.workloads)
    count, rows = panels(results, is_open)
    width = max(len(row) for _, row in rows)
    figure, grid = pyplot.subplots(
        len(rows), width, squeeze=False, sharey=True,
        figsize=(2.2 + 2.9 * width, 2.2 + (0.6 + 0.27 * len(servers)) * len(rows)))
    for line, (mode, row) in zip(grid, rows):
        for axes in line[len(row):]:
            axes.set_visible(False)
        for axes, (size, index) in zip(line, row):
            axes.set_title(f"{size}, {mode}", fontsize=9)
            axes.set_yticks(range(len(servers)), [server.name for server in servers], fontsize=8)
            draw_panel(axes, results, servers, index, is_open)
            axes.tick_params(axis="x", labelsize=7)
        line[0].set_ylim(len(servers) - 0.4, -0.6)
    for axes in grid[-1]:
        axes.set_xlabel("ms" if is_open else "µs per message", fontsize=8)
    what = "p99 of the latency from when a message was due" if is_open else "Server CPU per message"
    figure.suptitle(f"{what}, {count} connections\n{title}", fontsize=10)
    used = {style_of(results, server) for server in servers}
    marks = [pyplot.Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=8,
                           markeredgewidth=2.5 if marker == "|" else 0, label=LABELS[name])
             for name, (colour, marker) in STYLES.items() if name in used]
    figure.legend(handles=marks, loc="lower center", fontsize=8,
                  ncols=len(marks) if width > 2 else 2 if width == 2 else 1, frameon=False)
    room = 0.3 if width > 2 else 0.5 if width == 2 else 0.9  # inches, for the legend
    figure.tight_layout(rect=(0, room / figure.get_figheight(), 1, 1))
    names = [f"{stem}.png", f"{stem}.svg"]
    for name in names:
        figure.savefig(name, dpi=130)
    pyplot.close(figure)
    return names
