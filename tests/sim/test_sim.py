# SPDX-License-Identifier: GPL-3.0-or-later
"""The program sim: the same seed gives the same run, and its command line.

Goal: a failure can be seen again. Method: run seeds of every kind of fault twice, alone and
behind others, and compare the trace hashes; then right and wrong arguments.
"""

import re
import subprocess
import sys
import unittest

SIM = sys.argv.pop()


def run(*args):
    return subprocess.run([SIM, *args], capture_output=True, text=True, timeout=240, check=False)


def traces(*args):
    """{seed: trace} of the run of these arguments."""
    done = run(*args)
    if done.returncode != 0:
        raise AssertionError(f"{args}: exit {done.returncode}\n{done.stderr[-4000:]}")
    return dict(re.findall(r"^seed (\d+): .* trace ([0-9a-f]{16})$", done.stdout, re.MULTILINE))


class SameSeed(unittest.TestCase):
    def test_twice_is_the_same(self):
        for faults in ("none", "net", "disk", "power", "decay", "hands", "all"):
            args = ("--seed", "7", "--runs", "3", "--faults", faults)
            first = traces(*args)
            self.assertEqual(sorted(first), ["7", "8", "9"])
            self.assertEqual(first, traces(*args), faults)

    def test_what_ran_before_does_not_matter(self):
        behind = traces("--seed", "20", "--runs", "3")
        alone = traces("--seed", "22")
        self.assertEqual(behind["22"], alone["22"])

    def test_another_seed_is_another_run(self):
        self.assertEqual(len(set(traces("--seed", "30", "--runs", "5").values())), 5)

    def test_a_fresh_seed_is_printed(self):
        seeds = set(traces("--lives", "1")) | set(traces("--lives", "1"))
        self.assertEqual(len(seeds), 2)


class CommandLine(unittest.TestCase):
    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--faults", done.stdout)

    def test_wrong_usage(self):
        for args in (["--seed"], ["--seed", "x"], ["--seed", "-1"], ["--runs", ""],
                     ["--faults", "some"], ["--lives", "1001"], ["--frob"], ["word"]):
            done = run(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn("usage:", done.stderr)


if __name__ == "__main__":
    unittest.main()
