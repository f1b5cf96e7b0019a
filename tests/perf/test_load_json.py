#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_load_json.py - the result of a run as JSON.

Goal: one object with the documented keys and nothing else, whose parts agree with each other;
text of strangers comes through; a file is replaced whole or not at all.
Method: the cases of load_case.h, written by load_page; the keys of the manual page.
"""
import json
import os
import re
import subprocess
import tempfile
import unittest

LOAD_PAGE = os.environ["LOAD_PAGE"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MANUAL = os.path.join(ROOT, "perf", "ringpost-load.1")

ALWAYS = {
    "program", "version", "started", "target", "mode", "protocol", "size", "connections",
    "workers", "recipients", "per_connection", "arrivals", "interrupted", "seconds", "begun",
    "accepted", "refused", "errors", "recipients_refused", "connections_refused", "connected",
    "late", "never_sent", "thresholds", "verdict",
    "octets", "messages_per_s", "octets_per_s", "client_cpu_s", "client_cpu_us_per_message",
    "client_cores", "client_share", "latency_us", "replies", "series", "peaks", "histogram",
    "samples"}
LATENCY = {"count", "mean", "min", "p50", "p90", "p95", "p99", "p99_9", "max"}
PHASES = {"connect", "greeting", "ehlo", "auth", "mail", "rcpt", "data", "end", "quit", "message"}
INTERVAL = {"t_s", "seconds", "accepted", "refused", "errors", "octets", "latency_mean_us",
            "latency_max_us"}
PEAK = {"t_s", "latency_us", "from_s", "to_s"}
VERIFY = {"fine", "accepted", "found", "lost", "duplicated", "corrupted", "damaged", "unaccepted",
          "foreign", "examples"}


def write(case, path):
    return subprocess.run([LOAD_PAGE, case, "json", path], capture_output=True, text=True,
                          timeout=60, check=False)


def result(case):
    run = write(case, "-")
    assert run.returncode == 0 and run.stderr == "", run
    assert run.stdout.endswith("}\n") and run.stdout.count("\n") == 1 and run.stdout.isascii()
    return json.loads(run.stdout)


class Keys(unittest.TestCase):
    def test_closed(self):
        found = result("normal")
        self.assertEqual(set(found), ALWAYS | {"command", "server_cpu_s",
                                               "server_cpu_us_per_message", "verify"})
        self.assertEqual(found["arrivals"], "closed")
        self.assertEqual(found["protocol"], "smtp")
        self.assertEqual(found["started"], "2026-11-25T16:00:00.123Z")
        self.assertIs(found["interrupted"], False)
        self.assertIs(found["verify"]["fine"], True)
        self.assertEqual(set(found["verify"]), VERIFY)
        self.assertEqual(found["thresholds"], [])
        self.assertEqual(found["verdict"], {"passed": False, "reasons": [
            "127.0.0.1:2525: errors: closed 1; closed: after DATA"]})
        self.assertEqual(result("one")["verdict"], {"passed": True, "reasons": []})

    def test_open(self):
        found = result("open")
        self.assertEqual((found["arrivals"], found["rate"], found["protocol"]),
                         ("poisson", 7000, "lmtp"))
        self.assertEqual((found["late"], found["never_sent"], found["interrupted"]),
                         (321, 17, True))
        self.assertGreater(found["client_share"], 0.9)
        self.assertEqual(found["connections_refused"], 9)
        self.assertEqual(found["thresholds"], [{"threshold": "p99=1h", "met": True},
                                               {"threshold": "never_sent=16", "met": False}])
        self.assertIs(found["verdict"]["passed"], False)
        self.assertEqual(found["verdict"]["reasons"][1:],
                         ["threshold missed: never_sent: 17, the threshold 16"])

    def test_empty(self):
        found = result("empty")
        self.assertEqual(set(found), ALWAYS)
        self.assertEqual((found["latency_us"], found["replies"]), ({}, {}))
        self.assertEqual((found["series"], found["peaks"], found["histogram"], found["samples"]),
                         ([], [], [], []))
        self.assertEqual(found["messages_per_s"], 0)


class Manual(unittest.TestCase):
    """Its section about JSON has all keys, and no others."""

    def setUp(self):
        with open(MANUAL, encoding="ascii") as stream:
            self.section = re.search(r"(?ms)^\.Ss JSON$.*?(?=^\.Ss )", stream.read()).group()

    @staticmethod
    def names(lines):
        return {name for line in lines for name in re.findall(r"[a-z]\w*", line)}

    def test_outer(self):
        items = self.names(re.findall(r"(?m)^\.It Cm (.*)$", self.section))
        keys = set(result("normal")) | set(result("open")) | set(result("empty"))
        self.assertEqual(items, keys)

    def test_inner(self):
        for key, names in (("latency_us", LATENCY), ("series", INTERVAL), ("peaks", PEAK),
                           ("verify", VERIFY), ("verdict", {"passed", "reasons"}),
                           ("thresholds", {"threshold", "met"}),
                           ("errors", {"connect", "closed", "protocol", "timeout"})):
            item = re.search(rf"(?ms)^\.It Cm {key}$(.*?)(?=^\.It |^\.El)", self.section).group(1)
            self.assertEqual(self.names(re.findall(r"(?m)^\.Cm (.*)$", item)), names, key)
        item = re.search(r"(?ms)^\.It Cm latency_us$(.*?)(?=^\.It )", self.section).group(1)
        for phase in PHASES:
            self.assertRegex(item, rf"\b{phase}\b")


class Numbers(unittest.TestCase):
    def check(self, case):
        found = result(case)
        accepted = found["accepted"]
        self.assertEqual(sum(row["accepted"] for row in found["series"]), accepted)
        self.assertEqual(sum(row["refused"] for row in found["series"]), found["refused"])
        self.assertEqual(sum(row["errors"] for row in found["series"]),
                         sum(found["errors"].values()))
        self.assertEqual(sum(row["octets"] for row in found["series"]), found["octets"])
        self.assertAlmostEqual(sum(row["seconds"] for row in found["series"]), found["seconds"],
                               places=6)
        self.assertAlmostEqual(found["messages_per_s"] * found["seconds"], accepted, places=3)
        self.assertEqual(set(found["errors"]), {"connect", "closed", "protocol", "timeout"})
        for row in found["series"]:
            self.assertEqual(set(row), INTERVAL)
        self.check_latency(found)
        self.check_peaks(found)
        return found

    def check_peaks(self, found):
        """Each is its interval's largest latency, and of the run's the first."""
        rows = {row["t_s"]: row for row in found["series"]}
        peaks = found["peaks"]
        self.assertTrue(0 < len(peaks) <= 5)
        self.assertEqual(peaks[0]["latency_us"], found["latency_us"]["message"]["max"])
        for peak in peaks:
            self.assertEqual(set(peak), PEAK)
            row = rows[peak["t_s"]]
            self.assertEqual(peak["latency_us"], row["latency_max_us"])
            self.assertLessEqual(row["t_s"], peak["to_s"])
            self.assertLess(peak["to_s"], row["t_s"] + 0.1 + 1e-9)
            self.assertAlmostEqual(peak["from_s"],
                                   max(peak["to_s"] - peak["latency_us"] / 1e6, 0), places=6)

    def check_latency(self, found):
        self.assertLessEqual(set(found["latency_us"]), PHASES)
        for latency in found["latency_us"].values():
            self.assertEqual(set(latency), LATENCY)
            ordered = [latency[key] for key in ("min", "p50", "p90", "p95", "p99", "p99_9", "max")]
            self.assertEqual(ordered, sorted(ordered))
        message, rows = found["latency_us"]["message"], found["histogram"]
        self.assertEqual(sum(row[2] for row in rows), message["count"])
        self.assertEqual(message["count"], found["accepted"])
        self.assertEqual(rows, sorted(rows))
        # A second way to the quantiles: from the rows.
        for key, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999)):
            rest = share * message["count"]
            for _, high, count in rows:
                rest -= count
                if rest <= 1e-6:
                    self.assertAlmostEqual(message[key], min(high, message["max"]), places=3)
                    break

    def test_normal(self):
        found = self.check("normal")
        self.assertEqual(found["replies"]["rcpt"],
                         {"250": found["accepted"] - 1, "452": 50, "550": 350})
        self.assertEqual(found["latency_us"]["message"]["max"], 800000)
        self.assertEqual(found["peaks"][0],
                         {"t_s": 12.8, "latency_us": 800000, "from_s": 12, "to_s": 12.8})
        self.assertEqual(found["samples"],
                         ["rcpt: 452 4.5.3 too many recipients", "rcpt: 550 5.1.1 no such user",
                          "closed: after DATA"])

    def test_one(self):
        found = self.check("one")
        self.assertEqual(found["histogram"][0][2], 1)
        self.assertEqual(found["latency_us"]["message"]["p50"], 1500)

    def test_long(self):
        self.assertEqual(len(self.check("long")["series"]), 4096)

    def test_hostile(self):
        found = self.check("hostile")
        text = ("550 </title></text><script>alert(\"1\")</script><img src='http://x/'>&amp;"
                "\x1b[31m\\xff\u202e")
        self.assertEqual(found["samples"], ["rcpt: " + text, "protocol: " + text])
        self.assertEqual(found["verify"]["examples"], ["lost: <b>17</b>"])
        self.assertIs(found["verify"]["fine"], False)


class Files(unittest.TestCase):
    def test_replaced(self):
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "result.json")
            self.assertEqual(write("one", path).returncode, 0)
            self.assertEqual(write("empty", path).returncode, 0)
            with open(path, encoding="ascii") as stream:
                self.assertEqual(json.load(stream)["accepted"], 0)
            self.assertEqual(os.listdir(work), ["result.json"])

    def test_impossible(self):
        with tempfile.TemporaryDirectory() as work:
            run = write("one", os.path.join(work, "missing", "result.json"))
            self.assertEqual(run.returncode, 1)
            self.assertIn("missing/result.json.tmp: cannot create it", run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1)

    def test_full(self):
        run = write("one", "/dev/full")
        self.assertEqual(run.returncode, 1)
        self.assertIn("/dev/full: No space left on device", run.stderr)


if __name__ == "__main__":
    unittest.main()
