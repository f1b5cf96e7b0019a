#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""floor: the program, over real sockets.

Goal: one reply a command and one a message (LMTP: a recipient) whatever way the octets come,
a log with exactly the octets of the bodies, no reply before its commit, and clear refusals.
Method: dialogs with receive buffers of each size; many connections at once; clients that
go at the worst moments. RINGPOST_FLOOR names the program.
"""
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["RINGPOST_FLOOR"]
TIMEOUT = 60  # seconds until what hangs is a failure
LOG_SIZE = 4 << 20
OK = b"250 2.0.0 OK\r\n"
GREETING = b"220 floor ESMTP\r\n"
ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
ENVELOPE_OK = b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
GO_AHEAD = b"354 Go ahead\r\n"


class Client:
    """A socket that reads as many octets as a test expects."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def read(self, count):
        octets = b""
        while len(octets) < count:
            more = self.socket.recv(count - len(octets))
            if not more:
                break
            octets += more
        return octets

    def rest(self):
        octets = b""
        while more := self.socket.recv(65536):
            octets += more
        return octets

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


class Floor:
    """One floor process."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, "0", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"floor did not start: {self.process.stderr.read()}")
        self.port = int(line)

    def client(self):
        client = Client(self.port)
        greeting = client.read(len(GREETING))
        assert greeting == GREETING, greeting
        return client

    def stop(self, number=signal.SIGTERM):
        """Its last line's counts: connections, messages, octets, commits."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == 0, (self.process.returncode, errors)
        counts = re.fullmatch(r"floor: (\d+) connections, (\d+) messages, (\d+) octets, "
                              r"(\d+) commits\n", errors)
        assert counts, errors
        return tuple(map(int, counts.groups()))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class FloorCase(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="ringpost-floor-")
        self.addCleanup(shutil.rmtree, self.work)
        self.log = os.path.join(self.work, "log")

    def start(self, *arguments, log=False):
        if log:
            arguments += ("--log", self.log, "--log-size", "4mb")
        floor = Floor(*arguments)
        self.addCleanup(floor.close)
        return floor

    def read_log(self):
        with open(self.log, "rb") as file:
            octets = file.read()
        self.assertEqual(len(octets), LOG_SIZE)
        return octets


class Dialogs(FloorCase):
    def check_cuts(self, dialog, replies, messages):
        """The size of the receive buffers is where the floor's input is cut."""
        for size in range(1, len(dialog) + 1):
            with self.subTest(size=size):
                floor = self.start("--buffer-size", str(size))
                with floor.client() as client:
                    client.send(dialog + b"QUIT\r\n")
                    self.assertEqual(client.rest(), replies + b"221 2.0.0 Bye\r\n")
                self.assertEqual(floor.stop()[1], messages)

    def test_data(self):
        self.check_cuts(ENVELOPE + b"DATA\r\nhello\r\n..\r\n.\r\nRSET\r\n",
                        ENVELOPE_OK + GO_AHEAD + OK + OK, 1)

    def test_bdat(self):
        self.check_cuts(ENVELOPE + b"BDAT 5\r\n\r\n.\r\nBDAT 3 LAST\r\nabcNOOP\r\n",
                        ENVELOPE_OK + OK + OK + OK, 1)

    def test_lmtp(self):
        floor = self.start(log=True)
        dialog = b"LHLO x\r\n" + ENVELOPE + b"RCPT TO:<e@f>\r\nDATA\r\n.\r\n"
        with floor.client() as client:
            client.send(dialog)
            client.send(b"QUIT\r\n")
            replies = client.rest()
        self.assertTrue(replies.endswith(
            b"250 ENHANCEDSTATUSCODES\r\n" + ENVELOPE_OK + b"250 2.1.5 OK\r\n" + GO_AHEAD +
            OK + OK + b"221 2.0.0 Bye\r\n"), replies)

    def test_one_octet_at_a_time(self):
        floor = self.start("--buffer-size", "1", "--buffers", "2", log=True)
        body = b"line\r\n..\r\n.\r\n"
        with floor.client() as client:
            client.send(ENVELOPE + b"DATA\r\n" + body + ENVELOPE + b"DATA\r\n" + body)
            wanted = (ENVELOPE_OK + GO_AHEAD + OK) * 2
            self.assertEqual(client.read(len(wanted)), wanted)
        self.assertEqual(floor.stop()[1:3], (2, 2 * len(body)))
        self.assertEqual(self.read_log()[:2 * len(body)], 2 * body)

    def test_half_closed(self):
        """What was said before the client's FIN is answered all the same."""
        floor = self.start(log=True)
        with floor.client() as client:
            client.send(ENVELOPE + b"BDAT 4 LAST\r\nbody")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.rest(), ENVELOPE_OK + OK)


