#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""perf/compare: its parts alone, then small real runs.

Goal: the figures that come out are those that were measured, medians and ratios by the book;
what is not there is named and left out; a power cut tells a server that syncs from one that
does not; whatever happens, no process, mount, device or directory stays.
Method: tables from made-up runs; servers of a few lines of Python; ringpostd, the floors and
ringpost-load as built (RINGPOST_BUILD). The peers, root, cgroups and matplotlib are not needed.
"""
import contextlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "perf"))

import comparison.account as account  # noqa: E402
import comparison.drive as drive  # noqa: E402
import comparison.interrupt as interrupt  # noqa: E402
import comparison.machine as machine  # noqa: E402
import comparison.place as place  # noqa: E402
import comparison.plot as plot  # noqa: E402
import comparison.powercut as powercut  # noqa: E402
import comparison.process as process  # noqa: E402
import comparison.results as results_of  # noqa: E402
import comparison.rounds as rounds  # noqa: E402
import comparison.servers as servers_of  # noqa: E402
import comparison.tables as tables  # noqa: E402
import comparison.workload as workload_of  # noqa: E402

BUILD = os.environ.get("RINGPOST_BUILD", os.path.join(ROOT, "build"))
LOAD = os.environ.get("RINGPOST_LOAD", os.path.join(BUILD, "perf", "ringpost-load"))
PROGRAM = os.path.join(ROOT, "perf", "compare")
TIMEOUT = 150  # seconds until what hangs is a failure

# A server that greets, and has a child that must end with it.
SERVER = r'''
import socket, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    link, _ = listener.accept()
    link.sendall(b"220 hello\r\n")
    for line in link.makefile("rb"):
        link.sendall(b"221 bye\r\n" if line[:4] == b"QUIT" else
                     b"250-hello\r\n250-size 5\r\n250 Pipelining\r\n")
        if line[:4] == b"QUIT":
            break
    link.close()
'''


def options(**more):
    """What the parts take from the command line."""
    return types.SimpleNamespace(**{
        "build": BUILD, "packages": "/nonexistent", "work": tempfile.gettempdir(), "load": LOAD,
        "server_core": min(os.sched_getaffinity(0)), "load_core": min(os.sched_getaffinity(0)),
        **more})


class Workloads(unittest.TestCase):
    def test_sizes(self):
        for text, octets in (("1k", 1024), ("10KB", 10240), ("1m", 1 << 20), ("7", 7)):
            self.assertEqual(workload_of.parse_size(text), octets)
        for text in ("", "0", "k", "-1", "1.5k", "1t", "1 k"):
            with self.assertRaisesRegex(ValueError, "is no size; write 10k"):
                workload_of.parse_size(text)

    def test_lists(self):
        self.assertEqual(workload_of.parse_list("1, 100,1", workload_of.parse_count), [1, 100])
        for text, parse in (("", workload_of.parse_count), ("0", workload_of.parse_count),
                            ("bdat", workload_of.parse_mode)):
            with self.assertRaises(ValueError):
                workload_of.parse_list(text, parse)

    def test_make(self):
        chosen, left_out = workload_of.make(["plain"], [1024, 1 << 20], [1, 1000])
        self.assertEqual([workload.name for workload in chosen], ["1K/1", "1K/1000", "1M/1"])
        self.assertEqual([workload.name for workload in left_out], ["1M/1000"])
        self.assertEqual(workload_of.Workload("plain", 1000, 2).name, "1000/2")


class Servers(unittest.TestCase):
    def test_choose(self):
        always = ["ringpostd", "floor", "floor-log", "floor-log-direct"]
        for text, more in (("none", []), ("exim, exim", ["exim"]),
                           ("all", [server.name for server in servers_of.SERVERS
                                    if server.kind == servers_of.PEER])):
            self.assertEqual([server.name for server in servers_of.choose(text)], always + more)
        with self.assertRaisesRegex(ValueError, "there is no peer 'sendmail'; there are smtp-sink"):
            servers_of.choose("sendmail")

    def test_given(self):
        server = servers_of.given("old=/x/ringpostd -l 127.0.0.1:{port} --set 'a={b}' -s {dir}")
        self.assertEqual(servers_of.fill(server.command, port=25, dir="/d"),
                         ["/x/ringpostd", "-l", "127.0.0.1:25", "--set", "a={b}", "-s", "/d"])
        for text in ("command {port}", "a/b=x {port}", "name=command"):
            with self.assertRaises(ValueError):
                servers_of.given(text)

    def test_every_peer_has_its_script(self):
        for server in servers_of.SERVERS:
            if server.kind == servers_of.PEER:
                self.assertTrue(os.access(server.command[0], os.X_OK), server.name)
                package = servers_of.how_to_get(server).split()[1]
                with open(os.path.join(servers_of.PEERS, "get"), encoding="utf-8") as file:
                    self.assertRegex(file.read(), rf"\b{package}\b")

    def test_what_is_not_there(self):
        with tempfile.TemporaryDirectory() as packages:
            server = servers_of.peer("x", "X", True, ("usr/sbin/no-such-server",))
            self.assertEqual(servers_of.why_not(server, BUILD, packages), "it is not installed")
            self.assertEqual(servers_of.how_to_get(server), "perf/peers/get x")
            os.makedirs(os.path.join(packages, "usr", "sbin", "no-such-server"))
            self.assertIsNone(servers_of.why_not(server, BUILD, packages))
            with unittest.mock.patch("os.geteuid", return_value=1000):
                rooted = servers_of.peer("x", "X", True, server.files, needs_root=True)
                self.assertIn("root", servers_of.why_not(rooted, BUILD, packages))
            program = servers_of.peer("x", "X", True, (), programs=("no-such-program",))
            self.assertIn("no-such-program is missing",
                          servers_of.why_not(program, BUILD, packages))
        self.assertIn("is not built",
                      servers_of.why_not(servers_of.BY_NAME["floor"], "/nonexistent", "/"))


def made_up(*rows, durable=None):
    """Results of (server, CPU in each round), one workload."""
    results = results_of.Results([row[0] for row in rows],
                                 [workload_of.Workload("plain", 10240, 100)])
    for name, figures in rows:
        for number, cpu_us in enumerate(figures):
            run = {"accepted": 9, "refused": 0, "errors": {}, "cpu_us": cpu_us,
                   "messages_per_s": 12345.6, "p50_us": 1500, "p99_us": 20000, "load_share": 0.5}
            results.add(name, 0, number, run if cpu_us else {"failure": "no result"})
    results.durable = durable or {}
    results.keeps = {"ringpostd": True, "exim": True}
    return results


def verdict(word):
    return {"verdict": word, "kept": 20 if word != "no" else 3, "flushed": 0, "messages": 20}


class Results(unittest.TestCase):
    def test_medians(self):
        results = made_up(("ringpostd", (30, 50, None, 40)))
        self.assertEqual(results.value("ringpostd", 0, "cpu_us"), 40)
        self.assertIsNone(results.value("exim", 0, "cpu_us"))
        self.assertEqual(results.failures(), ["ringpostd, plain 10K/100: no result 1"])

    def test_ratio_is_within_a_round(self):
        """Where a round is slow for both the ratio does not see it; a missing round is no ratio."""
        results = made_up(("ringpostd", (30, 300, 36)), ("floor-log", (20, 200, None)))
        self.assertEqual(results.ratio("ringpostd", "floor-log", 0), 1.5)
        self.assertIsNone(results.ratio("ringpostd", "floor", 0))

    def test_bases(self):
        """Measured by the floors that promise as much; what was measured counts before words."""
        rows = [(name, (1,)) for name in ("floor", "floor-log", "floor-log-direct", "ringpostd",
                                          "exim", "sink")]
        results = made_up(*rows)
        self.assertEqual(results.bases("exim"), ["floor-log", "floor-log-direct"])
        self.assertEqual(results.bases("sink"), ["floor"])
        results.durable = {"exim": verdict("no"), "sink": verdict("yes"),
                           "ringpostd": verdict("unflushed"), "floor": verdict("no")}
        self.assertEqual(results.bases("exim"), ["floor"])
        self.assertEqual(results.bases("ringpostd"), ["floor"])
        self.assertEqual(results.bases("sink"), ["floor-log", "floor-log-direct"])
        self.assertEqual(results.bases("floor"), [])

    def test_memory(self):
        results = made_up(("exim", (1,)))
        self.assertIsNone(results.peak_memory("exim"))
        results.add("exim", 0, 1, {"rss_mib": 5.0, "rss_how": "peak"})
        results.add("exim", 0, 2, {"rss_mib": 70.0, "rss_how": "pss"})
        self.assertEqual(results.peak_memory("exim"), (70.0, "pss"))
        self.assertEqual(tables.memory(results, "exim"), "70.0 MiB (shared once)")


class Tables(unittest.TestCase):
    def test_numbers(self):
        for value, text in ((None, "-"), (0.4321, "0.43"), (12.34, "12.3"), (123.4, "123"),
                            (12345.6, "12,346")):
            self.assertEqual(tables.number(value), text)

    def test_table(self):
        self.assertEqual(tables.table(("a", "10K/100"), [("ringpostd", "1"), ("x", "22")]), [
            "| a         | 10K/100 |", "| --------- | ------: |", "| ringpostd |       1 |",
            "| x         |      22 |"])

    def test_markdown(self):
        results = made_up(("ringpostd", (30, 40)), ("floor", (10, 10)), ("floor-log", (20, 20)),
                          ("exim", (None, None)), durable={"ringpostd": verdict("yes"),
                                                           "floor": verdict("no")})
        servers = [servers_of.BY_NAME[name] for name in results.names]
        about = {"facts": {"date": "today", "commit": "abc"}, "versions": {"floor": "1.2"},
                 "skipped": [{"name": "postfix", "why": "it is not installed",
                              "how": "perf/peers/get postfix"}],
                 "rounds": 2, "duration_s": 0.5, "left_out": ["plain 1M/1000"], "notes": ["Note."]}
        text = tables.markdown(results, servers, about)
        for line in ("| ringpostd        |    35.0 |",  # its CPU
                     "| ringpostd / floor-log |    1.75 |",
                     "| floor            |  12,346 |",
                     "| ringpostd        |    1.50 |",  # p50 in ms
                     "- postfix: it is not installed; perf/peers/get postfix",
                     "- exim, plain 10K/100: no result 2", "Note."):
            self.assertIn(line + "\n", text)
        self.assertIn("yes: 20 of 20 kept", text)
        self.assertIn("no: 3 of 20 kept", text)
        self.assertIn("(1.2)", text)
        self.assertIn("in flight: plain 1M/1000.", text)
        self.assertNotIn("| exim             |    -", text)
        # All rows of a table have the same width: it can be read in a terminal.
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            self.assertEqual(len({len(line) for line in block.splitlines()}), 1, block)

    def test_busy_load(self):
        results = made_up(("floor", (10,)))
        results.runs[0]["load_share"] = 0.99
        self.assertEqual(tables.rate(results, "floor", 0), "> 12,346")

    def test_no_matplotlib(self):
        results = made_up(("floor", (10,)))
        with unittest.mock.patch.object(plot, "load", return_value=None):
            self.assertEqual(plot.write(results, [], "t", "/nonexistent/x"), [])

    def test_plot(self):
        if plot.load() is None:
            self.skipTest(plot.MISSING)
        results = made_up(("ringpostd", (30,)), ("floor", (10,)), ("exim", (None,)))
        with tempfile.TemporaryDirectory() as folder:
            names = plot.write(results, [servers_of.BY_NAME[name] for name in results.names],
                               "title", os.path.join(folder, "result"))
            self.assertEqual([os.path.basename(name) for name in names],
                             ["result.png", "result.svg"])
            for name, start in zip(names, (b"\x89PNG", b"<?xml")):
                with open(name, "rb") as file:
                    self.assertEqual(file.read(len(start)), start)

    def test_usual_connections(self):
        self.assertEqual(plot.usual([1, 1000, 100]), 100)
        self.assertEqual(plot.usual([2]), 2)


class Turns(unittest.TestCase):
    REPORT = {"accepted": 100, "refused": 2, "errors": {"timeout": 0, "closed": 3},
              "messages_per_s": 50.0, "seconds": 2.0, "client_cpu_s": 1.0,
              "latency_us": {"message": {"p50": 10, "p99": 20, "p99_9": 30}, "data": {"p50": 1}}}

    def test_summary(self):
        run = drive.summarize({**self.REPORT, "server_cpu_us_per_message": 33.0}, 9)
        self.assertEqual(run, {"accepted": 100, "refused": 2, "errors": {"closed": 3},
                               "messages_per_s": 50.0, "p50_us": 10, "p99_us": 20,
                               "p999_us": 30, "cpu_us": 33.0, "load_share": 0.5})

    def test_without_cgroup(self):
        self.assertEqual(drive.summarize(self.REPORT, 0.004)["cpu_us"], 40)

    def test_nothing_accepted(self):
        self.assertEqual(drive.summarize({"accepted": 0, "errors": {"connect": 1}}, 1),
                         {"accepted": 0, "refused": 0, "errors": {"connect": 1}})

    def test_load_that_fails(self):
        """What it says on its last line is the reason."""
        with tempfile.TemporaryDirectory() as folder:
            load = os.path.join(folder, "load")
            with open(load, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\necho first >&2\necho 'no such option' >&2\nexit 2\n")
            os.chmod(load, 0o755)
            given = options(load=load, duration=0.1, warmup=0)
            running = types.SimpleNamespace(port=1, account=account.Tree(), folder=folder,
                                            settle=lambda: 0)
            running.account.started(types.SimpleNamespace(pid=os.getpid()))
            run = drive.turn(given, running, workload_of.Workload("plain", 1, 1), True)
        self.assertEqual(run, {"failure": "no such option"})


class Processes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ringpost-compare-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def make(self, code, *arguments):
        command = (sys.executable, "-c", code, *arguments)
        server = servers_of.Server("test", "a test", command, servers_of.GIVEN, False)
        return process.Process(server, options())

    def check_life(self, cgroup):
        running = self.make(SERVER, "{port}")
        running.start(self.folder, cgroup, "4mb")
        self.addCleanup(running.stop)
        self.assertEqual(running.offers, {"SIZE", "PIPELINING"})
        self.assertTrue(running.is_alive())
        pids = running.account.pids()
        self.assertEqual(len(pids), 2, pids)
        self.assertGreater(account.peak_mib(pids), 1)
        self.assertGreater(account.shared_mib(pids), 1)
        self.assertGreaterEqual(running.settle(), 0)
        running.stop()
        for pid in pids:
            self.assertFalse(os.path.exists(f"/proc/{pid}/exe"), pid)
        self.assertEqual(os.listdir(self.folder), [])

    def test_life(self):
        self.check_life(None)

    def test_life_in_a_cgroup(self):
        cgroup = account.find_cgroup()
        if cgroup is None:
            self.skipTest("no cgroup can be made here")
        self.check_life(cgroup)
        self.assertEqual([name for name in os.listdir(cgroup)
                          if name.startswith(f"ringpost-compare-{os.getpid()}-")], [])

    def test_stop_at_once(self):
        """The process is started, and has not entered its cgroup: nobody else knows it."""
        running = self.make("import time; time.sleep(600)")
        running.spawn(self.folder, None, "4mb")
        popen = running.popen
        self.addCleanup(popen.kill)
        with unittest.mock.patch.object(running.account, "pids", return_value=[]):
            running.stop()
        self.assertEqual(popen.returncode, -signal.SIGTERM)

    def test_no_start(self):
        running = self.make("import sys; sys.exit('address\\nin use')")
        with self.assertRaisesRegex(process.Trouble, "ended at its start, status 1: in use"):
            running.start(self.folder, None, "4mb")
        self.assertEqual(os.listdir(self.folder), [])

    def test_cpu_of_children(self):
        """Time of a child counts, running or gone."""
        code = ("import subprocess, sys, time\n"
                "subprocess.run([sys.executable, '-c',\n"
                "    'import time\\nend = time.process_time() + 0.2\\n"
                "while time.process_time() < end: pass'])\n"
                "print('done', flush=True)\ntime.sleep(600)")
        popen = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                                 start_new_session=True)
        self.addCleanup(popen.communicate)
        self.addCleanup(popen.kill)
        tree = account.Tree()
        tree.started(popen)
        self.assertEqual(popen.stdout.readline(), b"done\n")
        self.assertGreaterEqual(tree.cpu_s(), 0.18)


class Machine(unittest.TestCase):
    def test_facts(self):
        with tempfile.TemporaryDirectory() as work:
            where = place.Here(work)
            where.open()
            facts = machine.facts(options(work=work), where, "/proc")
            where.close()
            self.assertEqual(os.listdir(work), [])
        self.assertLessEqual({"date", "commit", "build", "cpu", "kernel", "file system"},
                             set(facts))
        self.assertTrue(all(isinstance(value, str) and value for value in facts.values()), facts)

    def test_complaints(self):
        self.assertEqual(machine.complaints({"buildtype": "release", "optimization": "3",
                                             "b_sanitize": "none"}), [])
        self.assertEqual(len(machine.complaints({"optimization": "0",
                                                 "b_sanitize": "address"})), 2)

    def test_mount_of(self):
        self.assertEqual(place.mount_of("/proc/self")[1], "proc")


class PowerCut(unittest.TestCase):
    def test_verdict(self):
        for kept, flushed, word, text in (
                (20, 20, "yes", "yes: 20 of 20 kept"),
                (19, 20, "no", "no: 19 of 20 kept"),
                (20, 3, "unflushed", "no: 20 of 20 kept, but 3 flushed"),
                (20, None, "unknown", "20 of 20 kept; flushes not counted")):
            self.assertEqual(powercut.judge(kept, flushed), word)
            self.assertEqual(powercut.explain({"verdict": word, "kept": kept, "flushed": flushed,
                                               "messages": 20}), text)
        self.assertEqual(powercut.explain(None), "not measured")

    def test_search(self):
        texts = powercut.markers()
        self.assertEqual(len(set(texts)), powercut.MESSAGES)
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "a", "b"))
            for name, octets in (("a/b/one", b"\0" * 5000 + texts[0] + texts[2]),
                                 ("empty", b""), ("a/half", texts[1][:-1])):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(octets)
            os.mkfifo(os.path.join(folder, "a", "fifo"))
            self.assertEqual(powercut.search(folder, texts), {texts[0], texts[2]})

    def test_floors(self):
        """A floor that syncs keeps all; one that does not, or keeps nothing, does not."""
        why = powercut.why_not()
        floor = servers_of.BY_NAME["floor"]
        if why is None:
            why = servers_of.why_not(floor, BUILD, "/")
        if why is None:
            try:
                probe = place.Loop(tempfile.gettempdir())
                self.addCleanup(probe.close)
                probe.open(64 << 20, is_sparse=True)
            except place.Trouble as trouble:
                why = f"no loop device: {trouble}"
            probe.close()
        if why is not None:
            self.skipTest(why)
        log = ("{build}/perf/floor", "{port}", "--log", "{dir}/log", "--log-size", "{log_size}")
        with tempfile.TemporaryDirectory() as work:
            for command, words in (((*log, "--commit", "fdatasync"), ("yes", "unknown")),
                                   ((*log, "--commit", "dsync"), ("yes", "unknown")),
                                   ((*log, "--commit", "none"), ("no",)),
                                   (floor.command, ("no",))):
                server = servers_of.Server("floor", "", command, servers_of.FLOOR, True)
                result = powercut.check(server, options(work=work), None)
                self.assertIn(result["verdict"], words, (command, result))
                self.assertEqual(os.listdir(work), [])
            with open("/proc/mounts", encoding="utf-8") as file:
                self.assertNotIn(work, file.read())


class Interrupt(unittest.TestCase):
    def setUp(self):
        for number in interrupt.NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        interrupt.install()

    def test_at_once(self):
        with self.assertRaises(interrupt.Stop):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)  # a second one does nothing

    def test_held(self):
        """What is being made is known before the exception comes; nested ones wait for all."""
        made = []
        with self.assertRaises(interrupt.Stop):
            with interrupt.hold():
                with interrupt.hold():
                    signal.raise_signal(signal.SIGINT)
                    made.append(1)
                made.append(2)
        self.assertEqual(made, [1, 2])
        with interrupt.hold():
            made.append(3)

    def test_error_in_it(self):
        with self.assertRaises(KeyError):
            with interrupt.hold():
                raise KeyError
        with self.assertRaises(interrupt.Stop):
            signal.raise_signal(signal.SIGINT)


def leftovers(work):
    """Processes that still name the directory on their command line."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if work.encode() in file.read() and int(name) != os.getpid():
                    found.append(int(name))
    return found


