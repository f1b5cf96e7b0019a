#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""perf/instructions.py: what it makes of callgrind's counts.

Goal: every instruction is counted once, for the source file it comes from; the scan is told
apart; a missing valgrind, a missing program and a limit that is exceeded are told. Method: a
profile written by hand, and a program that stands in for valgrind and writes such profiles; so
no valgrind is needed here.
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.environ["INSTRUCTIONS"]
sys.path.insert(0, os.path.dirname(SCRIPT))
import instructions  # noqa: E402 (its place is known only now)

TIMEOUT = 60

# {n} rounds, and a thousand instructions that happen once.
PROFILE = """\
version: 1
positions: line
events: Ir
summary: {total}

ob=/usr/lib/libc.so.6
fl=./string/memchr.S
fn=__memchr_avx2
70 {memchr}

fl=./csu/start.h
fn=(below main)
cob=/build/perf/ringpost-bench
cfi=/build/../perf/bench_main.c
cfn=main
calls=1 229
58 {total}

ob=/build/perf/ringpost-bench
fl=/build/../proto/smtp.c
fn=rp_smtp_next
10 {parser}
fi=/build/../proto/smtp_line.h
20 {inlined}
fi=/usr/lib/gcc/include/avx2intrin.h
30 {intrinsic}
fe=/build/../proto/smtp.c
11 1000
cfi=/build/../proto/smtp_line.c
cfn=rp_smtp_line_next
calls={n} 5
12 {line_inclusive}

fl=/build/../proto/smtp_line.c
fn=rp_smtp_line_next
5 {line}
cob=/usr/lib/libc.so.6
cfi=./string/memchr.S
cfn=__memchr_avx2
calls={n} 70
6 {memchr}

fl=/build/../perf/bench_proto.c
fn=rp_bench_proto_commands
40 {feeding}

fl=???
fn=(below main)
cob=/usr/lib/libc.so.6
cfi=./csu/start.h
cfn=__libc_start_main
calls=1 1
0 {total}

totals: {total}
"""

# Takes the rounds from the command line as valgrind would hand them to the program.
STAND_IN = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import os
os.environ.setdefault("INSTRUCTIONS", {SCRIPT!r})
import test_instructions
arguments = sys.argv[1:]
rounds = int(arguments[arguments.index("--rounds") + 1])
out = next(word for word in arguments if word.startswith("--callgrind-out-file="))
with open(out.partition("=")[2], "w", encoding="utf-8") as stream:
    stream.write(test_instructions.profile(rounds))
"""


def profile(rounds):
    parts = {"memchr": 7 * rounds, "parser": 100 * rounds, "inlined": 20 * rounds,
             "intrinsic": 3 * rounds, "line": 30 * rounds, "feeding": 11 * rounds}
    return PROFILE.format(n=rounds, total=sum(parts.values()) + 1000,
                          line_inclusive=parts["line"] + parts["memchr"], **parts)


class Profiles(unittest.TestCase):
    def test_places(self):
        counted = instructions.Profile(profile(10), "/build/perf/ringpost-bench")
        self.assertEqual(counted.total, 10 * (7 + 100 + 20 + 3 + 30 + 11) + 1000)
        place = instructions.Place
        self.assertEqual(dict(counted.costs), {
            place("smtp.c", "rp_smtp_next"): 2000 + 10 * 3,
            place("smtp_line.h", "rp_smtp_next"): 200,
            place("smtp_line.c", "rp_smtp_line_next"): 300,
            place("smtp_line.c", "rp_smtp_line_next -> __memchr_avx2"): 70,
            place("bench_proto.c", "rp_bench_proto_commands"): 110,
        })

    def test_summary(self):
        costs = instructions.Profile(profile(10), "/build/perf/ringpost-bench").costs
        summary = instructions.summarize(costs, instructions.SCAN)
        self.assertEqual(summary, {"all": 2710, "scan": 570, "feeding": 110, "beyond_scan": 2030})
        more = instructions.summarize(costs, instructions.SCAN | {"smtp.c"})
        self.assertEqual(more["beyond_scan"], 0)


class Script(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.work)
        self.bench = self.write("ringpost-bench", "#!/bin/sh\n")

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def run_script(self, *arguments, path=None):
        env = {**os.environ, "PATH": path or self.work}
        return subprocess.run([sys.executable, SCRIPT, *arguments], env=env, capture_output=True,
                              text=True, timeout=TIMEOUT, check=False)

    def test_counts(self):
        self.write("valgrind", STAND_IN)
        outcome = self.run_script("--bench", self.bench, "--json")
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        rows = [json.loads(line) for line in outcome.stdout.splitlines()]
        wanted = {"all": 171, "scan": 57, "feeding": 11, "beyond_scan": 103}
        self.assertEqual(rows, [{"name": name, **wanted}
                                for name in ("proto/triple/pipelined", "proto/message/10k")])

    def test_text(self):
        self.write("valgrind", STAND_IN)
        outcome = self.run_script("--bench", self.bench, "--functions", "1")
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        self.assertIn("     171.0  all\n", outcome.stdout)
        self.assertIn("     103.0  parser beyond the scan\n", outcome.stdout)
        self.assertIn("         103.0        smtp.c: rp_smtp_next\n", outcome.stdout)
        self.assertNotIn("memchr", outcome.stdout)

    def test_most(self):
        self.write("valgrind", STAND_IN)
        self.assertEqual(self.run_script("--bench", self.bench, "--most", "103").returncode, 0)
        outcome = self.run_script("--bench", self.bench, "--most", "102")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("103.0 instructions beyond the scan; at most 102 were wanted",
                      outcome.stderr)

    def test_no_valgrind(self):
        outcome = self.run_script("--bench", self.bench)
        self.assertEqual((outcome.returncode, outcome.stdout), (77, ""))
        self.assertIn("skipped: there is no valgrind here", outcome.stderr)

    def test_no_program(self):
        outcome = self.run_script("--bench", self.work + "/none")
        self.assertEqual(outcome.returncode, 2)
        self.assertIn(f"{self.work}/none: no such program; build it, or name it with --bench",
                      outcome.stderr)

    def test_failures(self):
        self.write("valgrind", "#!/bin/sh\necho 'no such benchmark' >&2\nexit 2\n")
        outcome = self.run_script("--bench", self.bench)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("exit status 2: no such benchmark", outcome.stderr)
        self.write("valgrind", STAND_IN.replace(".profile(rounds)",
                                                ".profile(rounds).replace('fl=/', 'fl=/x')"
                                                ".replace('ob=/build', 'ob=/elsewhere')"))
        wrong = self.write("bench", "#!/bin/sh\n")
        outcome = self.run_script("--bench", wrong)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("is it built with debug information?", outcome.stderr.replace(wrong, "it"))


if __name__ == "__main__":
    unittest.main()
