#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpost-spool export, whatever the form: arguments, errors, memory.

Goal: what cannot be written is told, exit 1, and leaves nothing half done; a body that is
larger than the memory at hand passes. What each form holds is in test_export_*.py.
"""
import os
import resource
import select
import signal
import subprocess
import unittest

from spool_case import PROGRAM, TIMEOUT, Message, Spool, SpoolCase, run

FORMATS = ("eml", "maildir", "mbox", "jsonl")
MIB = 1 << 20


def limit_files():
    """No file may get larger than 1 MiB: as a full disk, an error in the middle of a write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))


class Export(SpoolCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.work, "out")

    def test_usage(self):
        self.bad(2, "--format is missing: give --format eml, maildir, mbox or jsonl, and --to",
                 "export", self.dir, "--to", self.path)
        self.bad(2, "--to is missing", "export", self.dir, "--format", "mbox")
        self.bad(2, "--format pst: give eml, maildir, mbox or jsonl", "export", self.dir,
                 "--format", "pst", "--to", self.path)
        self.bad(2, "this is no ID", "export", self.dir, "--format", "mbox", "--to", self.path,
                 "--from", "x")
        self.assertEqual(os.listdir(self.work), [])

    def test_into_the_spool(self):
        """The spool itself and what is below it, by whatever name, is no place for an export."""
        spool = self.copy_spool()
        lane = os.path.join(spool, "lane-000")
        link = os.path.join(self.work, "link")
        os.symlink(spool, link)
        os.symlink(lane, os.path.join(self.work, "lane"))
        os.symlink(os.path.join(spool, "spool.meta"), os.path.join(self.work, "meta"))
        os.symlink(self.work, os.path.join(spool, "out"))
        before = self.tree()
        paths = [spool, f"{spool}/", f"{spool}/.", f"{spool}/x", f"{spool}/x/", lane, f"{lane}/x",
                 f"{lane}/../x", link, f"{link}/x", f"{self.work}/lane/x", f"{self.work}/lane",
                 f"{self.work}/meta", f"{spool}/spool.meta", f"{spool}/out"]
        for form in FORMATS:
            for path in paths:
                for source in (spool, link):
                    with self.subTest(form=form, path=path, source=source):
                        self.bad(1, "it lies in the spool", "export", source, "--format", form,
                                 "--to", path)
        with self.subTest(path="relative"):
            self.bad(1, "it lies in the spool", "export", ".", "--format", "eml", "--to", "x",
                     cwd=spool)
            self.bad(1, "it lies in the spool", "export", "..", "--format", "mbox", "--to", "x",
                     cwd=lane)
        self.assertEqual(self.tree(), before)
        self.good("export", spool, "--format", "mbox", "--to", f"{spool}.mbox")
        self.good("export", spool, "--format", "eml", "--to", f"{lane}/../../beside")
        self.assertEqual(run("export", spool, "--format", "jsonl", "--to", "-").returncode, 0)

    def tree(self):
        return sorted((path, sorted(names), sorted(files))
                      for path, names, files in os.walk(self.work))

    def test_no_room(self):
        """The big body does not fit: those before it stay where each is a file of its own."""
        for form in FORMATS:
            path = os.path.join(self.work, form)
            self.bad(1, "File too large", "export", self.dir, "--format", form, "--to", path,
                     preexec_fn=limit_files)
            files = [name for _, _, names in os.walk(path) for name in names]
            before = [m.is_big for m in self.messages].index(True)
            self.assertEqual(len(files), before if form in ("eml", "maildir") else 0)
        self.assertEqual(sorted(os.listdir(self.work)), ["eml", "maildir"])

    def test_device(self):
        for form in ("mbox", "jsonl"):
            self.bad(1, "/dev/full: No space left on device", "export", self.dir, "--format", form,
                     "--to", "/dev/full")
            self.good("export", self.dir, "--format", form, "--to", "/dev/null")

    def test_broken_pipe(self):
        for form in ("mbox", "jsonl"):
            reading, writing = os.pipe()
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                done = run("export", self.dir, "--format", form, "--to", "-", stdout=pipe)
                self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_temp_file_there(self):
        with open(self.path + ".tmp", "wb") as file:
            file.write(b"of another one")
        for form in ("mbox", "jsonl"):
            self.bad(1, f"{self.path}.tmp: it is there already", "export", self.dir, "--format",
                     form, "--to", self.path)
        self.assertEqual(os.listdir(self.work), ["out.tmp"])

    def test_interrupted(self):
        """A pipe that nobody empties holds it up; then it is told to end."""
        for form in ("mbox", "jsonl"):
            os.mkfifo(self.path)
            reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            with subprocess.Popen([PROGRAM, "export", self.dir, "--format", form, "--to",
                                   self.path], stderr=subprocess.PIPE) as process:
                select.select([reading], [], [], TIMEOUT)  # it is under way
                os.set_blocking(reading, True)
                process.send_signal(signal.SIGINT)
                while os.read(reading, MIB):
                    pass
                self.assertEqual(process.wait(TIMEOUT), 1)
                self.assertIn(b"interrupted, the export is not complete", process.stderr.read())
            os.close(reading)
            os.unlink(self.path)

    def test_memory(self):
        """A body of 64 MiB passes with 32 MiB of memory to allocate from."""
        def limit_memory():
            # Sanitizers take terabytes of address space for themselves.
            if os.environ.get("RINGPOST_SANITIZE", "none") == "none":
                resource.setrlimit(resource.RLIMIT_DATA, (32 * MIB, 32 * MIB))

        spool = Spool(os.path.join(self.work, "spool"))
        message = spool.add(Message(b"0123456789abcde\n" * (4 * MIB), is_big=True))
        spool.commit()
        spool.end()
        for form in FORMATS:
            outcome = run("export", spool.path, "--format", form, "--to", self.path + form,
                          preexec_fn=limit_memory)
            self.assertEqual((outcome.returncode, outcome.stderr), (0, b""))
        with open(os.path.join(self.path + "eml", message.id + ".eml"), "rb") as file:
            self.assertEqual(file.read(), message.body)
        self.assertGreater(os.stat(self.path + "jsonl").st_size, 85 * MIB)


if __name__ == "__main__":
    unittest.main()
