#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the parser's instructions: for MAIL, RCPT, DATA, and for a message of 10 KiB.

    perf/instructions.py [--bench PROGRAM] [--scan FILE]... [--functions N] [--most N] [--json]

Runs ringpost-bench in valgrind's callgrind, which counts exactly, only inside the functions
of perf/bench_proto.h. Each count is the difference of two runs, so that what happens once is
not in it. What the octets' own scan takes (finding the line ends, classifying octets, finding
the end of a body) is told apart from the rest by the source file that an instruction comes
from, also where it is inlined; a call into a library counts for the file it is called from.

Exit status: 0 fine, 1 failed or above --most, 2 wrong usage, 77 there is no valgrind here.
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(ROOT, "build/perf/ringpost-bench")
TIMEOUT = 120  # seconds; a count takes about one
ROUNDS = (16, 80)

# Source files that do nothing but look at every octet.
SCAN = {"smtp_line.c", "smtp_line.h", "octets.h", "dot.c", "dot_scan.c",
        "dot_scan.h"}
FEEDING = {"bench_proto.c"}
FOLDERS = {"proto", "spool", "perf"}  # of sources that are told apart
START = "(below main)"  # what the linker begins with

# Title, case, function in which instructions are counted.
PARTS = (
    ("MAIL, RCPT, DATA in one input", "proto/triple/pipelined", "rp_bench_proto_commands"),
    ("the same and 10 KiB of text", "proto/message/10k", "rp_bench_proto_message"),
)

Place = collections.namedtuple("Place", "file function")


class Failure(Exception):
    """What went wrong, for one line on stderr."""


def cost_of(line):
    """The instructions of a cost line, "LINE COST"; None for any other line."""
    words = line.split()
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
        return int(words[1])
    return None


class Profile:
    """A callgrind.out file without compression: instructions by source file and function."""

    def __init__(self, text, program):
        self.costs = collections.Counter()
        self.total = 0
        self.program = os.path.basename(program)
        self.object = self.file = self.own_file = self.function = ""
        lines = iter(text.splitlines())
        callee = {}
        for line in lines:
            key, is_pair, value = line.partition("=")
            if is_pair and key in ("ob", "fl", "fi", "fe", "fn"):
                self.enter(key, value)
            elif is_pair and key in ("cob", "cfi", "cfl", "cfn"):
                callee[key] = value
            elif is_pair and key == "calls":
                self.add_call(callee, cost_of(next(lines)))
                callee = {}
            elif line.startswith("summary:"):
                self.total = int(line.split()[1])
            elif self.is_own(self.object) and cost_of(line) is not None:
                self.costs[Place(self.file, self.function)] += cost_of(line)

    def is_own(self, name):
        return os.path.basename(name) == self.program

    def enter(self, key, value):
        if key == "ob":
            self.object = value
        elif key == "fn":
            self.function, self.file = value, self.own_file
        elif key == "fl":
            self.file = self.own_file = os.path.basename(value)
        elif os.path.basename(os.path.dirname(value)) in FOLDERS:
            self.file = os.path.basename(value)
        else:
            self.file = self.own_file  # the compiler's own header: what asks for it counts

    def add_call(self, callee, cost):
        """A library's function counts, with all it calls, for the place that calls it."""
        if self.function == START:
            return  # all of the program is a call from here
        if self.is_own(self.object) and not self.is_own(callee.get("cob", self.object)):
            self.costs[Place(self.file, f"{self.function} -> {callee['cfn']}")] += cost


def count(bench, case, function, rounds, work):
    path = os.path.join(work, f"callgrind.{rounds}")
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}", "--dump-line=yes",
               "--compress-strings=no", "--compress-pos=no", f"--toggle-collect={function}",
               bench, "--filter", case, "--rounds", str(rounds), "--repeat", "1", "--dir", work]
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if run.returncode != 0:
        own = [line for line in run.stderr.splitlines() if not line.startswith("==")]
        raise Failure(f"{' '.join(command)}: exit status {run.returncode}: {' '.join(own)}")
    with open(path, encoding="utf-8") as stream:
        profile = Profile(stream.read(), bench)
    if profile.total == 0 or sum(profile.costs.values()) != profile.total:
        raise Failure(f"{case}: {sum(profile.costs.values())} instructions of {profile.total} "
                      f"were found in {function}; is {bench} built with debug information?")
    return profile.costs


def measure(bench, case, function, work):
    """{place: instructions a round}"""
    few, many = (count(bench, case, function, rounds, work) for rounds in ROUNDS)
    more = ROUNDS[1] - ROUNDS[0]
    return {place: (many[place] - few[place]) / more
            for place in many if many[place] != few[place]}


def summarize(costs, scan_files):
    def of(files):
        return sum(cost for place, cost in costs.items() if place.file in files)
    total = sum(costs.values())
    scan, feeding = of(scan_files), of(FEEDING)
    return {"all": total, "scan": scan, "feeding": feeding, "beyond_scan": total - scan - feeding}


def put_text(title, summary, costs, options):
    print(title)
    for name, text in (("all", "all"), ("feeding", "feeding it (perf/bench_proto.c)"),
                       ("scan", "scan of the octets"), ("beyond_scan", "parser beyond the scan")):
        print(f"{summary[name]:10.1f}  {text}")
    rows = sorted(costs.items(), key=lambda row: -row[1])[:options.functions]
    for place, cost in rows:
        mark = "scan" if place.file in options.scan else ""
        print(f"{cost:14.1f}  {mark:4}  {place.file}: {place.function}")
    print(flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="count the parser's instructions")
    parser.add_argument("--bench", default=BENCH, help="the built ringpost-bench")
    parser.add_argument("--functions", type=int, default=12, metavar="N",
                        help="show the N most expensive places (default 12)")
    parser.add_argument("--most", type=int, metavar="N",
                        help="fail if MAIL, RCPT, DATA takes more beyond the scan")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--scan", action="append", default=[], metavar="FILE",
                        help="this source, too, does nothing but look at every octet")
    options = parser.parse_args()
    options.scan = SCAN.union(options.scan)
    if not os.access(options.bench, os.X_OK) or os.path.isdir(options.bench):
        parser.error(f"{options.bench}: no such program; build it, or name it with --bench")
    return options


def run(options):
    status = 0
    with tempfile.TemporaryDirectory() as work:
        for title, case, function in PARTS:
            costs = measure(os.path.abspath(options.bench), case, function, work)
            summary = summarize(costs, options.scan)
            if options.json:
                print(json.dumps({"name": case, **summary}), flush=True)
            else:
                put_text(title, summary, costs, options)
            if options.most is not None and case == PARTS[0][1] and \
                    summary["beyond_scan"] > options.most:
                print(f"instructions: {case}: {summary['beyond_scan']:.1f} instructions beyond "
                      f"the scan; at most {options.most} were wanted", file=sys.stderr)
                status = 1
    return status


def main():
    options = arguments()
    if shutil.which("valgrind") is None:
        print("instructions: skipped: there is no valgrind here (package valgrind)",
              file=sys.stderr)
        return 77
    try:
        return run(options)
    except (Failure, subprocess.TimeoutExpired, OSError) as failure:
        print(f"instructions: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
