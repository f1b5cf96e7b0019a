#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk: 452 4.3.1, the session lives, and it heals by itself when there is room.

Method: the spool lies on a small tmpfs of the test's own (needs root), filled by
mail and by a foreign file. Nothing with a 250 may be lost, nothing else appear.
"""
import contextlib
import os
import subprocess
import time

import harness

DISK_MIB = 48


class FullDisk(harness.Case):
    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.work, "disk")
        os.mkdir(self.disk)
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "ringpost-test",
                                self.disk], capture_output=True, check=False)
        if mount.returncode != 0:
            self.skipTest(f"cannot mount: {mount.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)

    def serve(self, **settings):
        return self.start({"spool.segment_size": "2mb", "spool.min_free": "0", **settings},
                          spool=os.path.join(self.disk, "spool"))

    def fill(self, leave=0):
        """A foreign file takes all room but `leave` octets."""
        path = os.path.join(self.disk, "foreign")
        with open(path, "wb", buffering=0) as stream, contextlib.suppress(OSError):
            while stream.write(bytes(1 << 16)):
                pass
        if leave:
            os.truncate(path, max(0, os.path.getsize(path) - leave))
        return path

    def send(self, client, body):
        """The id, or None for a 452; anything else fails."""
        reply = client.command("MAIL FROM:<a@example.org>")
        if reply.startswith("452 4.3.1"):
            return None
        self.assertTrue(reply.startswith("250"), reply)
        client.expect("RCPT TO:<b@example.com>", "250")
        reply = client.command("DATA")
        if reply.startswith("452 4.3.1"):
            client.expect("RSET", "250")
            return None
        self.assertTrue(reply.startswith("354"), reply)
        client.send(harness.stuff(body))
        reply = client.reply()
        if reply.startswith("250"):
            return harness.queued_id(reply)
        self.assertRegex(reply, r"^45[12] 4\.3\.")
        return None

    def until_refused(self, client, body, sent, pause=0):
        for number in range(20000):
            time.sleep(pause)
            text = b"%d\r\n" % number + body
            ident = self.send(client, text)
            if ident is None:
                return
            sent[ident] = text
        self.fail("the disk does not fill")

    def until_accepted(self, client, body, sent):
        """It heals without a restart, within seconds."""
        deadline = time.monotonic() + 20
        while (ident := self.send(client, body)) is None:
            self.assertLess(time.monotonic(), deadline, "room came back, acceptance did not")
            time.sleep(0.1)
        sent[ident] = body

    def check(self, daemon, sent):
        self.assertEqual(sorted(daemon.spool.ids()), sorted(sent))
        for ident, body in list(sent.items())[::max(1, len(sent) // 50)]:
            self.assertEqual(daemon.spool.cat(ident), body)
        daemon.spool.verify()

    def run_with(self, body, **settings):
        daemon = self.serve(**settings)
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            ident = self.send(client, body)
            self.assertIsNotNone(ident)
            sent[ident] = body
            for _ in range(2):
                foreign = self.fill(leave=1 << 20)
                self.until_refused(client, body, sent)
                client.expect("NOOP", "250")
                self.check(daemon, sent)
                os.unlink(foreign)
                self.until_accepted(client, body, sent)
        self.check(daemon, sent)
        return daemon, sent

    def test_small_bodies(self):
        self.run_with(b"x" * 900 + b"\r\n")

    def test_one_worker_large_records(self):
        self.run_with((b"y" * 98 + b"\r\n") * 1000, workers="1")

    def test_big_bodies(self):
        self.run_with((b"z" * 98 + b"\r\n") * 20000)

    def test_filled_by_mail_alone(self):
        daemon = self.serve(workers="1")
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            self.until_refused(client, (b"m" * 98 + b"\r\n") * 2000, sent)
            client.expect("NOOP", "250")
        self.assertGreater(len(sent), 20)
        self.check(daemon, sent)

    def test_min_free_is_kept(self):
        """Mail stops at the reserve, before the disk is full."""
        daemon = self.serve(**{"spool.min_free": "30%"})
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            # The figure of the free space may be a quarter of a second old.
            self.until_refused(client, (b"m" * 98 + b"\r\n") * 2000, sent, 0.02)
        status = os.statvfs(self.disk)
        self.assertGreater(status.f_bavail / status.f_blocks, 0.15)
        self.check(daemon, sent)

    def test_restart_while_full(self):
        """A daemon that cannot write a segment starts all the same, or says why not; nothing is
        lost either way."""
        daemon = self.serve()
        sent = {}
        with daemon.client() as client:
            client.ehlo()
            for number in range(20):
                body = b"%d\r\n" % number
                sent[self.send(client, body)] = body
        daemon.kill()
        foreign = self.fill()
        again = self.make({"spool.segment_size": "2mb", "spool.min_free": "0"},
                          spool=daemon.spool.path)
        try:
            again.start()
        except AssertionError:
            self.assertRegex(again.log(), r"(?i)space")
        else:
            # Recovery gives back what segments did not use: fill that, too.
            os.unlink(foreign)
            self.fill()
            with again.client() as client:
                client.ehlo()
                self.until_refused(client, b"no room\r\n" * 1000, sent)
                client.expect("NOOP", "250")
        again.kill()
        os.unlink(foreign)
        healed = self.serve()
        self.check(healed, sent)


if __name__ == "__main__":
    harness.main()