class ProgramCase(unittest.TestCase):
    """The program as it is started."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="ringpost-compare-test-")
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)
        self.out = os.path.join(self.work, "out")
        self.disk = os.path.join(self.work, "disk")
        os.mkdir(self.disk)

    def run_it(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=TIMEOUT)

    def arguments(self, *more):
        return ["--build", BUILD, "--load", LOAD, "--work", self.disk, "--out", self.out,
                "--filesystem", "here", "--no-power-cut", "--warm-memory", "0", "--peers", "none",
                "--log-size", "8mb", "--sizes", "1k", "--connections", "2", "--rounds", "1", *more]

    def need_load(self):
        if not os.access(LOAD, os.X_OK):
            self.skipTest(f"{LOAD} is not built")


class Program(ProgramCase):
    def test_usage(self):
        for arguments, text in (
                (("--sizes", "10x"), "--sizes: '10x' is no size"),
                (("--connections", "many"), "--connections: 'many' is no number"),
                (("--modes", "bdat"), "--modes: 'bdat' is no mode; write plain or pipelined"),
                (("--peers", "qmail"), "there is no peer 'qmail'; there are "),
                (("--server", "x"), "'x': write NAME=COMMAND"),
                (("--server", "floor=x {port}"), "there are two servers 'floor'"),
                (("--rounds", "0"), "argument --rounds: "),
                (("--duration", "0"), "--duration 0: nothing would be measured"),
                (("--cores", "0"), "--cores 0: give two of the CPUs "),
                (("--image-size", "big"), "--image-size: 'big' is no size"),
                (("--rates", "10%,fast"), "--rates: 'fast' is no rate; write 5000"),
                (("--only", "floor,qmail"), "--only: there is no server 'qmail'; there are ring"),
                (("--bogus",), "unrecognized arguments: --bogus")):
            with self.subTest(arguments=arguments):
                outcome = self.run_it(*arguments)
                self.assertEqual((outcome.returncode, outcome.stdout), (2, ""), outcome)
                self.assertEqual(outcome.stderr.count("\n"), 1, outcome.stderr)
                self.assertTrue(outcome.stderr.startswith("compare: " + text), outcome.stderr)

    def test_missing(self):
        for arguments, text in (
                (("--build", "/nonexistent"), "compare: /nonexistent: no such directory; meson"),
                (("--build", self.work), f"compare: {self.work}/perf/ringpost-load: no such"),
                (("--build", self.work, "--load", "/bin/true", "--peers", "none"),
                 "compare: ringpostd is left out: ")):
            with self.subTest(arguments=arguments):
                outcome = self.run_it(*arguments)
                self.assertEqual((outcome.returncode, outcome.stdout), (1, ""), outcome)
                self.assertTrue(outcome.stderr.startswith(text), outcome.stderr)

    def test_help_and_list(self):
        for option, text in (("--help", "--filesystem {ext4,here}"), ("--list", "smtp-sink")):
            outcome = self.run_it(option)
            self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
            self.assertIn(text, outcome.stdout)

    def test_run(self):
        self.need_load()
        outcome = self.run_it(*self.arguments("--duration", "0.3", "--warmup", "0.1", "--server",
                                              "broken=/bin/false {port}"))
        self.assertEqual(outcome.returncode, 1, outcome.stderr)  # of the broken one
        self.assertIn("compare: broken: did not start: ended at its start, status 1",
                      outcome.stderr)
        with open(os.path.join(self.out, "result.json"), encoding="utf-8") as file:
            result = json.load(file)
        measured = {(row["server"], row["workload"]): row for row in result["medians"]}
        servers = ("ringpostd", "floor", "floor-log", "floor-log-direct")
        self.assertEqual([row["name"] for row in result["skipped"] if row["name"] not in servers],
                         ["broken"])
        for name in servers:
            for index in (0, 1):
                if name in {row["name"] for row in result["skipped"]}:
                    self.assertEqual(name, "floor-log-direct", outcome.stderr)  # no O_DIRECT here
                    continue
                row = measured[name, index]
                self.assertGreater(row["cpu_us"], 0)
                self.assertGreater(row["messages_per_s"], 0)
                self.assertGreaterEqual(row["p99_us"], row["p50_us"])
        self.assertEqual(measured["ringpostd", 0]["ratios"]["floor-log"],
                         measured["ringpostd", 0]["cpu_us"] / measured["floor-log", 0]["cpu_us"])
        for run in result["runs"]:
            self.assertEqual((run["refused"], run["errors"]), (0, {}), run)
        with open(os.path.join(self.out, "result.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(outcome.stdout, text + "\n")
        self.assertIn("### pipelined: server CPU", text)
        self.assertIn("was not measured (--no-power-cut)", text)
        self.assertEqual((os.listdir(self.disk), leftovers(self.disk)), ([], []))

    def interrupt(self, number, has_turn):
        """Signal it when it starts the servers or in the first turn; status, what it said."""
        with subprocess.Popen([PROGRAM, *self.arguments("--duration", "60")], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as popen:
            said = popen.stderr.readline()
            while "starting" not in said:
                said = popen.stderr.readline()
                self.assertTrue(said)
            deadline = time.monotonic() + TIMEOUT
            while has_turn and not self.is_driving(popen.pid):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            popen.send_signal(number)
            _, said = popen.communicate(timeout=TIMEOUT)
            return popen.returncode, said

    @staticmethod
    def is_driving(pid):
        """Has it started the load?"""
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline", "rb") as line:
                    words = line.read().split(b"\0")
                    # Before its exec a child still has compare's own command line.
                    if b"--workers" in words and LOAD.encode() in words:
                        return True
        return False

    def test_interrupted(self):
        self.need_load()
        for number, has_turn in itertools.product((signal.SIGINT, signal.SIGTERM), (True, False)):
            status, said = self.interrupt(number, has_turn)
            self.assertEqual(status, 1, said)
            self.assertIn("compare: interrupted: cleaning up", said)
            self.assertEqual((os.listdir(self.disk), leftovers(self.disk)), ([], []))


class RoundsCase(unittest.TestCase):
    """Bench with a drive that answers from a table."""

    def setUp(self):
        work = tempfile.mkdtemp(prefix="ringpost-compare-test-")
        self.addCleanup(shutil.rmtree, work)
        self.given = options(work=work, rounds=3, warm_octets=0, log_size="4mb",
                             workloads=workload_of.make(["plain", "pipelined"], [1024], [1])[0])
        self.servers = [servers_of.Server(name, "", (sys.executable, "-c", SERVER, "{port}"),
                                          servers_of.GIVEN, False) for name in ("one", "two")]
        self.where = place.Here(work)
        self.addCleanup(self.where.close)
        self.where.open()

    def run_rounds(self, turn):
        self.asked = []
        bench = rounds.Bench(self.given, self.servers, [], self.where, None)
        order = []

        def record(given, running, workload, wants_memory, rate):
            order.append((running.server.name, workload.mode, wants_memory))
            self.asked.append((running.server.name, workload.name, rate))
            return turn(running.server.name, workload.mode)

        with unittest.mock.patch.object(drive, "turn", record), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            bench.run_all()
        return bench, order, said.getvalue()

    GOOD = {"accepted": 1, "refused": 0, "errors": {}, "cpu_us": 10.0, "messages_per_s": 5.0,
            "p50_us": 1, "p99_us": 2, "p999_us": 3}


class Rounds(RoundsCase):
    def test_turns(self):
        """Each with each, memory once, and who begins changes."""
        bench, order, said = self.run_rounds(lambda *_: dict(self.GOOD))
        self.assertEqual(len(order), 12)
        self.assertEqual(sorted(set(order)), sorted(
            (name, mode, first) for name in ("one", "two") for mode in ("plain", "pipelined")
            for first in (True, False)))
        self.assertEqual([name for name, _, _ in order[::2]],
                         ["one", "two", "two", "one", "one", "two"])
        self.assertEqual(len(bench.results.of("one", 0)), 3)
        self.assertIn("[12/12, 0 s left] round 3, pipelined 1K/1, ", said)

    def test_giving_up(self):
        """Two turns without a figure are enough."""
        bench, order, said = self.run_rounds(
            lambda name, mode: {"failure": "x"} if (name, mode) == ("one", "plain")
            else dict(self.GOOD))
        self.assertEqual(sum(turn[:2] == ("one", "plain") for turn in order), 2)
        self.assertEqual(len(order), 11)
        self.assertIn("FAILED: x", said)
        self.assertEqual(bench.results.failures(), ["one, plain 1K/1: x 2"])


if __name__ == "__main__":
    unittest.main()
