# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end tests share: a daemon of their own, a raw client, the spool's tool.

    class Some(harness.Case):
        def test_it(self):
            daemon = self.start({"limits.errors": "3"})
            with daemon.client() as client:
                client.ehlo()
                ident = client.deliver(b"body\\r\\n")
            self.assertEqual(daemon.spool.cat(ident), b"body\\r\\n")

    if __name__ == "__main__":
        harness.main()

Every daemon has a fresh spool in a temporary directory and a port that the
kernel gave; when a test ends it must still live, end with status 0 on SIGTERM
and have printed no sanitizer report. Only processes started here are signalled.
The programs are those of RINGPOST_BUILD (the build directory), else build/.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RINGPOST_BUILD", os.path.join(ROOT, "build"))
DAEMON = os.path.join(BUILD, "engine", "ringpostd")
TOOL = os.path.join(BUILD, "tools", "ringpost-spool")
IS_SANITIZED = os.environ.get("RINGPOST_SANITIZE", "none") != "none"

# Seconds. Generous: on a loaded machine with sanitizers all of it is slow.
START_S = 60
STOP_S = 60
REPLY_S = 30

TROUBLE = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|"
                     r"stack smashing|ThreadSanitizer")
QUEUED = re.compile(r"250 2\.0\.0 OK queued as (\S+)$")


class Spool:
    """A spool directory seen through ringpost-spool."""

    def __init__(self, path):
        self.path = path

    def run(self, command, *arguments, check=True):
        done = subprocess.run([TOOL, command, self.path, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"ringpost-spool {command}: status {done.returncode}: "
                                 f"{done.stderr.decode(errors='replace')}")
        return done

    def rows(self, command, *arguments):
        output = self.run(command, "--json", *arguments).stdout
        return [json.loads(line) for line in output.splitlines()]

    def ls(self, *arguments):
        return self.rows("ls", *arguments)

    def ids(self):
        return [row["id"] for row in self.ls()]

    def cat(self, ident):
        return self.run("cat", ident).stdout

    def show(self, ident):
        return self.rows("show", ident)[0]

    def stats(self):
        return self.rows("stats")[0]

    def verify(self):
        """Raises where anything is damaged."""
        self.run("verify")


class Client:
    """A raw SMTP client: octets out, replies in. `eof` after the server closed."""

    def __init__(self, port, greeting=True, timeout=REPLY_S, host="127.0.0.1", source=None):
        """`source`: the client's own address; all of 127.0.0.0/8 are there."""
        self.socket = socket.create_connection((host, port), timeout=timeout,
                                               source_address=source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        """The next line without CRLF; raises EOFError when the server has closed."""
        while b"\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"closed; unfinished line {self.buffer!r}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def reply(self):
        """One reply; the lines of a longer one are joined by a newline."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def command(self, line):
        self.send(line.encode() + b"\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.reply()

    def expect(self, line, start):
        """Send a command; its reply must begin with `start`."""
        reply = self.command(line)
        if not reply.startswith(start):
            raise AssertionError(f"{line!r}: want {start!r}, got {reply!r}")
        return reply

    def ehlo(self, name="client.example"):
        return self.expect(f"EHLO {name}", "250")

    def begin(self, sender="a@example.org", recipients=("b@example.com",), params=""):
        """MAIL, RCPT and DATA up to the 354."""
        self.expect(f"MAIL FROM:<{sender}>{params}", "250 2.1.0")
        for recipient in recipients:
            self.expect(f"RCPT TO:<{recipient}>", "250 2.1.5")
        self.expect("DATA", "354")

    def deliver(self, body, **transaction):
        """A whole transaction; the message's id."""
        self.begin(**transaction)
        self.send(stuff(body))
        return queued_id(self.reply())

    def rest(self):
        """What the server still sends until it closes, RST or FIN."""
        octets, self.buffer = self.buffer, b""
        with contextlib.suppress(ConnectionError):
            while more := self.socket.recv(65536):
                octets += more
        return octets

    def is_closed(self):
        return self.rest() == b""


def stuff(body):
    """A body as DATA sends it: dot-stuffed (RFC 5321, 4.5.2), with its end."""
    if body and not body.endswith(b"\r\n"):
        raise ValueError("a body sent by DATA ends with CRLF")
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def queued_id(reply):
    match = QUEUED.match(reply)
    if not match:
        raise AssertionError(f"not accepted: {reply!r}")
    return match.group(1)


def reserve_port():
    """A port of 127.0.0.1 and the socket that keeps others from it.

    The daemon sets SO_REUSEADDR (and SO_REUSEPORT with more than one worker), so it
    can bind beside a socket that has both and does not listen; nobody who asks for
    any port gets this one.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper.getsockname()[1], keeper


class Daemon:
    """One ringpostd process over its life, and after."""

    def __init__(self, work, settings=None, arguments=(), spool=None):
        self.work = work
        self.spool = Spool(spool or os.path.join(work, "spool"))
        self.settings = {"hostname": "mx.test", "ident": "e2e", **(settings or {})}
        self.arguments = list(arguments)
        self.log_path = os.path.join(work, f"log-{time.monotonic_ns()}")
        self.port, self.keeper = reserve_port()
        self.process = None

    def command_line(self):
        line = [DAEMON, "-l", f"127.0.0.1:{self.port}", "-s", self.spool.path]
        for key, value in self.settings.items():
            line += ["--set", f"{key}={value}"]
        return line + self.arguments

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def start(self):
        """Returns when the greeting has come."""
        self.spawn()
        deadline = time.monotonic() + START_S
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"ringpostd ended with status {self.process.returncode} "
                                     f"at its start:\n{self.log()}")
            with contextlib.suppress(OSError, EOFError):
                Client(self.port).close()
                return self
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"no greeting after {START_S} s:\n{self.log()}")
            time.sleep(0.01)

    def client(self, **options):
        return Client(self.port, **options)

    def deliver(self, body, **transaction):
        """One message over a connection of its own; its id."""
        with self.client() as client:
            client.ehlo()
            return client.deliver(body, **transaction)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def wait_log(self, pattern, seconds=20):
        """Wait for a line of the log that matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.log()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.log()}")
            time.sleep(0.02)

    def rss(self):
        """Resident octets of the process."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def wait(self, seconds=STOP_S):
        """The exit status, negative for a signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"ringpostd has not ended after {seconds} s:\n{self.log()}") \
                from None

    def stop(self):
        """SIGTERM; the status must be 0 and the log without a sanitizer's report."""
        if self.process is None:
            return
        if self.process.poll() is not None:
            self.process, status = None, self.process.returncode
            raise AssertionError(f"ringpostd had ended, status {status}:\n{self.log()}")
        self.signal(signal.SIGTERM)
        status = self.wait()
        self.process = None
        if status != 0 or TROUBLE.search(self.log()):
            raise AssertionError(f"status {status} on SIGTERM:\n{self.log()}")

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def release(self):
        """After the last run on this port."""
        self.kill()
        self.keeper.close()


