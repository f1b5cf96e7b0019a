#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals: drain, a second one at once, reload, a broken reload, reopening the log.

Method: each signal with a session in the state that makes it hard: idle, in a
command line, in a body.
"""
import os
import re
import signal
import time

import harness


class Drain(harness.Case):
    def make_started(self, **settings):
        return self.make(settings).start()

    def check_end(self, daemon, status=0):
        self.assertEqual(daemon.wait(), status, daemon.log())
        self.assertNotRegex(daemon.log(), harness.TROUBLE)

    def test_no_session(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.make_started()
            daemon.signal(number)
            self.check_end(daemon)

    def test_idle_sessions(self):
        daemon = self.make_started()
        clients = [daemon.client() for _ in range(10)]
        for client in clients[:5]:
            client.ehlo()
        daemon.signal(signal.SIGTERM)
        for client in clients:
            self.assertRegex(client.reply(), "^421 4")
            self.assertTrue(client.is_closed())
            client.close()
        self.check_end(daemon)

    def test_accepts_no_more(self):
        daemon = self.make_started()
        with daemon.client() as busy:
            busy.ehlo()
            busy.begin()
            daemon.signal(signal.SIGTERM)
            deadline = time.monotonic() + 10
            refused = False
            while not refused:
                self.assertLess(time.monotonic(), deadline)
                try:
                    with harness.Client(daemon.port, greeting=False, timeout=5) as late:
                        refused = late.rest()[:3] in (b"", b"421")
                except (ConnectionRefusedError, ConnectionResetError):
                    refused = True
            busy.send(b"finished\r\n.\r\n")
            ident = harness.queued_id(busy.reply())
        self.check_end(daemon)
        self.assertEqual(daemon.spool.cat(ident), b"finished\r\n")

    def test_message_in_flight_is_finished(self):
        daemon = self.make_started()
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(b"first half\r\n")
            daemon.signal(signal.SIGTERM)
            time.sleep(0.5)
            self.assertTrue(daemon.is_alive())
            client.send(b"second half\r\n.\r\n")
            ident = harness.queued_id(client.reply())
            self.assertRegex(client.reply(), "^421 4")
            self.assertTrue(client.is_closed())
        self.check_end(daemon)
        self.assertEqual(daemon.spool.cat(ident), b"first half\r\nsecond half\r\n")

    def test_open_transaction_is_finished(self):
        """Between MAIL and DATA a session is not idle."""
        daemon = self.make_started()
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<a@example.org>", "250")
            daemon.signal(signal.SIGTERM)
            time.sleep(0.3)
            client.expect("RCPT TO:<b@example.com>", "250")
            client.expect("DATA", "354")
            client.send(b"late\r\n.\r\n")
            ident = harness.queued_id(client.reply())
            self.assertRegex(client.reply(), "^421 4")
        self.check_end(daemon)
        self.assertEqual(daemon.spool.cat(ident), b"late\r\n")

    def test_open_transaction_at_the_end(self):
        """Who has not finished when drain_timeout ends is told so."""
        daemon = self.make_started(drain_timeout="500ms")
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<a@example.org>", "250")
            daemon.signal(signal.SIGTERM)
            self.assertRegex(client.reply(), "^421 4")
            self.assertTrue(client.is_closed())
        self.check_end(daemon)

    def test_drain_has_an_end(self):
        """A body that never ends is cut after drain_timeout; the status is 0 all the same."""
        daemon = self.make_started(drain_timeout="500ms")
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(b"never")
            since = time.monotonic()
            daemon.signal(signal.SIGTERM)
            self.check_end(daemon)
            self.assertGreater(time.monotonic() - since, 0.3)
            self.assertLess(time.monotonic() - since, 10)
        self.assertEqual(daemon.spool.ids(), [])

    def test_second_signal_ends_at_once(self):
        daemon = self.make_started(drain_timeout="300s")
        with daemon.client() as client:
            client.ehlo()
            client.begin()
            client.send(b"never")
            daemon.signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertTrue(daemon.is_alive())
            since = time.monotonic()
            daemon.signal(signal.SIGTERM)
            daemon.wait(20)
            self.assertLess(time.monotonic() - since, 10)
        self.assertNotRegex(daemon.log(), harness.TROUBLE)

    def test_under_load_all_250s_are_kept(self):
        daemon = self.make_started()
        sent = []
        clients = [daemon.client() for _ in range(8)]
        for client in clients:
            client.ehlo()
            client.send(b"".join(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
                                 b"load\r\n.\r\n" for _ in range(50)))
        daemon.signal(signal.SIGTERM)
        for client in clients:
            sent += re.findall(rb"queued as (\S+)", client.rest())
            client.close()
        self.check_end(daemon)
        ids = set(daemon.spool.ids())
        self.assertEqual(len(set(sent)), len(sent))
        self.assertLessEqual({ident.decode() for ident in sent}, ids)


class Reload(harness.Case):
    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as stream:
            stream.write(text)

    def setUp(self):
        super().setUp()
        self.config = os.path.join(self.work, "ringpostd.conf")

    def serve(self, text):
        self.write(text)
        return self.start(arguments=["-c", self.config])

    def size_of(self, client):
        return re.search(r"SIZE (\d+)", client.ehlo()).group(1)

    def wait_size(self, daemon, wanted):
        deadline = time.monotonic() + 10
        while True:
            with daemon.client() as client:
                if self.size_of(client) == wanted:
                    return
            self.assertLess(time.monotonic(), deadline, daemon.log())
            time.sleep(0.05)

    def test_limits_change_for_new_sessions(self):
        daemon = self.serve('limits = { message_size = 1000; };\n')
        with daemon.client() as old:
            self.assertEqual(self.size_of(old), "1000")
            old.begin()
            old.send(b"begun before\r\n")
            self.write('limits = { message_size = 2000; };\n')
            daemon.signal(signal.SIGHUP)
            self.wait_size(daemon, "2000")
            old.send(b".\r\n")
            self.assertEqual(daemon.spool.cat(harness.queued_id(old.reply())), b"begun before\r\n")
            old.expect("NOOP", "250")

    def test_many_reloads(self):
        daemon = self.serve('limits = { message_size = 1000; };\n')
        with daemon.client() as client:
            client.ehlo()
            for number in range(30):
                self.write(f'limits = {{ message_size = {1000 + number}; }};\n')
                daemon.signal(signal.SIGHUP)
                client.deliver(b"x\r\n")
            self.wait_size(daemon, "1029")
            client.expect("NOOP", "250")

    def test_reloads_take_no_memory(self):
        """The snapshot of a configuration goes with its last session; that of an open one stays."""
        daemon = self.serve('workers = 1; limits = { message_size = 1000; };\n')
        rounds = 60 if harness.IS_SANITIZED else 1500
        with daemon.client() as first, open(daemon.log_path, "rb") as log:
            first.ehlo()
            first.deliver(b"x\r\n")
            for number in range(rounds):
                daemon.signal(signal.SIGHUP)
                self.wait_line(log, b"reload: done")
                if number == 40:
                    before = daemon.rss()
                if number % 10 == 0:
                    with daemon.client() as client:
                        self.assertEqual(self.size_of(client), "1000")
            grown = daemon.rss() - before
            first.deliver(b"x\r\n")
        if not harness.IS_SANITIZED:  # It keeps what is freed for a while.
            self.assertLess(grown, 8 << 20)  # Receive buffers that were not touched before.

    def wait_line(self, log, text):
        deadline = time.monotonic() + 20
        line = b""
        while text not in line or not line.endswith(b"\n"):
            more = log.readline()
            line = (b"" if line.endswith(b"\n") else line) + more
            if not more:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.001)

    def test_log_level(self):
        """At debug something is said of a session, at error nothing."""
        daemon = self.serve('log = { level = "debug"; };\n')
        daemon.deliver(b"x\r\n")
        self.write('log = { level = "error"; };\n')
        daemon.signal(signal.SIGHUP)
        time.sleep(0.5)
        before = daemon.log()
        self.assertNotEqual(before, "")
        for _ in range(3):
            daemon.deliver(b"x\r\n")
        time.sleep(0.3)
        self.assertEqual(daemon.log(), before)

    def test_broken_file_leaves_the_old_one(self):
        daemon = self.serve('limits = { message_size = 1000; };\n')
        for text, pattern in (('limits = { message_size = 2000;\n', r"ringpostd\.conf:\d+"),
                              ('limits = {\n message_sise = 2000; };\n', r"ringpostd\.conf:2"),
                              ('limits = { message_size = "lots"; };\n', r"ringpostd\.conf:1")):
            with self.subTest(text=text):
                length = len(daemon.log())
                self.write(text)
                daemon.signal(signal.SIGHUP)
                deadline = time.monotonic() + 10
                while not re.search(pattern, daemon.log()[length:]):
                    self.assertLess(time.monotonic(), deadline, daemon.log())
                    time.sleep(0.02)
                with daemon.client() as client:
                    self.assertEqual(self.size_of(client), "1000")
        os.unlink(self.config)
        daemon.signal(signal.SIGHUP)
        time.sleep(0.2)
        with daemon.client() as client:
            self.assertEqual(self.size_of(client), "1000")


class Log(harness.Case):
    def test_reopen(self):
        path = os.path.join(self.work, "ringpost.log")
        daemon = self.start({"log.file": f'"{path}"', "log.level": "debug"})
        daemon.deliver(b"x\r\n")
        self.assertGreater(os.path.getsize(path), 0)
        os.rename(path, path + ".1")
        daemon.signal(signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        rotated = os.path.getsize(path + ".1")
        # Both the old name and the new one get whole lines; what comes now goes to the new.
        for _ in range(3):
            daemon.deliver(b"x\r\n")
        daemon.stop()
        self.assertGreater(os.path.getsize(path), 0)
        self.assertEqual(os.path.getsize(path + ".1"), rotated)

    def test_formats(self):
        for log_format, pattern in (("json", r'^\{.*"level".*\}$'), ("text", r"^\d{4}-\d\d-\d\dT")):
            with self.subTest(format=log_format):
                daemon = self.make({"log.format": log_format, "log.level": "debug"}).start()
                daemon.deliver(b"x\r\n")
                daemon.stop()
                lines = daemon.log().splitlines()
                self.assertGreater(len(lines), 0)
                for line in lines:
                    self.assertRegex(line, pattern)
                daemon.release()


if __name__ == "__main__":
    harness.main()
