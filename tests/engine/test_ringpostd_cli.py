#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of ringpostd: options, errors and exit statuses, without serving anyone.

Goal: wrong usage is status 2, a wrong configuration file status 1, each with one line on
stderr that says where; --check, --print-config, --help and --version do what they say;
signals are taken while it serves. Method: the built program in a directory of its own.
The program is in RINGPOST_BUILD (the build directory), else build/.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("RINGPOST_BUILD", os.path.join(ROOT, "build"))
DAEMON = os.path.join(BUILD, "engine", "ringpostd")
EXAMPLE = os.path.join(ROOT, "packaging", "ringpostd.conf")
ENV = {**os.environ, "LC_ALL": "C.UTF-8",
       # libconfig loses some octets with each text that it refuses.
       "LSAN_OPTIONS": f"suppressions={os.path.join(HERE, 'lsan.supp')}:print_suppressions=0"}


class Case(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.work = work.name

    def run_daemon(self, *arguments, **options):
        return subprocess.run([DAEMON, *arguments], stdin=subprocess.DEVNULL, timeout=60,
                              capture_output=True, text=True, check=False, cwd=self.work, env=ENV,
                              **options)

    def write(self, text, name="x.conf"):
        with open(os.path.join(self.work, name), "w", encoding="utf-8") as stream:
            stream.write(text)
        return name

    def assert_refused(self, done, status, start):
        """Nothing on stdout, one line on stderr."""
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("ringpostd: " + start), done.stderr)