class Case(unittest.TestCase):
    """A test with daemons that end with it, and must end well unless it says else."""

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="ringpost-e2e-")
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def make(self, settings=None, arguments=(), spool=None):
        """A daemon, not started."""
        daemon = Daemon(self.work, settings, arguments, spool)
        self.addCleanup(daemon.release)
        return daemon

    def start(self, settings=None, arguments=(), spool=None):
        """A daemon that serves; it is stopped, and its end judged, with the test."""
        daemon = self.make(settings, arguments, spool).start()
        self.addCleanup(self.end, daemon)
        return daemon

    def end(self, daemon):
        try:
            daemon.stop()
        finally:
            daemon.kill()


class TapResult(unittest.TestResult):
    """Prints TAP on stdout, details on stderr. Subtests belong to their test."""

    def __init__(self, stream):
        super().__init__()
        self.out = stream
        self.number = 0
        self.told = set()

    def tell(self, test, is_good, note=""):
        case = getattr(test, "test_case", test)
        if case.id() in self.told and is_good:
            return
        self.number += 1
        self.told.add(case.id())
        name = test.id().replace("__main__.", "").replace("#", "")
        self.out.write(f"{'ok' if is_good else 'not ok'} {self.number} - {name}{note}\n")
        self.out.flush()

    def tell_failure(self, test, error):
        sys.stderr.write(f"{test.id()}:\n{self._exc_info_to_string(error, test)}\n")
        sys.stderr.flush()
        self.tell(test, False)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.tell(test, True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tell(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell_failure(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.tell_failure(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell_failure(subtest, err)


def main(needs_build=True):
    """Run the program's tests (or those named on the command line) and speak TAP."""
    loader = unittest.TestLoader()
    module = sys.modules["__main__"]
    names = sys.argv[1:]
    suite = loader.loadTestsFromNames(names, module) if names \
        else loader.loadTestsFromModule(module)
    for path in (DAEMON, TOOL):
        if needs_build and not os.path.exists(path):
            print(f"Bail out! {path} is not built")
            sys.exit(1)
    result = TapResult(sys.stdout)
    suite.run(result)
    # The plan comes last: a failing subtest is a line of its own.
    print(f"1..{result.number}")
    sys.exit(0 if result.wasSuccessful() else 1)
