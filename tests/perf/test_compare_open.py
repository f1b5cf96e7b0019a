#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""perf/compare --rates: open loops.

Goal: rates are what was asked for, shares are those of the server's own maximum, the tails that
come out are those that were measured, and who did not keep up is marked.
Method: as test_compare.py, whose cases this uses: made-up runs, then a small real one.
"""
import json
import os
import re
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_compare  # noqa: E402, behind the path; it makes the next ones found

import comparison.account as account  # noqa: E402
import comparison.drive as drive  # noqa: E402
import comparison.plot as plot  # noqa: E402
import comparison.results as results_of  # noqa: E402
import comparison.servers as servers_of  # noqa: E402
import comparison.tables as tables  # noqa: E402
import comparison.workload as workload_of  # noqa: E402


class Rates(unittest.TestCase):
    def test_rates(self):
        for text, name, of_20000 in (("10%", "10%", 2000), ("0.5%", "0.5%", 100),
                                     ("100%", "100%", 20000), ("5000", "5,000/s", 5000),
                                     (" 1 ", "1/s", 1)):
            rate = workload_of.parse_rate(text)
            self.assertEqual((rate.name, rate.of(20000)), (name, of_20000))
        self.assertIsNone(workload_of.parse_rate("10%").of(None))
        self.assertEqual(workload_of.parse_rate("10%").of(3), 1)  # the load takes no less
        self.assertEqual(workload_of.parse_rate("7").of(None), 7)
        for text in ("", "0", "0%", "101%", "-5", "5/s", "1.5", "100000000", "%"):
            with self.assertRaisesRegex(ValueError, "is no rate; write 5000 "):
                workload_of.parse_rate(text)

    def test_open_loops(self):
        """Behind each closed loop its open ones; all closed loops go first."""
        rates = [workload_of.parse_rate(text) for text in ("25%", "5000")]
        chosen, left_out = workload_of.make(["plain"], [1024], [1, 2], rates)
        self.assertEqual([workload.name for workload in chosen],
                         ["1K/1", "1K/1 25%", "1K/1 5,000/s", "1K/2", "1K/2 25%", "1K/2 5,000/s"])
        self.assertEqual(left_out, [])
        self.assertEqual(workload_of.passes(chosen), [[0, 3], [1, 2, 4, 5]])
        self.assertEqual([workload_of.closed_of(chosen, index) for index in range(6)],
                         [0, 0, 0, 3, 3, 3])
        self.assertEqual(workload_of.passes(chosen[:1]), [[0]])


class Tables(unittest.TestCase):
    @staticmethod
    def open_results():
        """A closed loop, and one open one at a share and one at a rate, for two servers."""
        rates = [workload_of.parse_rate(text) for text in ("25%", "5000")]
        results = results_of.Results(["ringpostd", "floor-log"],
                                     workload_of.make(["plain"], [10240], [50], rates)[0])
        results.keeps = {"ringpostd": True, "floor-log": True}
        for name, factor in (("ringpostd", 3), ("floor-log", 1)):
            for index in range(3):
                for number in range(2):
                    slow = factor * (number + 1)  # the second round is slow for both
                    results.add(name, index, number, {
                        "accepted": 9, "refused": 0, "errors": {}, "cpu_us": 10.0 * slow,
                        "messages_per_s": 20000 / factor, "p50_us": 400 * slow,
                        "p99_us": 1000 * slow, "p999_us": 2000 * slow, "load_share": 0.5,
                        **({"kept_share": 0.9 if index == 2 and factor == 3 else 1.0}
                           if index else {})})
        return results

    def test_open_loop(self):
        """Tails for open loops only, their ratios at the same rate only; who did not keep up."""
        results = self.open_results()
        servers = [servers_of.BY_NAME[name] for name in results.names]
        about = {"facts": {"date": "today", "commit": "abc"}, "versions": {}, "skipped": [],
                 "rounds": 2, "duration_s": 5, "left_out": [], "notes": []}
        text = tables.markdown(results, servers, about)
        sections = {block.split("\n")[0]: re.findall(r"(?m)^\| (\S.*?) +\|(.*)\|$", block)[2:]
                    for block in text.split("\n### ")[1:]}
        tails = {title: rows for title, rows in sections.items() if "from when it was due" in title}
        self.assertEqual([re.search("p[0-9.]+", title).group() for title in tails],
                         ["p50", "p99", "p99.9"])
        p99 = next(rows for title, rows in tails.items() if "p99," in title)
        self.assertEqual([(name, [cell.strip() for cell in cells.split("|")])
                          for name, cells in p99],
                         [("ringpostd", ["4.50", "> 4.50"]), ("floor-log", ["1.50", "1.50"])])
        for name in ("p50", "p99", "p99.9"):
            rows = sections[f"plain: {name} as a multiple of the floor's at the same rate"]
            self.assertEqual([(name, cells.strip()) for name, cells in rows],
                             [("ringpostd / floor-log", "3.00")])
        cpu = next(rows for title, rows in sections.items() if "server CPU" in title)
        self.assertEqual(cpu[0][1].count("45.0"), 3)
        self.assertIn("| 10K/50 | 10K/50 25% | 10K/50 5,000/s |", text)

    def test_plot_of_open_loops(self):
        results = self.open_results()
        self.assertEqual(plot.panels(results, True),
                         (50, [("plain", [("10K 25%", 1), ("10K 5,000/s", 2)])]))
        self.assertEqual(plot.panels(results, False), (50, [("plain", [("10K", 0)])]))
        if plot.load() is None:
            self.skipTest(plot.MISSING)
        with tempfile.TemporaryDirectory() as folder:
            names = plot.write(results, [servers_of.BY_NAME[name] for name in results.names],
                               "title", os.path.join(folder, "result"))
            self.assertEqual(len(names), 2)


class Turns(unittest.TestCase):
    def test_open_loop(self):
        """What was due and never begun is what the server did not keep up with."""
        report = {**test_compare.Turns.REPORT, "never_sent": 20}
        run = drive.summarize({**report, "rate": 70.0}, 1)
        self.assertEqual((run["asked_per_s"], run["kept_share"]), (70.0, 100 / 125))
        self.assertNotIn("kept_share", drive.summarize(report, 1))

    def test_command(self):
        given = test_compare.options(duration=2.0)
        running = types.SimpleNamespace(port=25, account=account.Tree())
        workload = workload_of.Workload("plain", 1, 1)
        words = drive.command(given, running, workload, 0, "x", 1234567.8)
        self.assertEqual(words[words.index("--rate") + 1], "1234568")
        self.assertNotIn("--rate", drive.command(given, running, workload, 0, "x", None))


class Program(test_compare.ProgramCase):
    def test_open_loop(self):
        """At a share of its maximum and at a rate, with two of the servers."""
        self.need_load()
        outcome = self.run_it(*self.arguments("--duration", "0.3", "--rates", "20%,200",
                                              "--modes", "plain", "--only", "floor,ringpostd"))
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        with open(os.path.join(self.out, "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual([row["rate"] for row in result["workloads"]], [None, "20%", "200/s"])
        self.assertEqual([row["name"] for row in result["servers"]], ["ringpostd", "floor"])
        medians = {(row["server"], row["workload"]): row for row in result["medians"]}
        self.assertEqual(len(medians), 6)
        for name in ("ringpostd", "floor"):
            closed, share, fixed = (medians[name, index] for index in range(3))
            self.assertIsNone(closed["asked_per_s"])
            self.assertAlmostEqual(share["asked_per_s"], closed["messages_per_s"] / 5, delta=1)
            self.assertEqual(fixed["asked_per_s"], 200)
            for row in (share, fixed):
                self.assertTrue(0 < row["p50_us"] <= row["p99_us"] <= row["p999_us"], row)
                self.assertGreater(row["kept_share"], 0)
        self.assertIn("Columns with a rate are open loops", outcome.stdout)
        self.assertIn("open loop, round 1 of 1: starting 2 servers", outcome.stderr)
        self.assertEqual((os.listdir(self.disk), test_compare.leftovers(self.disk)), ([], []))


class Rounds(test_compare.RoundsCase):
    def test_open_loops(self):
        """Behind all closed loops, at a share of their median; not where that is not known."""
        rates = [workload_of.parse_rate(text) for text in ("50%", "9")]
        self.given.workloads = workload_of.make(["plain"], [1024], [1], rates)[0]
        paces = iter((100.0, 30.0, 10.0))  # of the three rounds

        def turn(name, _mode):
            if name == "two" and len(self.asked) <= 5:
                return {"failure": "x"}
            pace = next(paces) if len(self.asked) <= 5 else 5.0
            return dict(self.GOOD, messages_per_s=pace)
        self.run_rounds(turn)
        self.assertEqual([row[2] for row in self.asked[:5]], 5 * [None])
        self.assertEqual(sorted(self.asked[5:]), sorted(
            3 * [("one", "1K/1 50%", 15.0), ("one", "1K/1 9/s", 9.0), ("two", "1K/1 9/s", 9.0)]))


if __name__ == "__main__":
    unittest.main()
