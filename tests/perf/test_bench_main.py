#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-bench as a user runs it.

Goal: --small runs all there is within seconds, and says of each one what it was; the same
checksum for every scanner on the same body, however often it is run; wrong usage and failures
are told in one line. No figure is compared with a fixed one.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["RINGPOST_BENCH"]
MANUAL = os.environ["RINGPOST_BENCH_MANUAL"]
TIMEOUT = 60  # seconds until a program that hangs is a failure
FIELDS = {"name": str, "unit": str, "ns": float, "ns_min": float, "ns_max": float,
          "units_per_s": float, "rounds": int, "checksum": str}


def run(*arguments, **more):
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE,
                          timeout=TIMEOUT, check=False, **more)


class Bench(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.work)

    def good(self, *arguments):
        outcome = run(*arguments, "--dir", self.work)
        self.assertEqual((outcome.returncode, outcome.stderr), (0, b""))
        self.assertEqual(os.listdir(self.work), [])
        return outcome.stdout.decode()

    def objects(self, *arguments):
        return [json.loads(line) for line in self.good(*arguments, "--json").splitlines()]

    def bad(self, status, text, *arguments, **more):
        outcome = run(*arguments, **more)
        errors = outcome.stderr.decode()
        self.assertEqual(outcome.returncode, status, errors)
        self.assertEqual(len(errors.splitlines()), 1, errors)
        self.assertTrue(errors.startswith("ringpost-bench: "), errors)
        self.assertIn(text, errors)

    def names(self):
        return [line.split()[0] for line in self.good("--list").splitlines()]

    def test_all_json(self):
        rows = self.objects("--small")
        self.assertEqual([row["name"] for row in rows], self.names())
        for row in rows:
            for field, kind in FIELDS.items():
                self.assertIs(type(row[field]), kind, row)
            self.assertGreater(row["ns_min"], 0, row)
            self.assertLessEqual(row["ns_min"], row["ns"])
            self.assertLessEqual(row["ns"], row["ns_max"])
            self.assertAlmostEqual(row["units_per_s"] * row["ns"], 1e9, delta=1)
            self.assertGreaterEqual(row["rounds"], 1)
            self.assertRegex(row["checksum"], r"^[0-9a-f]{16}$")
            self.assertTrue(row["mb_per_s"] is None or row["mb_per_s"] > 0, row)
            self.assertEqual("ratio" in row, "baseline" in row, row)
        self.check_scanners(rows)

    def check_scanners(self, rows):
        """Each scanner makes the same of the same body, in pieces or not; bodies differ."""
        checksums = {}
        scanners = set()
        for row in rows:
            match = re.fullmatch(r"dot/(\w+)/\w+/(\w+)", row["name"])
            if match and match[2] != "memcpy":
                checksums.setdefault(match[1], set()).add(row["checksum"])
                scanners.add(match[2])
                self.assertGreater(row["ratio"], 0)
        self.assertEqual({body: len(sums) for body, sums in checksums.items()},
                         {"text": 1, "base64": 1, "dots": 1})
        self.assertEqual(len(set.union(*checksums.values())), 3)
        self.assertIn("table", scanners)

    def test_same_results_every_time(self):
        first, second = ({row["name"]: row["checksum"] for row in self.objects(*arguments)}
                         for arguments in (["--small", "--rounds", "1", "--repeat", "1"],
                                           ["--small", "--rounds", "3", "--repeat", "2"]))
        self.assertEqual(first, second)

    def test_table(self):
        lines = self.good("--small", "--filter", "dot/text/whole").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "UNIT", "ns/unit", "min", "spread", "cycles",
                                            "units/s", "MB/s", "ratio", "CHECKSUM"])
        for line in lines[1:]:
            words = line.split()
            self.assertEqual(len(words), 9 if words[0].endswith("/memcpy") else 10, line)

    def test_filter(self):
        for text in ("reply", "/1k", "proto/triple/lines"):
            wanted = [name for name in self.names() if text in name]
            self.assertEqual([row["name"] for row in self.objects("--small", "--filter", text)],
                             wanted)
            self.assertEqual([row["name"] for row in self.objects("--list", "--filter", text)],
                             wanted)
        only = self.objects("--small", "--filter", "dot/text/whole/table")
        self.assertEqual(len(only), 1)  # its baseline is measured, but not shown
        self.assertGreater(only[0]["ratio"], 0)

    def test_rounds(self):
        rows = self.objects("--small", "--filter", "reply", "--rounds", 17, "--repeat", 1)
        self.assertEqual([row["rounds"] for row in rows], [17] * len(rows))
        for row in rows:
            self.assertEqual(row["ns_min"], row["ns_max"])

    def test_usage(self):
        self.bad(2, "proto: no such option; --help lists them", "proto")
        self.bad(2, "--time soon: give a time", "--time", "soon")
        self.bad(2, "--repeat 0: give a number from 1 to 1000", "--repeat", "0")
        self.bad(2, "--dir: its value is missing", "--dir")
        self.bad(2, "--filter nothing\\x0alike it: no benchmark has that in its name; --list",
                 "--filter", "nothing\nlike it")

    def test_dir(self):
        file = os.path.join(self.work, "file")
        with open(file, "wb"):
            pass
        self.bad(1, f"{file}: not a directory; --dir names one", "--dir", file)
        self.bad(1, f"{self.work}/none: No such file or directory", "--dir", self.work + "/none")
        self.bad(1, f"{self.work}/none: No such", env={**os.environ, "TMPDIR": self.work + "/none"})

    @unittest.skipIf(os.getuid() == 0, "root may write anywhere")
    def test_dir_read_only(self):
        os.chmod(self.work, 0o500)
        self.bad(1, f"reader/next: Permission denied (files in {self.work})",
                 "--small", "--filter", "reader/next", "--dir", self.work)

    def test_disk_full(self):
        """A limit on a file's size stands for a disk that is full."""
        for name in ("append/disk/1k-1", "reader/next"):
            command = f"ulimit -f 100; trap '' XFSZ; exec {PROGRAM} --small --filter {name} " \
                      f"--dir {self.work}"
            outcome = subprocess.run(["/bin/sh", "-c", command], capture_output=True,
                                     timeout=TIMEOUT, check=False)
            self.assertEqual(outcome.returncode, 1, outcome)
            self.assertEqual(outcome.stderr.decode(), f"ringpost-bench: {name}: File too large "
                                                      f"(files in {self.work})\n")
            self.assertEqual(os.listdir(self.work), [])

    def test_signal(self):
        """It ends soon, and takes its files along."""
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([PROGRAM, "--small", "--repeat", "300", "--time", "1ms",
                                   "--dir", self.work],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
                program.stdout.readline()  # the head of the table comes with the first line
                program.send_signal(number)
                errors = program.communicate(timeout=TIMEOUT)[1].decode()
            self.assertEqual(program.returncode, 1)
            self.assertRegex(errors, r"^ringpost-bench: [\w/-]+: stopped\n$")
            self.assertEqual(os.listdir(self.work), [])

    def test_output_errors(self):
        arguments = ("--small", "--filter", "reply", "--dir", self.work)
        with open("/dev/full", "wb") as full:
            self.bad(1, "standard output: No space left on device", *arguments, stdout=full)
            self.bad(1, "standard output: No space left on device", "--help", stdout=full)
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            self.bad(1, "standard output: Broken pipe", *arguments, stdout=pipe)

    def test_version_and_help(self):
        self.assertRegex(run("--version").stdout.decode(), r"^ringpost-bench \d+\.\d+\.\d+\n$")
        text = run("--help", "--nonsense").stdout.decode()
        self.assertTrue(text.startswith("Usage: ringpost-bench [OPTION]...\n"))
        self.assertEqual(run("-h").stdout.decode(), text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_manual(self):
        """The manual page has every option and benchmark family, and no others."""
        with open(MANUAL, encoding="utf-8") as file:
            manual = file.read()
        options = re.findall(r"(?m)^  --(\w+)", run("--help").stdout.decode())
        self.assertEqual(sorted(re.findall(r"(?m)^\.It Fl -(\w+)", manual)), sorted(options))
        families = list(dict.fromkeys(name.split("/")[0] for name in self.names()))
        self.assertEqual(re.findall(r"(?m)^\.It Li (\w+)", manual), families)


if __name__ == "__main__":
    unittest.main()
