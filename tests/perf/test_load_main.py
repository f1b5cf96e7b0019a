#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-load against servers: ringpostd, aiosmtpd, and one that answers as it is told.

Goal: every message is sent as asked for, counted once and as the server said; whatever a server
does, the program ends with the truth and the right exit status.
Method: the built program; its JSON against the books of the server. Times are never compared with
a limit, but where the server itself waited for at least that long.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402
from load_server import WAIT_S, Aiosmtpd, Server  # noqa: E402

PROGRAM = os.environ.get("RINGPOST_LOAD",
                         os.path.join(harness.BUILD, "perf", "ringpost-load"))
MANUAL = os.path.join(harness.ROOT, "perf", "ringpost-load.1")
LIMIT_S = 60  # for one run


class Run:
    """What a run left behind."""

    def __init__(self, process, stdout, stderr, json_path):
        self.status = process.returncode
        self.stdout = stdout.decode()
        self.stderr = stderr.decode()
        self.json = None
        if os.path.exists(json_path):
            with open(json_path, encoding="ascii") as file:
                self.json = json.load(file)


class Case(harness.Case):
    def spawn(self, *arguments, **options):
        self.json_path = os.path.join(self.work, f"json-{time.monotonic_ns()}")
        command = [PROGRAM, *map(str, arguments), "--json", self.json_path]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        stdout, stderr = process.communicate(timeout=LIMIT_S)
        run = Run(process, stdout, stderr, self.json_path)
        self.assertNotRegex(run.stderr, harness.TROUBLE)
        return run

    def load(self, *arguments, **options):
        return self.finish(self.spawn(*arguments, **options))

    def good(self, *arguments, messages, **options):
        """All of `messages` are accepted, nothing else happens; the JSON."""
        run = self.load(*arguments, "--messages", messages, **options)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual((run.json["begun"], run.json["accepted"], run.json["refused"]),
                         (messages, messages, 0), run.json["samples"])
        self.assertEqual(set(run.json["errors"].values()), {0}, run.json["samples"])
        return run.json

    def bad(self, status, words, *arguments, **options):
        """It fails with one line that has these words."""
        run = self.load(*arguments, "--quiet", **options)
        self.assertEqual(run.status, status, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertTrue(run.stderr.startswith("ringpost-load: "), run.stderr)
        self.assertIn(words, run.stderr)
        self.assertEqual(run.stdout, "")
        return run


MODES = [("--plain",), ("--pipelining",), ("--pipelining", "--depth", "1"), ("--bdat",),
         ("--bdat", "--depth", "5")]


class Daemon(Case):
    """Against ringpostd, with --verify on its spool."""

    def test_verify(self):
        daemon = self.start()
        target = f"127.0.0.1:{daemon.port}"
        total = 0
        for mode in (("--plain",), ("--pipelining",), ("--pipelining", "--depth", "1")):
            for size in ("1kb", "1kb-100kb", "1mb"):
                messages = 20 if size == "1mb" else 200
                result = self.good(target, *mode, "--size", size, "--connections", 7,
                                   "--verify", daemon.spool.path, messages=messages)
                total += messages
                self.assertEqual(result["verify"]["found"], messages)
                self.assertTrue(result["verify"]["fine"])
                self.assertEqual(result["replies"]["end"], {"250": messages})
                self.assertEqual(result["latency_us"]["message"]["count"], messages)
        self.assertEqual(daemon.spool.stats()["messages"], total)

    def test_many_connections(self):
        daemon = self.start()
        result = self.good(f"127.0.0.1:{daemon.port}", "--connections", 500, "--size", 500,
                           "--per-connection", 2, "--verify", daemon.spool.path, messages=2000)
        self.assertEqual(result["replies"]["quit"]["221"], result["connected"])
        self.assertGreaterEqual(result["connected"], 1000)

    def test_killed_under_load(self):
        """What was accepted is there after kill -9, and the run ends."""
        daemon = self.make().start()
        process = self.spawn(f"127.0.0.1:{daemon.port}", "--duration", "60s", "--connections", 20,
                             "--timeout", "1s", "--verify", daemon.spool.path, "--size", "2kb")
        deadline = time.monotonic() + WAIT_S
        while daemon.spool.stats()["messages"] < 500:
            self.assertLess(time.monotonic(), deadline)
        daemon.kill()
        run = self.finish(process)
        self.assertEqual(run.status, 1)
        self.assertIn("Connection refused", run.stderr)
        self.assertTrue(run.json["verify"]["fine"], run.json["verify"])
        self.assertGreaterEqual(run.json["verify"]["found"], 500)

    def test_killed_and_over(self):
        """The run ends before anybody has waited long for the server that is gone."""
        daemon = self.make().start()
        process = self.spawn(f"127.0.0.1:{daemon.port}", "--duration", "3s", "--connections", 20,
                             "--size", "2kb", "--quiet")
        deadline = time.monotonic() + WAIT_S
        while daemon.spool.stats()["messages"] < 100:
            self.assertLess(time.monotonic(), deadline)
        daemon.kill()
        run = self.finish(process)
        self.assertEqual(run.status, 1)
        self.assertRegex(run.stderr, r"^ringpost-load: [\d.:]+: errors: .*closed \d+; ")
        self.assertEqual(run.json["verdict"], {
            "passed": False, "reasons": [run.stderr.partition(": ")[2].rstrip("\n")]})
        self.assertGreaterEqual(run.json["accepted"], 100)

    def test_verify_finds(self):
        """A server that takes mail and throws it away is found out."""
        daemon = self.start()
        with Server() as server:
            run = self.load(server.target, "--messages", 30, "--verify", daemon.spool.path)
        self.assertEqual(run.status, 1)
        self.assertIn("30 lost", run.stderr)
        self.assertEqual(run.json["verify"]["lost"], 30)
        self.assertEqual(run.json["accepted"], 30)
        self.bad(1, "no such directory", server.target, "--verify", self.work + "/none")


class Sending(Case):
    """What goes over the wire."""

    def test_modes(self):
        for mode in MODES:
            for spoken in (False, True):
                with self.subTest(mode=mode, slow=spoken), Server(is_slow_spoken=spoken) as server:
                    result = self.good(server.target, *mode, "--connections", 4, "--recipients", 3,
                                       "--size", 3000, messages=40)
                    self.assertEqual(server.faults, [])
                    self.assertEqual([len(body) for body in server.bodies], 40 * [3000])
                    self.assertEqual(len({body[:300] for body in server.bodies}), 40)
                    verbs = [line.split()[0] for line in server.commands()]
                    self.assertEqual(verbs.count("RCPT"), 120)
                    self.assertEqual(result["replies"]["rcpt"], {"250": 120})
                    self.assertEqual(result["octets"], 40 * 3000)
                    self.assertEqual(verbs.count("QUIT"), len(server.sessions))

    def test_envelope(self):
        with Server() as server:
            self.good(server.target, "--domain", "d.example", "--recipients", 2, messages=1)
            self.good(server.target, "--sender", "", messages=1)
            self.good(server.target, "--sender", "me@x", messages=1)
        lines = set(server.commands())
        for line in ("EHLO d.example", "MAIL FROM:<load@d.example>", "RCPT TO:<user1@d.example>",
                     "RCPT TO:<user2@d.example>", "MAIL FROM:<>", "MAIL FROM:<me@x>"):
            self.assertIn(line, lines)

    def test_corpus(self):
        folder = os.path.join(self.work, "eml")
        os.mkdir(folder)
        bodies = [b"Subject: %d\r\n\r\n.dot\r\n..\r\nline %d\r\n" % (number, number)
                  for number in range(3)]
        for number, body in enumerate(bodies):
            with open(os.path.join(folder, f"{number}.eml"), "wb") as file:
                file.write(body)
        with open(os.path.join(self.work, "mbox"), "wb") as file:
            for body in bodies:
                file.write(b"From x Thu Jan  1 00:00:00 1970\n" + body.replace(b"\r", b"") + b"\n")
        for source in (f"eml:{folder}", f"mbox:{self.work}/mbox"):
            for mode in ("--plain", "--bdat"):
                with self.subTest(source=source, mode=mode), Server() as server:
                    self.good(server.target, mode, "--size", source, messages=30)
                    self.assertEqual(sorted(server.bodies), sorted(10 * bodies))

    def test_per_connection(self):
        for mode in MODES:
            with self.subTest(mode=mode), Server() as server:
                self.good(server.target, *mode, "--connections", 3, "--per-connection", 4,
                          messages=36)
                counts = [session.ends for session in server.sessions]
                self.assertEqual(sum(counts), 36)
                self.assertLessEqual(max(counts), 4)
                self.assertGreaterEqual(len(counts), 9)

    def test_sources(self):
        with Server() as server:
            self.good(server.target, "--sources", 3, "--connections", 6, "--per-connection", 1,
                      messages=60)
        peers = {session.peer[0] for session in server.sessions}
        self.assertEqual(peers, {"127.0.1.1", "127.0.1.2", "127.0.1.3"})

    def test_unix_socket(self):
        path = os.path.join(self.work, "in.sock")
        with Server(path=path) as server:
            self.good(server.target, "--connections", 5, messages=50)
            self.bad(2, "--sources", server.target, "--sources", 2)

    def test_workers(self):
        """Numbers are shared: the total is exact whatever the number of workers."""
        for workers in (1, 2, 5):
            with self.subTest(workers=workers), Server() as server:
                result = self.good(server.target, "--workers", workers, "--connections", 7,
                                   messages=101)
                self.assertEqual(result["workers"], workers)
                self.assertEqual(len(server.bodies), 101)

    def test_late_server(self):
        """A server that begins to listen after the start is waited for."""
        with Server(is_listening=False) as server:
            process = self.spawn(server.target, "--messages", 20, "--connections", 2)
            time.sleep(0.3)  # refused meanwhile; no matter how often
            server.listen()
            run = self.finish(process)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual(run.json["accepted"], 20)
        self.assertEqual(set(run.json["errors"].values()), {0})


class Auth(Case):
    USERS = {"joe": "s3cret-word"}

    def test_mechanisms(self):
        for options, exclude, wanted in (
                ((), (), "PLAIN"), ((), ("PLAIN",), "LOGIN"),
                (("--auth-mechanism", "login"), (), "LOGIN"),
                (("--auth-mechanism", "plain"), ("LOGIN",), "PLAIN")):
            with self.subTest(options=options, exclude=exclude), \
                    Aiosmtpd(self.USERS, exclude=exclude) as server:
                result = self.good(server.target, "--auth", "joe:s3cret-word", *options,
                                   "--connections", 2, "--size", 2000, messages=10)
                self.assertEqual(set(server.mechanisms), {wanted})
                self.assertEqual({mail[0] for mail in server.sink.mail}, {"joe"})
                self.assertEqual({len(mail[3]) for mail in server.sink.mail}, {2000})
                self.assertEqual(result["latency_us"]["auth"]["count"], result["connected"])
                self.assertNotIn("s3cret-word", json.dumps(result))

    def test_refused(self):
        with Server({"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 not you"}) as server:
            run = self.bad(1, "auth: 535 5.7.8", server.target, "--auth", "joe:wr0ng-word",
                           "--duration", "1h")
            self.assertEqual(run.json["replies"]["auth"].keys(), {"535"})
            self.assertNotIn("wr0ng", json.dumps(run.json) + run.stderr)

    def test_not_offered(self):
        with Server() as server:
            self.bad(1, "does not offer AUTH PLAIN or AUTH LOGIN", server.target, "--auth", "a:b")

    def test_secret(self):
        """A server that repeats what it was sent cannot bring the password into an output."""
        def echo(_session, line):
            return "535 5.7.8 I do not like " + line
        replies = {"EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": echo}
        with Server(replies) as server:
            run = self.load(server.target, "--auth", "joe:s3cret-word", "--duration", "30s")
            said = run.stdout + run.stderr + json.dumps(run.json)
            line = next(line for line in server.commands() if line.startswith("AUTH"))
            self.assertIn("535 5.7.8", said)
            self.assertNotIn(line.split()[-1], said)
            self.assertNotIn("s3cret-word", said)

    def test_command_line(self):
        """ps(1) does not show it while the program runs."""
        held = threading.Event()
        seen = threading.Event()

        def hold(_session, _line):
            seen.set()
            held.wait(WAIT_S)
            return "250-x\r\n250 AUTH PLAIN"
        with Server({"EHLO": hold, "AUTH": "235 2.7.0 ok"}) as server:
            process = self.spawn(server.target, "--auth", "joe:s3cret-word", "--messages", 1)
            self.assertTrue(seen.wait(WAIT_S))
            with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                line = file.read()
            held.set()
            self.assertEqual(self.finish(process).status, 0)
        self.assertIn(b"joe:***", line)
        self.assertNotIn(b"s3cret", line)


class Lmtp(Case):
    def test_aiosmtpd(self):
        with Aiosmtpd(is_lmtp=True) as server:
            self.good(server.target, "--lmtp", "--connections", 2, "--size", 1500, messages=10)
            self.assertEqual({len(mail[3]) for mail in server.sink.mail}, {1500})

    def test_reply_a_recipient(self):
        """Every third final reply is a refusal; a message with one good one is accepted."""
        def end(session, _line):
            return "452 4.2.2 full" if session.ends % 3 == 0 else "250 2.0.0 ok"
        for mode in MODES:
            with self.subTest(mode=mode), Server({"end": end}, is_lmtp=True) as server:
                run = self.load(server.target, "--lmtp", *mode, "--recipients", 2,
                                "--connections", 1, "--messages", 30)
                self.assertEqual(run.status, 0, run.stderr)
                self.assertEqual(server.faults, [])
                self.assertEqual(run.json["accepted"], 30)
                self.assertEqual(run.json["recipients_refused"], 20)
                self.assertEqual(run.json["replies"]["end"], {"250": 40, "452": 20})


class Refusals(Case):
    STAGES = [("MAIL", "550 5.7.1 no", "mail"), ("RCPT", "550 5.1.1 no", "rcpt"),
              ("DATA", "451 4.3.0 no", "data"), ("end", "554 5.6.0 no", "end")]

    def test_all(self):
        for verb, reply, phase in self.STAGES:
            for mode in MODES:
                if verb == "DATA" and "--bdat" in mode:
                    continue
                with self.subTest(verb=verb, mode=mode), Server({verb: reply}) as server:
                    run = self.load(server.target, *mode, "--messages", 20, "--connections", 2,
                                    "--recipients", 2)
                    self.assertEqual(run.status, 1)
                    self.assertIn("no message was accepted", run.stderr)
                    self.assertEqual((run.json["accepted"], run.json["refused"]), (0, 20))
                    self.assertEqual(set(run.json["errors"].values()), {0})
                    self.assertIn(f"{phase}: {reply}", run.json["samples"])
                    self.assertIn(reply[:3], run.json["replies"][phase])
                    if "--bdat" not in mode:
                        self.assertEqual(server.faults, [])

    def test_some(self):
        """Every third is refused: reported, and no failure; the others go through."""
        for verb, reply, _ in self.STAGES:
            for mode in MODES[:4]:
                if verb == "DATA" and "--bdat" in mode or mode == MODES[3]:
                    continue
                counter = iter(range(10**6))
                lock = threading.Lock()

                def some(_session, _line, verb=verb, reply=reply, counter=counter, lock=lock):
                    with lock:
                        is_third = next(counter) % 3 == 0
                    good = {"DATA": "354 go", "end": "250 ok"}.get(verb, "250 ok")
                    return reply if is_third else good
                with self.subTest(verb=verb, mode=mode), Server({verb: some}) as server:
                    run = self.load(server.target, *mode, "--messages", 60, "--connections", 2)
                    self.assertEqual(run.status, 0, run.stderr)
                    self.assertEqual((run.json["accepted"], run.json["refused"]), (40, 20))
                    self.assertEqual(server.faults, [])

    def test_some_recipients(self):
        def some(_session, line):
            return "550 5.1.1 no" if "user2@" in line else "250 ok"
        for mode in MODES:
            with self.subTest(mode=mode), Server({"RCPT": some}) as server:
                run = self.load(server.target, *mode, "--messages", 20, "--recipients", 3)
                self.assertEqual(run.status, 0, run.stderr)
                self.assertEqual(run.json["accepted"], 20)
                self.assertEqual(run.json["recipients_refused"], 20)
                self.assertEqual(server.faults, [])

    def test_greeting(self):
        for verb, reply in (("greeting", "554 5.3.2 go away"), ("EHLO", "421 4.3.2 busy")):
            with self.subTest(verb=verb), Server({verb: reply}) as server:
                run = self.bad(1, reply, server.target, "--duration", "30s")
                self.assertGreater(run.json["connections_refused"], 0)
                self.assertEqual(set(run.json["errors"].values()), {0})

    def test_some_connections(self):
        """Of 10 connections the server takes 4: the others are refused ones, and no errors. Of two
        workers one gets no connection at all, and ends with the other."""
        for limit, connections, workers in ((4, 10, 1), (1, 2, 2)):
            with self.subTest(workers=workers):
                self.check_some(limit, connections, workers)

    def test_worker_without(self):
        """One of two workers gets no connection for longer than --timeout: the run goes on, as the
        server serves the other one."""
        lock = threading.Lock()
        up = []

        def greet(session, _line):
            with lock:
                up.append(session)
                if len(up) == 1:
                    return "220 fake"
            session.socket.sendall(b"421 4.3.2 too many connections\r\n")
            return None
        with Server({"greeting": greet}) as server:
            run = self.load(server.target, "--duration", "5s", "--timeout", "2s",
                            "--connections", 2, "--workers", 2)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertGreaterEqual(run.json["seconds"], 5)
        self.assertGreaterEqual(run.json["connections_refused"], 2)

    def check_some(self, limit, connections, workers):
        lock = threading.Lock()
        has_refused = threading.Event()
        up = []

        def greet(session, _line):
            with lock:
                is_up = len(up) < limit
                if is_up:
                    up.append(session)
            if is_up:
                has_refused.wait(WAIT_S)
                return "220 fake"
            session.socket.sendall(b"421 4.3.2 too many connections\r\n")
            has_refused.set()
            return None
        with Server({"greeting": greet}) as server:
            arguments = (server.target, "--messages", 40, "--connections", connections,
                         "--workers", workers)
            run = self.load(*arguments)
            self.assertEqual(run.status, 0, run.stderr)
            self.assertEqual((run.json["accepted"], run.json["connected"]), (40, len(up)))
            self.assertEqual(set(run.json["errors"].values()), {0})
            self.assertEqual(run.json["connections_refused"],
                             run.json["replies"]["greeting"]["421"])
            self.assertGreaterEqual(run.json["connections_refused"], 1)
            self.assertRegex(run.stdout, r"(?m)^refused +0 messages, \d+ connections$")
            up.clear()
            has_refused.clear()
            self.bad(1, "threshold missed: connections_refused: ", *arguments, "--threshold",
                     "connections_refused=0")

    def test_helo(self):
        with Server({"EHLO": "502 5.5.1 no"}) as server:
            self.good(server.target, messages=5)
            self.assertIn("HELO example.com", server.commands())
            self.bad(1, "does not offer PIPELINING; use --plain, or --force", server.target,
                     "--pipelining")

    def test_not_offered(self):
        with Server({"EHLO": "250 fake"}) as server:
            for mode, name in (("--pipelining", "PIPELINING"), ("--bdat", "CHUNKING")):
                self.bad(1, f"does not offer {name}", server.target, mode)
                self.good(server.target, mode, "--force", messages=5)


class OpenLoop(Case):
    def test_constant(self):
        with Server() as server:
            result = self.good(server.target, "--rate", 500, "--connections", 5, messages=200)
        self.assertEqual(result["arrivals"], "constant")
        self.assertGreaterEqual(result["seconds"], 199 / 500)
        self.assertEqual(result["never_sent"], 0)

    def test_poisson(self):
        with Server() as server:
            result = self.good(server.target, "--rate", 1000, "--arrivals", "poisson",
                               "--connections", 5, "--workers", 2, messages=200)
        self.assertEqual(result["arrivals"], "poisson")

    def test_stall(self):
        """The server waits half a second once; latency counts from the intended time, so all that
        became due meanwhile is late."""
        def stall(session, _line):
            if session.ends == 5:
                time.sleep(0.5)
            return "250 ok"
        for mode in ("--plain", "--pipelining"):
            with self.subTest(mode=mode), Server({"end": stall}) as server:
                result = self.good(server.target, mode, "--rate", 100, "--connections", 1,
                                   messages=80)
                slow = sum(count for low, _, count in result["histogram"] if low >= 200e3)
                self.assertGreaterEqual(result["latency_us"]["message"]["max"], 450e3)
                self.assertGreaterEqual(slow, 24)
                self.assertGreaterEqual(result["late"], 40)
                self.check_stall(result)

    def check_stall(self, result):
        """The report tells when it was: the message that began it waited longest, and the backlog
        behind it is no stall of its own."""
        worst = result["peaks"][0]
        self.assertEqual(worst["latency_us"], result["latency_us"]["message"]["max"])
        self.assertGreaterEqual(worst["to_s"] - worst["from_s"], 0.45)
        for peak in result["peaks"][1:]:
            self.assertTrue(peak["to_s"] < worst["from_s"] or
                            peak["from_s"] > worst["to_s"], (peak, worst))

    def test_never_sent(self):
        """A server that says nothing: one message was begun, the others are told as missing."""
        held = threading.Event()

        def hold(_session, _line):
            held.wait(WAIT_S)
        with Server({"MAIL": hold}) as server:
            run = self.load(server.target, "--rate", 50, "--duration", "500ms", "--connections", 1,
                            "--timeout", "10s")
            held.set()
        self.assertEqual(run.status, 1)
        self.assertEqual(run.json["begun"], 1)
        self.assertEqual(run.json["never_sent"], 24)
        self.assertEqual(run.json["errors"]["timeout"], 1)


class Ends(Case):
    def wait_bodies(self, server, count):
        deadline = time.monotonic() + WAIT_S
        while len(server.bodies) < count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_interrupt(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number), Server() as server:
                process = self.spawn(server.target, "--duration", "1h", "--connections", 3)
                self.wait_bodies(server, 50)
                process.send_signal(number)
                run = self.finish(process)
                self.assertEqual(run.status, 0, run.stderr)
                self.assertTrue(run.json["interrupted"])
                self.assertEqual(run.json["accepted"], len(server.bodies))
                self.assertEqual(server.commands().count("QUIT"), 3)
                self.assertIn("accepted", run.stdout)

    def test_interrupt_twice(self):
        """The second one does not wait for what is in flight."""
        held = threading.Event()

        def hold(session, _line):
            if session.ends > 3:
                held.wait(WAIT_S)
            return "250 ok"
        with Server({"MAIL": hold}) as server:
            process = self.spawn(server.target, "--duration", "1h", "--connections", 1)
            self.wait_bodies(server, 4)
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            run = self.finish(process)
            held.set()
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual((run.json["accepted"], run.json["begun"]), (4, 5))
        self.assertTrue(run.json["interrupted"])
        self.assertEqual(set(run.json["errors"].values()), {0})

    def test_duration_and_warmup(self):
        with Server() as server:
            run = self.load(server.target, "--duration", "300ms", "--warmup", "300ms",
                            "--connections", 2)
        self.assertEqual(run.status, 0, run.stderr)
        self.assertGreaterEqual(run.json["seconds"], 0.3)
        self.assertLess(run.json["accepted"], len(server.bodies))
        self.assertFalse(run.json["interrupted"])
        with Server() as server:
            result = self.good(server.target, "--warmup", "200ms", "--connections", 2, messages=30)
            self.assertGreater(len(server.bodies), 30)
            self.assertEqual(result["accepted"], 30)

    def test_thresholds(self):
        with Server() as server:
            run = self.load(server.target, "--messages", 20, "--threshold", "errors=0",
                            "--threshold", "p99=1h")
            self.assertEqual((run.status, run.stderr.count("threshold")), (0, 0), run.stderr)
            run = self.load(server.target, "--messages", 20, "--threshold", "errors=0",
                            "--threshold", "p99=1ns", "--threshold", "rate=1000000000")
            self.assertEqual(run.status, 1)
            self.assertEqual(run.stderr.count("threshold missed: "), 2)
            self.assertEqual([(row["threshold"], row["met"]) for row in run.json["thresholds"]],
                             [("errors=0", True), ("p99=1ns", False), ("rate=1000000000", False)])
            self.assertEqual(run.json["verdict"]["reasons"],
                             re.findall("(?m)^ringpost-load: (threshold .*)$", run.stderr))
            self.bad(2, "--threshold", server.target, "--threshold", "nonsense=1")

    def test_rate_not_reached(self):
        """More is asked for than the server takes: nothing is refused, and no error happens."""
        def slow(_session, _line):
            time.sleep(0.02)
            return "250 ok"
        with Server({"end": slow}) as server:
            arguments = (server.target, "--rate", 500, "--duration", "500ms", "--connections", 1,
                         "--threshold", "errors=0", "--threshold", "refused=0")
            run = self.load(*arguments)
            self.assertEqual(run.status, 0, run.stderr)
            self.assertGreater(run.json["never_sent"], 200)
            self.bad(1, "threshold missed: never_sent: ", *arguments, "--threshold", "never_sent=0")
            self.bad(1, "threshold missed: never_sent: ", *arguments, "--threshold",
                     "never_sent=10%")

    def test_cpu_stat(self):
        path = os.path.join(self.work, "cpu.stat")
        with Server() as server:
            self.bad(1, f"--cpu-stat {path}: No such file", server.target, "--cpu-stat", path)
            with open(path, "w", encoding="ascii") as file:
                file.write("nr_periods 5\n")
            self.bad(1, "it has no usage_usec", server.target, "--cpu-stat", path)
            with open(path, "w", encoding="ascii") as file:
                file.write("usage_usec 5\n")
            result = self.good(server.target, "--cpu-stat", path, messages=5)
            self.assertEqual(result["server_cpu_s"], 0)

    def test_outputs(self):
        page = os.path.join(self.work, "page.html")
        with Server() as server:
            run = self.load(server.target, "--messages", 5, "--quiet", "--html", page, umask=0o027)
            for path in (page, self.json_path):
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
            self.assertEqual((run.status, run.stdout, run.stderr), (0, "", ""))
            with open(page, encoding="utf-8") as file:
                self.assertTrue(file.read().lower().startswith("<!doctype html>"))
            shown = subprocess.run([PROGRAM, server.target, "--messages", "5", "--json", "-"],
                                   capture_output=True, timeout=LIMIT_S, check=True)
            self.assertEqual(json.loads(shown.stdout)["accepted"], 5)
            self.bad(1, "/none/x", server.target, "--messages", 5, "--html", "/none/x")


class Face(Case):
    def test_refused_targets(self):
        for target in ("192.0.2.1:25", "[2001:db8::1]:25"):
            self.bad(2, "give --i-own-this-server if it is yours", target)

    def test_usage(self):
        for words, *arguments in (("no such option", "--tls", "none"),
                                  ("one argument too many", "a:1", "b:1"),
                                  ("no target", "nonsense"), ("give a number", "--depth", "0"),
                                  ("is no directory", "--size", "eml:/dev/null")):
            run = self.load(*arguments, "--quiet")
            self.assertIn(run.status, (1, 2))
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
            self.assertTrue(words in run.stderr or arguments[1].startswith("eml:"), run.stderr)

    def test_version(self):
        shown = subprocess.run([PROGRAM, "--version"], capture_output=True, timeout=LIMIT_S,
                               check=True)
        self.assertRegex(shown.stdout.decode(), r"^ringpost-load \d+\.\d+\.\d+\n$")

    def test_manual(self):
        """Every option stands in the manual page, and no others."""
        shown = subprocess.run([PROGRAM, "--help"], capture_output=True, timeout=LIMIT_S,
                               check=True)
        options = re.findall(r"^  --([\w-]+)", shown.stdout.decode(), re.MULTILINE)
        with open(MANUAL, encoding="ascii") as file:
            manual = file.read()
        named = re.findall(r"(?m)^\.It Fl -([\w-]+)", manual)
        self.assertEqual(sorted(named), sorted(options))
        self.assertLessEqual(max(map(len, shown.stdout.decode().splitlines())), 85)
        short = subprocess.run([PROGRAM, "-h"], capture_output=True, timeout=LIMIT_S, check=True)
        self.assertEqual((short.stdout, short.stderr), (shown.stdout, b""))

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            shown = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE,
                                   timeout=LIMIT_S, check=False)
        self.assertEqual(shown.returncode, 1)
        self.assertIn(b"standard output: No space left", shown.stderr)

    def test_self_test(self):
        shown = subprocess.run([PROGRAM, "--self-test", "--duration", "100ms", "--connections",
                                "4"], capture_output=True, timeout=LIMIT_S, check=False)
        self.assertEqual((shown.returncode, shown.stderr), (0, b""))
        rows = re.findall(r"(?m)^(plain|pipelined|bdat) +(1024|10240) +(\d+) +(\d+) +[\d.]+ +"
                          r"\d+ % +\d+ % +"
                          r"(generator|server|CPUs|waiting)$",
                          shown.stdout.decode())
        self.assertEqual(len(rows), 6, shown.stdout)
        self.assertTrue(all(int(row[2]) > 0 and int(row[3]) > 0 for row in rows))
        self.assertIn(b"\nBound by: ", shown.stdout)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
    harness.main()
