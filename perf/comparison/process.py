# SPDX-License-Identifier: GPL-3.0-or-later
"""One running server: started in the foreground, pinned to a core, ended by process id."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import comparison.account as account
import comparison.interrupt as interrupt
import comparison.servers as servers

START_S = 40
ENDS = ((signal.SIGTERM, 5), (signal.SIGKILL, 10))  # signal, and seconds until the next one


class Trouble(Exception):
    """What a server said instead of serving."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_reply(stream):
    """The lines of one reply."""
    lines = []
    while True:
        line = stream.readline()
        lines.append(line.decode("latin-1").rstrip("\r\n"))
        if line[3:4] != b"-":
            return lines


def greet(port):
    """What EHLO offers, in upper case; OSError where nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        stream = link.makefile("rb")
        if not read_reply(stream)[0].startswith("220"):
            raise OSError("no greeting")
        link.sendall(b"EHLO compare.example\r\n")
        offered = {line[4:].split()[0].upper() for line in read_reply(stream)[1:] if line[4:]}
        link.sendall(b"QUIT\r\n")
        read_reply(stream)
    return offered


class Process:
    """start() until the greeting comes; stop() until the last process has gone."""

    def __init__(self, server, options):
        self.server = server
        self.options = options  # build, packages, core
        self.popen = self.account = self.folder = self.port = None
        self.offers = set()

    def command(self, log_size):
        filled = servers.fill(self.server.command, build=self.options.build, port=self.port,
                              dir=self.folder, log_size=log_size)
        return self.account.enter(["taskset", "-c", str(self.options.server_core), *filled])

    def start(self, place, cgroup, log_size):
        """Raises Trouble, and has cleaned up, where it does not serve."""
        self.port = free_port()
        try:
            with interrupt.hold():
                self.spawn(place, cgroup, log_size)
            self.wait_greeting()
        except BaseException:
            self.stop()
            raise

    def spawn(self, place, cgroup, log_size):
        self.folder = tempfile.mkdtemp(prefix=f"{self.server.name}-", dir=place)
        os.chmod(self.folder, 0o755)
        self.account = account.make(cgroup, self.server.name)
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.popen = subprocess.Popen(
                self.command(log_size), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
                env=dict(os.environ, RINGPOST_PEERS=self.options.packages))
        self.account.started(self.popen)

    def wait_greeting(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise Trouble(f"ended at its start, status {self.popen.returncode}: {self.said()}")
            with contextlib.suppress(OSError):
                self.offers = greet(self.port)
                return
            time.sleep(0.05)
        raise Trouble(f"no greeting after {START_S} s: {self.said()}")

    def said(self):
        """The last line of its output."""
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"

    def is_alive(self):
        return self.popen is not None and self.popen.poll() is None

    def settle(self, limit_s=8):
        """Its CPU time once it has nothing left to do."""
        deadline = time.monotonic() + limit_s
        last = self.account.cpu_s()
        while time.monotonic() < deadline:
            time.sleep(0.05)
            now = self.account.cpu_s()
            if now - last < 0.002:
                break
            last = now
        return self.account.cpu_s()

    def left(self):
        """Its processes that still are. The leader is one until it was waited for, also where
        it has not entered its cgroup yet."""
        others = [pid for pid in self.account.pids() if pid != self.popen.pid]
        return others + ([self.popen.pid] if self.popen.poll() is None else [])

    def stop(self):
        """Whatever it has become; a second call does nothing."""
        with interrupt.hold():
            self.take_down()

    def take_down(self):
        if self.popen is not None:
            for number, limit_s in ENDS:
                self.end(number, limit_s)
            self.account.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(5)
            self.popen = None
        if self.account is not None:
            self.account.close()
            self.account = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def end(self, number, limit_s):
        deadline = time.monotonic() + limit_s
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.02)
