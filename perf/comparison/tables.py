# SPDX-License-Identifier: GPL-3.0-or-later
"""Results for people: Markdown whose columns line up, so that a terminal will do as well."""
import comparison.powercut as powercut

NOTHING = "-"
LOAD_SHARE_MAX = 0.97  # of its core
KEPT_SHARE_MIN = 0.99  # of what was due


def number(value):
    """Three digits that count."""
    if value is None:
        return NOTHING
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def milliseconds(value_us):
    return number(value_us / 1000) if value_us is not None else NOTHING


def table(head, rows):
    """The first column to the left, the others to the right."""
    cells = [list(map(str, row)) for row in [head] + rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(
        text.ljust(width) if column == 0 else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths))) + " |" for row in cells]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return [lines[0], "| " + " | ".join(rule) + " |"] + lines[1:]


def left_table(head, rows):
    """All columns to the left: text."""
    cells = [list(map(str, row)) for row in [head] + rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |"
             for row in cells]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |"] + lines[1:]


def memory(results, server):
    peak = results.peak_memory(server)
    if peak is None:
        return NOTHING
    return f"{number(peak[0])} MiB" + ("" if peak[1] == "peak" else " (shared once)")


def server_table(results, servers, versions):
    rows = [(server.name, server.title + (f" ({versions[server.name]})"
                                          if versions.get(server.name) else ""),
             powercut.explain(results.durable.get(server.name)), memory(results, server.name))
            for server in servers]
    return left_table(("server", "what it is", "on stable storage before the 250?",
                       "peak memory"), rows)


def of_key(key, show):
    """A cell: the median of a figure."""
    return lambda results, server, index: show(results.value(server, index, key))


def rate(results, server, index):
    """More than that, where the load had no time left."""
    text = number(results.value(server, index, "messages_per_s"))
    share = results.value(server, index, "load_share")
    return f"> {text}" if share is not None and share > LOAD_SHARE_MAX else text


def latency(key):
    """More than that, where the server did not keep up with an open loop."""
    def cell(results, server, index):
        text = milliseconds(results.value(server, index, key))
        share = results.value(server, index, "kept_share")
        return f"> {text}" if share is not None and share < KEPT_SHARE_MIN else text
    return cell


CPU = "server CPU, µs per message (user and system, all its processes)"
RATE = "messages per second (> : the load was busy all the time)"
METRICS = (
    (CPU, of_key("cpu_us", number)),
    (RATE, rate),
    ("latency of a message, p50, ms", latency("p50_us")),
    ("latency of a message, p99, ms", latency("p99_us")),
)
# Of an open loop, whose latency counts from the time when a message was due.
TAILS = (("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))


def is_any(_workload):
    return True


def is_open(workload):
    return workload.rate is not None


def is_fixed(workload):
    """At a share of its own maximum each server has another rate."""
    return is_open(workload) and not workload.rate.is_share


def columns(results, mode, is_wanted):
    return [(index, workload.name) for index, workload in enumerate(results.workloads)
            if workload.mode == mode and is_wanted(workload)]


def metric_table(results, servers, mode, cell_of, is_wanted=is_any):
    chosen = columns(results, mode, is_wanted)
    rows = []
    for server in servers:
        cells = [cell_of(results, server.name, index) for index, _ in chosen]
        if any(cell != NOTHING for cell in cells):
            rows.append([server.name] + cells)
    return table(["size/connections"] + [name for _, name in chosen], rows) if rows else []


def ratio_table(results, servers, mode, key="cpu_us", is_wanted=is_any):
    chosen = columns(results, mode, is_wanted)
    rows = []
    for server in servers:
        for base in results.bases(server.name):
            cells = [number(results.ratio(server.name, base, index, key)) for index, _ in chosen]
            if any(cell != NOTHING for cell in cells):
                rows.append([f"{server.name} / {base}"] + cells)
    return table(["size/connections"] + [name for _, name in chosen], rows) if rows else []


def modes(results):
    return list(dict.fromkeys(workload.mode for workload in results.workloads))


def section(lines, title, rows):
    if rows:
        lines += ["", f"### {title}", ""] + rows


def closed_sections(lines, results, servers, mode):
    for place, (title, cell_of) in enumerate(METRICS):
        section(lines, f"{mode}: {title}", metric_table(results, servers, mode, cell_of))
        if place == 0:
            section(lines, f"{mode}: that as a multiple of the floor's",
                    ratio_table(results, servers, mode))


def open_sections(lines, results, servers, mode):
    section(lines, f"{mode}: {CPU}", metric_table(results, servers, mode, METRICS[0][1]))
    section(lines, f"{mode}: that as a multiple of the floor's",
            ratio_table(results, servers, mode))
    section(lines, f"{mode}: {RATE}", metric_table(results, servers, mode, rate))
    for name, key in TAILS:
        section(lines, f"{mode}: latency of a message from when it was due, {name}, ms "
                       "(> : it did not keep up)",
                metric_table(results, servers, mode, latency(key), is_open))
        section(lines, f"{mode}: {name} as a multiple of the floor's at the same rate",
                ratio_table(results, servers, mode, key, is_fixed))


def skipped_lines(skipped):
    return [f"- {row['name']}: {row['why']}; {row['how']}" for row in skipped]


def markdown(results, servers, about):
    """The whole result. `about`: facts, versions, skipped, rounds, left_out, notes."""
    lines = ["# SMTP servers compared", ""]
    lines += left_table(("", ""), list(about["facts"].items()))
    lines += ["", f"Rounds: {about['rounds']}, a turn {about['duration_s']:g} s; all servers are "
              "up at once and take turns within a workload, each round starts anew. Medians."]
    section(lines, "The servers", server_table(results, servers, about["versions"]))
    lines += ["", *about["notes"]]
    put_sections = open_sections if any(map(is_open, results.workloads)) else closed_sections
    for mode in modes(results):
        lines += ["", f"## {mode}"]
        put_sections(lines, results, servers, mode)
    if about["skipped"]:
        lines += ["", "### Not measured", ""] + skipped_lines(about["skipped"])
    failures = results.failures()
    if failures:
        lines += ["", "### Errors", ""] + [f"- {line}" for line in failures]
    if about["left_out"]:
        lines += ["", "Left out, more than 256 MiB in flight: " +
                  ", ".join(about["left_out"]) + "."]
    return "\n".join(lines) + "\n"
