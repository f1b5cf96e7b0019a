#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_load_summary.py - the result of a run for people.

Goal: what happened is told, and nothing that did not; columns line up; texts of strangers
cannot act on the terminal.
Method: the cases of load_case.h, written by load_page.
"""
import os
import subprocess
import unittest

LOAD_PAGE = os.environ["LOAD_PAGE"]


def summary(case):
    run = subprocess.run([LOAD_PAGE, case, "text", "-"], capture_output=True, timeout=60,
                         check=False)
    assert run.returncode == 0 and run.stderr == b"", run
    return run.stdout.decode("ascii")


class Summary(unittest.TestCase):
    def row(self, text, *begin):
        """The one line whose first words are these, as words."""
        rows = [line.split() for line in text.splitlines()
                if line.split()[:len(begin)] == list(begin)]
        self.assertEqual(len(rows), 1, (begin, text))
        return rows[0]

    def test_normal(self):
        text = summary("normal")
        accepted = self.row(text, "accepted")
        self.assertEqual(accepted[2:5], ["messages", "in", "19.97"])
        self.assertEqual(accepted[7:], ["messages/s,", "55.2", "MB/s"])
        self.assertEqual(self.row(text, "refused"), ["refused", "400"])
        self.assertEqual(self.row(summary("open"), "refused"),
                         ["refused", "400", "messages,", "9", "connections"])
        self.assertEqual(self.row(text, "errors"), ["errors", "1", "closed", "1"])
        self.assertEqual(self.row(text, "rcpt", "550"),
                         ["rcpt", "550", "350", "550", "5.1.1", "no", "such", "user"])
        self.assertEqual(self.row(text, "closed:"), ["closed:", "after", "DATA"])
        self.assertEqual(self.row(text, "message")[-2:], ["800", "ms"])
        self.assertEqual(self.row(text, "server", "CPU")[2:], ["13.9", "us", "a", "message"])
        self.assertIn("A closed loop hides stalls", text)
        self.assertEqual(self.row(text, "worst", "800")[2:9],
                         ["ms", "waited", "from", "12.000", "to", "12.800", "s;"])
        self.assertEqual(text.count("waited from "), 5)
        self.assertIn("the generator used 6 % of 1 core\n", text)
        self.assertEqual(self.row(text, "verify")[1], "fine:")
        for absent in ("WARNING", "interrupted", "asked for", "quit"):
            self.assertNotIn(absent, text)

    def test_columns(self):
        """The head's words end where the numbers below them end."""
        lines = summary("normal").splitlines()
        head = next(line for line in lines if line.startswith("latency"))
        at = lines.index(head)
        for line in lines[at + 1:at + 8]:
            self.assertEqual(len(line), len(head))
            self.assertRegex(line, r"^  \w+ +[\d,]+( +[\d.]+ (ns|us|ms|s|min)){7}$")

    def test_open(self):
        text = summary("open")
        self.assertIn("7,000 messages/s asked for (Poisson)", text)
        self.assertIn("321 began 1 ms late or more, 17 never", text)
        self.assertIn("counts from the time it was to begin", text)
        self.assertIn("(interrupted)", text)
        self.assertIn("(LMTP)", text)
        self.assertIn("WARNING", text)
        self.assertNotIn("closed loop", text.lower())

    def test_empty(self):
        text = summary("empty")
        self.assertEqual(self.row(text, "accepted")[1], "0")
        self.assertEqual(self.row(text, "message")[1], "0")
        for absent in ("nan", "inf", "worst", "refusals", "also seen", "verify", "server CPU"):
            self.assertNotIn(absent, text)

    def test_hostile(self):
        text = summary("hostile")
        self.assertEqual(self.row(text, "verify")[1], "BAD:")
        self.assertIn("\n  lost: <b>17</b>\n", text)
        self.assertIn("\\x1b[31m\\xff\\xe2\\x80\\xae\n", text)
        self.assertTrue(all(char == "\n" or char.isprintable() for char in text))

    def test_closed_stdout(self):
        with open("/dev/full", "wb") as full:
            run = subprocess.run([LOAD_PAGE, "one", "text", "-"], stdout=full,
                                 stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("\n"), 1)
        self.assertIn("No space left on device", run.stderr)


if __name__ == "__main__":
    unittest.main()