class Usage(Case):
    def test_wrong_options(self):
        for arguments, start in (
                (["--foo"], "--foo: unknown option; see ringpostd --help"),
                (["-x"], "-x: unknown option; see ringpostd --help"),
                (["-c"], "-c: a value is missing; see ringpostd --help"),
                (["--check", "-l"], "-l: a value is missing; see ringpostd --help"),
                (["--set"], "--set: a value is missing; see ringpostd --help"),
                (["--check=1"], "--check=1: takes no value; see ringpostd --help"),
                (["--check", "more"], "more: unexpected argument; see ringpostd --help"),
                (["--check", "--", "-s"], "-s: unexpected argument; see ringpostd --help")):
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_daemon(*arguments), 2, start)

    def test_wrong_values(self):
        for arguments, start in (
                (["--set", "workers"], "--set workers: right: --set KEY=VALUE"),
                (["--set", "worker=1"], "--set worker: unknown key; did you mean workers?"),
                (["--set", "workers=0"], "--set workers: 0 is out of range; right: "),
                (["--set", "hostname=a\nb"], "--set hostname: a?b is not of that form; right: "),
                (["-s", ""], "spool.path:  is out of range; right: a path"),
                (["-l", "25"], "-l 25: is no address to listen on; right: 127.0.0.1:2525"),
                (["-l", "mx.example.org:25"], "-l mx.example.org:25: is no address"),
                (["-l", "127.0.0.1:25,tls=none"], "-l 127.0.0.1:25: tls=none: unknown option"),
                (["-l", "*:1", "-l", "*:1"], "-l *:1: was given twice")):
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_daemon(*arguments), 2, start)
                self.assert_refused(self.run_daemon("--check", *arguments), 2, start)

    def test_too_many(self):
        self.assert_refused(self.run_daemon(*["-s", "x"] * 513), 2, "too many options; right: ")

    def test_help(self):
        done = self.run_daemon("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("Usage: ringpostd "))
        for option in ("-c FILE", "-l ADDRESS", "-s DIR", "--set KEY=VALUE", "--check",
                       "--print-config", "-h, --help", "--version"):
            self.assertIn(f"\n  {option} ", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        for arguments in (["-h"], ["-s", "x", "-h", "--foo"], ["-hx"]):
            self.assertEqual(self.run_daemon(*arguments).stdout, done.stdout)

    def test_version(self):
        done = self.run_daemon("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\Aringpostd \d+\.\d+\.\d+\n\Z")

    def test_full_stdout(self):
        for argument in ("--help", "--version", "--print-config", "--check"):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([DAEMON, argument], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60, check=False, env=ENV)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr,
                             "ringpostd: standard output: No space left on device\n")

    def test_closed_files(self):
        """Without stdin, stdout and stderr it works as with /dev/null."""
        done = subprocess.run(["/bin/sh", "-c", '"$0" --check <&- >&- 2>&-', DAEMON],
                              timeout=60, check=False, env=ENV)
        self.assertEqual(done.returncode, 0)


class Configuration(Case):
    def test_check(self):
        done = self.run_daemon("--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "ringpostd: the configuration is good\n")
        self.assertEqual(os.listdir(self.work), [])  # no spool was made

    def test_example(self):
        done = self.run_daemon("--check", "-c", EXAMPLE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_bad_files(self):
        self.write('smtp = {\n vrfy = 1;\n};\n', "inner.conf")
        for text, start in (
                ('hostname = "a";\nhostnam = "b";\n', "x.conf:2: hostnam: unknown key; did you"),
                ('hostname = "a";\n\nhostname = "b";\n', "x.conf:3: duplicate setting name"),
                ('limits = { memory = 10mb; };\n', "x.conf:1: 10mb is no number; right: quotes"),
                ('limits = { memory = 99999999999999; };\n', "x.conf:1: limits.memory: 9999"),
                ('limits = {\n\n memory = "1mb";\n};\n', 'x.conf:3: limits.memory: "1mb" is out'),
                ('hostname "a"\n', "x.conf:1: syntax error"),
                ('\n@include "inner.conf"\n', "inner.conf:2: smtp.vrfy: 1 is of another type"),
                ('\n@include "no.conf"\n', 'x.conf:2: @include "no.conf": No such file'),
                ('\n@include "."\n', 'x.conf:2: @include ".": Is a directory')):
            with self.subTest(text=text):
                name = self.write(text)
                for arguments in (["--check"], ["--print-config"], []):
                    self.assert_refused(self.run_daemon("-c", name, *arguments), 1, start)

    def test_unreadable_files(self):
        for name, start in (("no.conf", "no.conf: cannot be read: No such file or directory"),
                            (".", ".: cannot be read: Is a directory"),
                            ("/dev/zero", "/dev/zero: cannot be read: File too large")):
            self.assert_refused(self.run_daemon("--check", "-c", name), 1, start)

    def test_relations(self):
        done = self.run_daemon("--check", "--set", "workers=100")
        self.assert_refused(done, 1, "limits.memory: 1073741824 is too little for 100 workers")

    def test_stdin(self):
        done = subprocess.run([DAEMON, "-c", "/dev/stdin", "--print-config"], text=True,
                              input='ident = "from a pipe";', capture_output=True, timeout=60,
                              check=False, env=ENV)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn('\nident = "from a pipe";\n', done.stdout)

    def print_config(self, *arguments):
        done = self.run_daemon("--print-config", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_round_trip(self):
        everything = ["--set", "limits.command_calls={NOOP=5,\"*\"=20}", "--set", 'ident=a "b" \\c',
                      "--set", "limits.memory=5000000001", "--set", "workers=3",
                      "--set", "spool.min_free=12%", "--set", "timeouts.data=1500ms",
                      "--set", "smtp.vrfy=false", "--set", "body.bare_newline=keep",
                      "-s", "/x/\u00e9 \"y\""]
        for arguments in ([], everything):
            first = self.print_config(*arguments)
            self.assertEqual(self.print_config("-c", self.write(first)), first)
        self.assertIn('ident = "a \\"b\\" \\\\c";\n', first)
        self.assertIn("    command_calls = { NOOP = 5; * = 20; };\n", first)
        self.assertIn('    path = "/x/\u00e9 \\"y\\"";\n', first)
        self.assertIn('    memory = "5000000001";\n', first)

    def test_precedence(self):
        """File, then -s and --set in their order, wherever -c stands."""
        name = self.write('spool = { path = "file"; segment_size = "2mb"; };\n')
        for arguments, path in (
                (["-c", name], "file"),
                (["-s", "one", "-c", name], "one"),
                (["-s", "one", "--set", "spool.path=two", "-c", name], "two"),
                (["--set", "spool.path=two", "-c", name, "-s", "one"], "one")):
            printed = self.print_config(*arguments)
            self.assertIn(f'    path = "{path}";\n', printed)
            self.assertIn('    segment_size = "2mb";\n', printed)

    def test_listeners(self):
        self.assertTrue(self.print_config().startswith("# -l 127.0.0.1:2525\n# First part"))
        printed = self.print_config("-l", "[::1]:0", "-l", "unix:/run/x", "-l", "*:25")
        self.assertTrue(printed.startswith("# -l [::1]:0\n# -l unix:/run/x\n# -l *:25\n"))
        self.assertNotIn("2525", printed)


class Serving(Case):
    """What main.c itself does around the server."""

    def start(self, *arguments, **options):
        self.log = os.path.join(self.work, f"log-{time.monotonic_ns()}")
        process = subprocess.Popen(
            [DAEMON, "-l", "127.0.0.1:0", "-s", "spool", "--set", f"log.file={self.log}",
             "--set", "workers=1", "--set", "spool.segment_size=1mb", *arguments],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.work, env=ENV,
            **options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_log(process, "is ready")
        return process

    def text(self, path=None):
        try:
            with open(path or self.log, encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""

    def lines(self, path=None):
        """Whole lines of a JSON log."""
        return [json.loads(line) for line in self.text(path).split("\n")[:-1]]

    def wait_log(self, process, pattern, path=None):
        deadline = time.monotonic() + 60
        while True:
            for line in self.lines(path):
                if re.search(pattern, line["message"]):
                    return line
            if process.poll() is not None:
                self.fail(f"ended with {process.returncode}: {process.stderr.read()}")
            if time.monotonic() > deadline:
                self.fail(f"no {pattern!r} in {self.lines(path)}")
            time.sleep(0.02)

    def test_end(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start()
            process.send_signal(number)
            self.assertEqual(process.wait(60), 0)
            self.assertEqual(process.stderr.read(), "")
            texts = [line["message"] for line in self.lines()]
            self.assertIn(f"{number.name}: draining", texts)
            self.assertEqual(texts[-1], "ringpostd has ended")

    def test_reload(self):
        name = self.write('log = { format = "json"; };')
        process = self.start("-c", name)
        self.write('ident = 5;')
        process.send_signal(signal.SIGHUP)
        line = self.wait_log(process, "^reload: ")
        self.assertEqual(line["level"], "error")
        self.assertRegex(line["message"], r"^reload: x\.conf:1: ident: 5 is of another type; "
                                          r"right: .*; nothing changed$")
        # Taken over: the log itself changes its form.
        self.write('log = { format = "text"; };')
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while " info reload: done\n" not in self.text() and time.monotonic() < deadline:
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        process.terminate()
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(process.stderr.read(), "")
        self.assertRegex(self.text(), r"\n[-0-9]{10}T[:0-9]{8}\.\d{3}Z info reload: done\n")
        self.assertRegex(self.text(), r" info ringpostd has ended\n\Z")

    def test_reload_of_a_pipe(self):
        """What cannot be read twice is not: reading nothing would mean all defaults."""
        reading, writing = os.pipe()
        os.write(writing, b'log = { level = "debug"; };')
        os.close(writing)
        process = self.start("-c", f"/dev/fd/{reading}", pass_fds=(reading,))
        os.close(reading)
        process.send_signal(signal.SIGHUP)
        self.wait_log(process, f"^reload: /dev/fd/{reading} is no regular file .* nothing changed$")
        process.terminate()
        self.assertEqual(process.wait(60), 0)

    def test_reopen(self):
        process = self.start()
        os.rename(self.log, self.log + ".1")
        process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.log) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.terminate()
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.lines()[-1]["message"], "ringpostd has ended")
        self.assertNotIn("ringpostd has ended",
                         [line["message"] for line in self.lines(self.log + ".1")])

    def test_bad_log_file(self):
        done = self.run_daemon("--set", "log.file=no/such/dir/log", "-s", "spool")
        self.assert_refused(done, 1, "log.file: no/such/dir/log: No such file or directory; right")
        self.assertEqual(os.listdir(self.work), [])

    def test_bad_spool(self):
        os.mkdir(os.path.join(self.work, "spool"))
        self.write("something else", "spool/letter")
        done = self.run_daemon("-l", "127.0.0.1:0", "-s", "spool", "--set", "workers=1",
                               "--set", "log.file=log")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.log = os.path.join(self.work, "log")
        self.assertEqual("ringpostd: " + self.lines()[-1]["message"] + "\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
