#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The face of ringpost-spool: help, version, wrong usage, exit status.

Goal: what a user types wrong is told in one line with the right way, exit 2; help names
what there is and nothing else, also in the manual page. Method: each command with each
kind of wrong argument; help against the manual's text.
"""
import os
import re
import unittest

from spool_case import SpoolCase, run

COMMANDS = {"ls": 1, "cat": 2, "show": 2, "follow": 1, "verify": 1, "stats": 1, "export": 1}
MANUAL = os.environ["RINGPOST_SPOOL_MANUAL"]


class Face(SpoolCase):
    def test_version(self):
        self.assertRegex(self.good("--version").decode(), r"^ringpost-spool \d+\.\d+\.\d+\n$")

    def test_help(self):
        text = self.good("--help").decode()
        self.assertEqual(text, self.good("help").decode())
        self.assertEqual(text, self.good("-h").decode())
        named = re.findall(r"^  (\w+) DIR", text, re.MULTILINE)
        self.assertEqual(named, list(COMMANDS))
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_help_of_commands(self):
        for command in COMMANDS:
            text = self.good(command, "--help").decode()
            self.assertTrue(text.startswith(f"Usage: ringpost-spool {command} DIR"), text)
            self.assertEqual(text, self.good(command, "a", "--help", "--nonsense").decode())
            self.assertEqual(text, self.good(command, "-h").decode())
            self.assertLessEqual(max(map(len, text.splitlines())), 85, text)

    def test_manual(self):
        """Every command and option stands in the manual page, and no others."""
        with open(MANUAL, encoding="utf-8") as file:
            manual = file.read()
        for command in COMMANDS:
            self.assertRegex(manual, rf"(?m)^\.It Cm {command} ")
            for option in re.findall(r"^  (--\w+)", self.good(command, "--help").decode(), re.M):
                self.assertIn(f"Fl -{option[2:]}", manual)
        self.assertEqual(re.findall(r"(?m)^\.It Cm (\w+) ", manual), list(COMMANDS))

    def test_usage(self):
        self.bad(2, "a command is missing")
        self.bad(2, "lsx: no such command", "lsx")
        self.bad(2, "--nonsense: no such command", "--nonsense")
        for command, operands in COMMANDS.items():
            self.bad(2, f"{command}: the directory of a spool is missing", command)
            if operands == 2:
                self.bad(2, "the ID of a message is missing", command, self.dir)
            arguments = [self.dir, self.messages[0].id][:operands]
            self.bad(2, "more: one argument too many; usage: ringpost-spool " + command,
                     command, *arguments, "more")
            self.bad(2, "--nonsense: no such option", command, *arguments, "--nonsense")
        self.bad(2, "--json: no such option here", "cat", self.dir, self.messages[0].id, "--json")
        self.bad(2, "--limit 0: give a number", "ls", self.dir, "--limit", 0)

    def test_no_spool(self):
        empty = os.path.join(self.work, "empty")
        os.mkdir(empty)
        file = os.path.join(self.work, "file")
        with open(file, "wb"):
            pass
        rest = {"cat": [self.messages[0].id], "show": [self.messages[0].id],
                "export": ["--format", "mbox", "--to", os.path.join(self.work, "mbox")]}
        for command in COMMANDS:
            more = rest.get(command, [])
            self.bad(1, f"{empty}: no spool here (there is no spool.meta); give the directory that "
                     "ringpostd's -s names", command, empty, *more)
            self.bad(1, f"{self.work}/none: there is no such directory", command,
                     self.work + "/none", *more)
            self.bad(1, f"{file}: this is no directory", command, file, *more)

    def test_broken_meta(self):
        copy = self.copy_spool()
        meta = os.path.join(copy, "spool.meta")
        with open(meta, "rb") as file:
            octets = file.read()
        for changed in (b"", octets[:63], octets[:20] + b"\xff" + octets[21:], b"\0" * 64):
            with open(meta, "wb") as file:
                file.write(changed)
            self.check_rebuilt(copy)
        os.unlink(meta)
        self.check_rebuilt(copy)
        for directory, _, names in os.walk(copy):  # nothing left that says whose it is
            for name in names:
                if name.endswith(".seg"):
                    os.unlink(os.path.join(directory, name))
        self.bad(1, "no spool here", "ls", copy)
        with open(meta, "wb") as file:
            file.write(b"x" * 64)
        self.bad(1, "spool.meta: damaged", "ls", copy)

    def check_rebuilt(self, copy):
        """The segments say what spool.meta said; verify says that it is damaged."""
        self.assertEqual(self.good("ls", copy), self.good("ls", self.dir))
        outcome = run("verify", copy)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn(b"spool.meta: damaged or gone", outcome.stdout)

    def test_output_errors(self):
        with open("/dev/full", "wb") as full:
            for command in ("ls", "verify", "stats"):
                self.bad(1, "standard output: No space left on device", command, self.dir,
                         stdout=full)
            for command in ("cat", "show"):
                self.bad(1, "standard output: No space left on device", command, self.dir,
                         self.messages[2].id, stdout=full)
            self.bad(1, "standard output: No space left on device", "--help", stdout=full)

    def test_closed_pipe(self):
        """A reader that has gone (`| head -1`) has what it wanted: quietly, and no failure."""
        for arguments in (["ls", self.dir], ["ls", self.dir, "--json"],
                          ["stats", self.dir], ["stats", self.dir, "--json"],
                          ["cat", self.dir, self.messages[2].id],
                          ["cat", self.dir, next(m.id for m in self.messages if m.is_big)],
                          ["show", self.dir, self.messages[2].id],
                          ["show", self.dir, self.messages[2].id, "--json"],
                          ["follow", self.dir, "--from", "start"],
                          ["export", self.dir, "--format", "mbox", "--to", "-"],
                          ["export", self.dir, "--format", "mbox", "--to", "-", "--limit", 1],
                          ["export", self.dir, "--format", "jsonl", "--to", "-"],
                          ["export", self.dir, "--format", "eml", "--to", f"{self.work}/eml"],
                          ["--help"], ["--version"], ["ls", "--help"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_closed(*arguments), (0, b""))

    def test_closed_pipe_of_verify(self):
        """Quietly, too; but not everything was checked, so it is no success."""
        self.assertEqual(self.run_closed("verify", self.dir), (1, b""))

    def run_closed(self, *arguments):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            done = run(*arguments, stdout=pipe)
        return done.returncode, done.stderr


if __name__ == "__main__":
    unittest.main()