class Load(FloorCase):
    def test_many_commands(self):
        """Replies that fit in no buffer wait until the client reads; so does its input."""
        floor = self.start("--buffer-size", "1kb", "--buffers", "64")
        count = 60000
        with floor.client() as client, floor.client() as other:
            client.socket.settimeout(1)
            octets, sent = b"NOOP\r\n" * count, 0
            with contextlib.suppress(TimeoutError):
                while sent < len(octets):
                    sent += client.socket.send(octets[sent:sent + 65536])
            other.send(b"NOOP\r\n")
            self.assertEqual(other.read(len(OK)), OK)
            client.socket.setblocking(False)
            got = 0
            while got < count * len(OK):
                with contextlib.suppress(BlockingIOError):
                    sent += client.socket.send(octets[sent:sent + 65536]) if sent < len(octets) \
                        else 0
                with contextlib.suppress(BlockingIOError):
                    got += len(client.socket.recv(1 << 20))
        self.assertEqual(got, count * len(OK))

    def check_connections(self, *options):
        """Messages of many connections at once, each in the log in the order of its octets."""
        floor = self.start(*options, log=True)
        clients = [floor.client() for _ in range(100)]
        bodies = [b"%03d" % number * (100 * number % 7000 + 1) + b"\r\n.\r\n"
                  for number in range(len(clients))]
        for client in clients:
            client.send(ENVELOPE + b"DATA\r\n")
        wanted = ENVELOPE_OK + GO_AHEAD
        for client in clients:
            self.assertEqual(client.read(len(wanted)), wanted)
        for client, body in zip(clients, bodies):
            client.send(body)
        for client in clients:
            self.assertEqual(client.read(len(OK)), OK)
            client.socket.close()
        connections, messages, octets, commits = floor.stop()
        total = sum(map(len, bodies))
        self.assertEqual((connections, messages, octets), (100, 100, total))
        self.assertTrue(1 <= commits <= 100, commits)
        log = self.read_log()
        # Pieces of the bodies may lie between each other; none is lost, doubled or changed.
        self.assertEqual(sorted(log.replace(b"\0", b"")), sorted(b"".join(bodies)))
        if "--direct" not in options:
            self.assertEqual(log[total:].strip(b"\0"), b"")

    def test_connections(self):
        self.check_connections()

    def test_connections_dsync(self):
        self.check_connections("--commit", "dsync")

    def test_few_buffers(self):
        self.check_connections("--buffers", "1", "--buffer-size", "512")

    def test_direct(self):
        try:
            os.close(os.open(os.path.join(self.work, "probe"),
                             os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
        except OSError as error:
            self.skipTest(f"no O_DIRECT in the temporary directory: {error.strerror}")
        self.check_connections("--direct")

    def test_circle(self):
        """More octets than the log has: it begins again, and each group lies in one piece."""
        floor = self.start(log=True)
        body = bytes(range(33, 127)) * 7000 + b"\r\n.\r\n"  # 640 KiB
        with floor.client() as client:
            for _ in range(20):
                client.send(ENVELOPE + b"DATA\r\n")
                wanted = ENVELOPE_OK + GO_AHEAD
                self.assertEqual(client.read(len(wanted)), wanted)
                client.send(body)
                self.assertEqual(client.read(len(OK)), OK)
        self.assertEqual(floor.stop()[1:3], (20, 20 * len(body)))
        self.assertGreaterEqual(self.read_log().count(bytes(range(33, 127))), 7000)

    def test_big_messages_at_once(self):
        """Together more than the log's buffers hold: input waits for room, nothing is lost."""
        floor = self.start("--buffers", "64", log=True)
        body = b"0123456789abcdef" * (1 << 15) + b"\r\n.\r\n"  # 512 KiB
        clients = [floor.client() for _ in range(32)]
        for client in clients:
            client.send(ENVELOPE + b"DATA\r\n")
            wanted = ENVELOPE_OK + GO_AHEAD
            self.assertEqual(client.read(len(wanted)), wanted)
            client.socket.setblocking(False)
        left = {client: body for client in clients}
        while left:
            for client in list(left):
                with contextlib.suppress(BlockingIOError):
                    left[client] = left[client][client.socket.send(left[client]):]
                if not left[client]:
                    del left[client]
        for client in clients:
            client.socket.settimeout(TIMEOUT)
            self.assertEqual(client.read(len(OK)), OK)
            client.socket.close()
        self.assertEqual(floor.stop()[1:3], (32, 32 * len(body)))

    def test_clients_that_go(self):
        """RST in a command, in a body, before the reply: the others are served."""
        floor = self.start("--connections", "40", log=True)
        for octets in (b"", b"MAIL", ENVELOPE + b"DATA\r\nhal", ENVELOPE + b"BDAT 2 LAST\r\nx",
                       ENVELOPE + b"DATA\r\n.\r\n", b"QUIT\r\n"):
            for _ in range(20):
                client = floor.client()
                client.send(octets)
                client.reset()
        with floor.client() as client:
            client.send(ENVELOPE + b"DATA\r\n.\r\nQUIT\r\n")
            self.assertEqual(client.rest(), ENVELOPE_OK + GO_AHEAD + OK + b"221 2.0.0 Bye\r\n")

    def test_full_table(self):
        """Above --connections nobody is greeted, until a connection goes."""
        floor = self.start("--connections", "4")
        first = [floor.client() for _ in range(4)]
        with contextlib.closing(socket.create_connection(("127.0.0.1", floor.port))) as late:
            late.settimeout(TIMEOUT)
            with contextlib.suppress(ConnectionError):
                self.assertEqual(late.recv(100), b"")  # closed by the kernel: no slot
        for client in first:
            client.send(b"QUIT\r\n")
            self.assertEqual(client.rest(), b"221 2.0.0 Bye\r\n")
            client.socket.close()
        for client in [floor.client() for _ in range(4)]:
            client.socket.close()


class Program(FloorCase):
    def run_floor(self, *arguments, **options):
        return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=TIMEOUT, **options)

    def test_help(self):
        for option in ("--help", "--version"):
            outcome = self.run_floor(option)
            self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        self.assertRegex(outcome.stdout, r"\Afloor \d+\.\d+\.\d+\n\Z")
        self.assertIn("--commit HOW", self.run_floor("--help").stdout)
        self.assertEqual(self.run_floor("-h").stdout, self.run_floor("--help").stdout)

    def test_usage(self):
        for arguments, text in (
                ((), "no port: usage: floor PORT"),
                (("x",), "x: no port; give a number from 0 (any) to 65535"),
                (("65536",), "65536: no port"),
                (("0", "1"), "1: one argument too many"),
                (("0", "--bogus"), "--bogus: no such option"),
                (("0", "-l"), "-l: no such option"),
                (("0", "--log"), "--log: its value is missing"),
                (("0", "--direct=1"), "--direct=1: it takes no value"),
                (("0", "--direct"), "--direct: nothing is written without --log FILE"),
                (("0", "--commit", "fsync"), "--commit: give fdatasync, dsync or none"),
                (("0", "--log-size=1tb"), "--log-size: give a size"),
                (("0", "--log-size", "99999999999999999999"), "--log-size: give a size"),
                (("0", "--log-size", "9999999999gb"), "--log-size: give a size"),
                (("0", "--connections", "0"), "--connections: give a number from 1"),
                (("0", "--buffer-size", "2mb"), "--buffer-size: give a size from 1 to 1mb"),
                (("0", "--buffers", "3"), "--buffers: give a power of two")):
            with self.subTest(arguments=arguments):
                outcome = self.run_floor(*arguments)
                self.assertEqual((outcome.returncode, outcome.stdout), (2, ""))
                self.assertEqual(outcome.stderr.count("\n"), 1, outcome.stderr)
                self.assertTrue(outcome.stderr.startswith("floor: " + text), outcome.stderr)

    def test_failures(self):
        floor = self.start()
        missing = os.path.join(self.work, "missing", "log")
        for arguments, text in (
                ((str(floor.port),), f"127.0.0.1:{floor.port}: Address already in use"),
                (("0", "--log", missing), f"{missing}: cannot be made: No such file"),
                (("0", "--log", self.work), f"{self.work}: is there already"),
                (("0", "--log", self.log, "--log-size", "1"), f"{self.log}: the log's size is 1")):
            with self.subTest(arguments=arguments):
                outcome = self.run_floor(*arguments)
                self.assertEqual((outcome.returncode, outcome.stdout), (1, ""))
                self.assertEqual(outcome.stderr.count("\n"), 1, outcome.stderr)
                self.assertTrue(outcome.stderr.startswith("floor: " + text), outcome.stderr)

    def test_log_that_fails(self):
        """The write fails (a limit of the file's size stands for a broken disk): no 250."""
        floor = Floor("--log", self.log, "--log-size", "4mb")
        self.addCleanup(floor.close)
        resource.prlimit(floor.process.pid, resource.RLIMIT_FSIZE, (1, 1))
        with floor.client() as client:
            client.send(ENVELOPE + b"BDAT 3 LAST\r\nabc")
            self.assertEqual(client.rest(), b"")
        _, errors = floor.process.communicate(timeout=TIMEOUT)
        self.assertEqual(floor.process.returncode, 1)
        self.assertTrue(errors.startswith(f"floor: {self.log}: "), errors)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            floor = self.start()
            floor.client().socket.close()
            self.assertEqual(floor.stop(number)[0], 1)


if __name__ == "__main__":
    unittest.main()
