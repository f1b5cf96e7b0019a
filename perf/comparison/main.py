# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP servers side by side on this machine: CPU, rate, latency, memory, and whether a message
was on stable storage before its 250.

ringpostd, the floors (the least that io_uring can do) and each peer that is there are started in
the foreground, pinned to one core, and driven by ringpost-load on another one. All are up at once
and take turns within a workload; each round starts them anew. Nothing is installed and nothing
stays: peers that perf/peers/get has unpacked run in a mount namespace of their own.
"""
import argparse
import contextlib
import json
import os
import sys

import comparison.account as account
import comparison.interrupt as interrupt
import comparison.machine as machine
import comparison.place as place
import comparison.plot as plot
import comparison.powercut as powercut
import comparison.rounds as rounds
import comparison.servers as servers_of
import comparison.tables as tables
import comparison.workload as workload_of
from comparison.rounds import PROGRAM, tell

EXIT_FINE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


# ---- arguments ----

class Parser(argparse.ArgumentParser):
    def error(self, message):
        tell(f"{message}; {PROGRAM} --help lists the options")
        sys.exit(EXIT_USAGE)


def seconds(text):
    value = float(text)
    if not 0 <= value <= 3600:
        raise ValueError
    return value


def positive(text):
    value = int(text)
    if not 1 <= value <= 1000:
        raise ValueError
    return value


def make_parser():
    parser = Parser(prog=PROGRAM, description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--build", metavar="DIR", default=os.path.join(servers_of.ROOT, "build"),
        help="Meson's build directory (build)")
    add("--rates", metavar="LIST",
        help="open loops at these messages a second (1000,5000), or at these shares of what each "
             "server takes at most (10%%,25%%,50%%), which is measured first")
    add("--sizes", metavar="LIST", help="of messages (1k,10k,100k,1m; with --rates 10k)")
    add("--connections", metavar="LIST", help="at once (1,100,1000; with --rates 50)")
    add("--modes", metavar="LIST", help="(plain,pipelined; with --rates plain)")
    add("--peers", metavar="LIST", default="all", help="names as --list prints them; all; none")
    add("--only", metavar="LIST", help="of all these servers only those with these names")
    add("--server", metavar="NAME=COMMAND", action="append", default=[],
        help="one more server in the foreground; {port}, {dir}, {build} in COMMAND are filled in")
    add("--rounds", metavar="N", type=positive, default=5, help="(5)")
    add("--duration", metavar="S", type=seconds,
        help="timed seconds of a turn (1; with --rates 5)")
    add("--warmup", metavar="S", type=seconds, default=0.2, help="seconds before them (0.2)")
    add("--out", metavar="DIR", default="compare-result",
        help="gets result.md, result.json, result.png, result.svg (compare-result)")
    add("--filesystem", choices=("ext4", "here"), default="ext4",
        help="ext4: one of its own on a loop device where that can be; here: that of --work")
    add("--image-size", metavar="SIZE", default="12gb", help="of that ext4 (12gb)")
    add("--log-size", metavar="SIZE", default="1gb", help="of the floors' logs (1gb)")
    add("--warm-memory", metavar="SIZE", default="1gb",
        help="touched before each turn of a server that keeps messages (1gb); 0: none")
    add("--work", metavar="DIR", help="for images and directories, on a real disk (the build's)")
    add("--packages", metavar="DIR", help="what perf/peers/get has unpacked (BUILD/peers)")
    add("--load", metavar="PROGRAM", help="the load generator (BUILD/perf/ringpost-load)")
    add("--cores", metavar="SERVER,LOAD", help="CPUs they are pinned to (the first two)")
    add("--no-power-cut", action="store_true", help="do not measure what is kept when power fails")
    add("--list", action="store_true", help="print the servers, and which are there, and exit")
    return parser


def parse_cores(text):
    usable = sorted(os.sched_getaffinity(0))
    if text is None:
        return usable[0], usable[1 if len(usable) > 1 else 0]
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isdigit() and int(part) in usable for part in parts):
        raise ValueError(f"--cores {text}: give two of the CPUs {','.join(map(str, usable))}")
    return int(parts[0]), int(parts[1])


# What is not given: for closed loops, and with --rates.
DEFAULTS = {"sizes": ("1k,10k,100k,1m", "10k"), "connections": ("1,100,1000", "50"),
            "modes": ("plain,pipelined", "plain"), "duration": (1.0, 5.0)}


def choose(options):
    """The servers that are asked for."""
    chosen = servers_of.choose(options.peers)
    chosen += [servers_of.given(text) for text in options.server]
    names = [server.name for server in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"there are two servers {name!r}")
    if options.only is None:
        return chosen
    wanted = [name.strip() for name in options.only.split(",")]
    for name in wanted:
        if name not in names:
            raise ValueError(f"--only: there is no server {name!r}; there are {', '.join(names)}")
    return [server for server in chosen if server.name in wanted]


def refine(options):
    """Texts become values; ValueError with what would be right."""
    for name, (closed, opened) in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, closed if options.rates is None else opened)
    options.build = os.path.abspath(options.build)
    options.work = os.path.abspath(options.work or options.build)
    options.packages = os.path.abspath(options.packages or os.path.join(options.build, "peers"))
    options.load = options.load or os.path.join(options.build, "perf", "ringpost-load")
    options.out = os.path.abspath(options.out)
    options.server_core, options.load_core = parse_cores(options.cores)
    options.chosen = choose(options)
    lists = {}
    for name, parse in (("modes", workload_of.parse_mode), ("sizes", workload_of.parse_size),
                        ("connections", workload_of.parse_count),
                        ("rates", workload_of.parse_rate)):
        if getattr(options, name) is None:
            continue
        try:
            lists[name] = workload_of.parse_list(getattr(options, name), parse)
        except ValueError as error:
            raise ValueError(f"--{name}: {error}") from None
    options.workloads, options.left_out = workload_of.make(**lists)
    for name, target in (("image-size", "image_octets"), ("warm-memory", "warm_octets"),
                         ("log-size", "log_octets")):
        text = getattr(options, name.replace("-", "_"))
        try:
            setattr(options, target, 0 if text == "0" else workload_of.parse_size(text))
        except ValueError as error:
            raise ValueError(f"--{name}: {error}") from None
    options.log_size = str(options.log_octets)
    if options.duration == 0:
        raise ValueError("--duration 0: nothing would be measured")
    return options


# ---- what is there ----

def sort_out(options):
    """(servers that can run, rows about the others)"""
    there, skipped = [], []
    for server in options.chosen:
        why = servers_of.why_not(server, options.build, options.packages)
        if why is None:
            there.append(server)
        else:
            skipped.append({"name": server.name, "why": why,
                            "how": servers_of.how_to_get(server)})
    return there, skipped


def print_list(options):
    rows = []
    for server in options.chosen:
        why = servers_of.why_not(server, options.build, options.packages)
        rows.append((server.name, server.title,
                     "there" if why is None else f"{why}; {servers_of.how_to_get(server)}"))
    print("\n".join(tables.left_table(("name", "what it is", "is it there?"), rows)))


def make_place(options, stack):
    """Where the servers' directories go, and a note when it is not what was asked for.

    The stack closes it.
    """
    note = None
    if options.filesystem == "ext4":
        where, note = make_loop(options, stack)
        if where is not None:
            return where, None
    where = place.Here(options.work)
    stack.callback(where.close)
    where.open()
    return where, note


def make_loop(options, stack):
    """(the ext4, None), or (None, why there is none)"""
    why = place.why_not_loop()
    if why is None:
        size = min(options.image_octets, place.free(options.work) * 2 // 3)
        tell(f"writing {size >> 20} MiB in full for an ext4 of its own")
        where = place.Loop(options.work)
        stack.callback(where.close)
        try:
            where.open(size)
            return where, None
        except place.Trouble as trouble:
            why = str(trouble)
    note = (f"No ext4 of its own ({why}): the servers' directories are on "
            f"{place.kind_of(options.work)}, and commits cost what they cost there.")
    tell(note)
    return None, note


# ---- results ----

def notes_of(options, note, cgroup):
    notes = [note] if note else []
    why = "--no-power-cut" if options.no_power_cut else powercut.why_not()
    if why is None:
        notes.append(
            f"Stable storage is measured: {powercut.MESSAGES} messages, one by one, on an ext4 of "
            "their own; its device is copied as it is right after the last 250, mounted, and "
            "searched for them. Flushed: the device was told to flush its cache before the 250.")
    else:
        notes.append(f"Whether messages are on stable storage before the 250 was not measured "
                     f"({why}); the ratios go by what each server says of itself.")
    if cgroup is None:
        notes.append("No cgroup v2 can be made here: CPU is that of the process tree in /proc, "
                     "connections and warm-up included.")
    if options.rates is not None:
        notes.append("Columns with a rate are open loops: messages become due at even distances, "
                     "whatever the server does, and latency counts from then. A share is one of "
                     "the median of the server's own closed loop, the column without a rate. "
                     "What did not keep up (99 % of what was due) was slower than its latency "
                     "tells: that grows with the length of a turn.")
    if options.server_core == options.load_core:
        notes.append("Server and load share one CPU: only CPU per message means something.")
    return notes + [f"Beware: {line}."
                    for line in machine.complaints(machine.build_options(options.build))]


def write_all(bench, options, about):
    """result.md, result.json and the plots; the Markdown, for the terminal."""
    os.makedirs(options.out, exist_ok=True)
    servers = [server for server in options.chosen if server.name in bench.results.names]
    stem = os.path.join(options.out, "result")
    title = f"{about['facts']['date']}, commit {about['facts']['commit']}"
    plots = plot.write(bench.results, servers, title, stem)
    if not plots:
        about["notes"].append(plot.MISSING[0].upper() + plot.MISSING[1:] + ".")
    text = tables.markdown(bench.results, servers, about)
    with open(stem + ".md", "w", encoding="utf-8") as file:
        file.write(text)
    with open(stem + ".json", "w", encoding="utf-8") as file:
        json.dump(as_object(bench, options, about, servers), file, indent=1)
        file.write("\n")
    return text, [stem + ".md", stem + ".json"] + plots


MEDIANS = ("cpu_us", "messages_per_s", "p50_us", "p99_us", "p999_us", "asked_per_s", "kept_share")


def as_object(bench, options, about, servers):
    results = bench.results
    return {
        **about,
        "servers": [{"name": server.name, "what": server.title, "kind": server.kind,
                     "command": " ".join(server.command),
                     "stable_storage": results.durable.get(server.name),
                     "is_durable": results.is_durable(server.name),
                     "measured_by": results.bases(server.name)} for server in servers],
        "workloads": [{"mode": workload.mode, "size": workload.size,
                       "connections": workload.connections,
                       "rate": workload.rate.name if workload.rate else None}
                      for workload in options.workloads],
        "medians": [{"server": server.name, "workload": index,
                     **{key: results.value(server.name, index, key)
                        for key in MEDIANS},
                     "ratios": {base: results.ratio(server.name, base, index)
                                for base in results.bases(server.name)},
                     "p99_ratios": {base: results.ratio(server.name, base, index, "p99_us")
                                    for base in results.bases(server.name)},
                     "p999_ratios": {base: results.ratio(server.name, base, index, "p999_us")
                                     for base in results.bases(server.name)}}
                    for server in servers for index in range(len(options.workloads))
                    if results.value(server.name, index, "cpu_us") is not None],
        "runs": results.runs,
    }


def measure(options, there, skipped):
    """The exit status. Whatever happens, nothing stays behind, and what is known is written."""
    cgroup = account.find_cgroup()
    with contextlib.ExitStack() as stack:
        where, note = make_place(options, stack)
        bench = rounds.Bench(options, there, skipped, where, cgroup)
        about = {
            "facts": machine.facts(options, where, "cgroup v2" if cgroup else "/proc"),
            "versions": {server.name: machine.version(server, options) for server in there},
            "skipped": skipped, "rounds": options.rounds, "duration_s": options.duration,
            "left_out": [f"{workload.mode} {workload.name}" for workload in options.left_out],
            "notes": notes_of(options, note, cgroup),
        }
        is_whole = False
        try:
            if not options.no_power_cut and powercut.why_not() is None:
                bench.cut_power()
            bench.run_all()
            is_whole = True
        except interrupt.Stop:
            tell("interrupted: cleaning up")
            about["notes"].append("Interrupted: not all rounds are in these figures.")
        interrupt.hush()  # from here on it only cleans up and writes
    if not any(run.get("accepted") for run in bench.results.runs):
        tell("nothing was measured")
        return EXIT_FAILED
    text, names = write_all(bench, options, about)
    print(text)
    tell("written: " + ", ".join(os.path.relpath(name) for name in names))
    ours = {server.name for server in there if server.kind != servers_of.PEER}
    return EXIT_FINE if is_whole and not ours & {row["name"] for row in skipped} else EXIT_FAILED


def check_programs(options):
    """None, or one line about what is missing."""
    if not os.path.isdir(options.build):
        return f"{options.build}: no such directory; meson setup build && ninja -C build"
    if not os.access(options.load, os.X_OK):
        return f"{options.load}: no such program; ninja -C {os.path.relpath(options.build)}"
    if not os.path.isdir(options.work):
        return f"{options.work}: no such directory; --work names one on a real disk"
    return None


def main():
    parser = make_parser()
    options = parser.parse_args()
    try:
        refine(options)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print_list(options)
        return EXIT_FINE
    trouble = check_programs(options)
    if trouble:
        tell(trouble)
        return EXIT_FAILED
    if not options.workloads:
        parser.error("no workload is left: all have more than 256 MiB in flight")
    there, skipped = sort_out(options)
    for row in skipped:
        tell(f"{row['name']} is left out: {row['why']}; {row['how']}")
    if not there:
        tell("no server is there")
        return EXIT_FAILED
    interrupt.install()
    try:
        return measure(options, there, skipped)
    except place.Trouble as error:
        tell(str(error))
    except interrupt.Stop:
        tell("interrupted before anything was measured")
    return EXIT_FAILED
