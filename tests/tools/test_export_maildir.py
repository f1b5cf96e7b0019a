#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""export --format maildir: what a mail reader finds there.

Goal: Python's mailbox.Maildir reads back every body byte for byte; a repeated export adds
what is new, also after a mail reader moved and flagged messages; two spools share a
maildir without clashes.
"""
import mailbox
import os
import unittest

from spool_case import Message, Spool, SpoolCase, damage_body


class Maildir(SpoolCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.work, "Maildir")

    def export(self, directory, *more):
        return self.good("export", directory, "--format", "maildir", "--to", self.path,
                         *more).decode()

    def bodies(self):
        box = mailbox.Maildir(self.path, create=False)
        return sorted(box.get_bytes(key) for key in box.keys())

    def raw_bodies(self):
        """From the files, not through a mail reader."""
        bodies = []
        for part in ("new", "cur"):
            folder = os.path.join(self.path, part)
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), "rb") as file:
                    bodies.append(file.read())
        return sorted(bodies)

    def test_all(self):
        count = len(self.messages)
        self.assertEqual(self.export(self.dir),
                         f"{count} messages exported, 0 there already, 0 damaged\n")
        self.assertEqual(self.raw_bodies(), sorted(m.body for m in self.messages))
        self.assertEqual(self.bodies(), sorted(m.body for m in self.messages))
        self.assertEqual(sorted(os.listdir(self.path)), ["cur", "new", "tmp"])
        self.assertEqual(os.listdir(os.path.join(self.path, "tmp")), [])
        self.assertEqual(os.listdir(os.path.join(self.path, "cur")), [])
        for name in os.listdir(os.path.join(self.path, "new")):
            self.assertRegex(name, r"^1767\d{6}\.00[01]-[0-9a-f]{10}-[0-9a-f]{6}\.[0-9a-f]{32}$")

    def test_again(self):
        self.export(self.dir, "--limit", 5)
        self.assertEqual(self.export(self.dir, "--limit", 7),
                         "2 messages exported, 5 there already, 0 damaged\n")
        self.assertEqual(self.raw_bodies(), sorted(m.body for m in self.messages[:7]))

    def test_after_a_mail_reader(self):
        self.export(self.dir, "--limit", 3)
        box = mailbox.Maildir(self.path, create=False)
        for key in box.keys():
            message = box[key]
            message.set_subdir("cur")
            message.add_flag("S")
            box[key] = message
        self.assertEqual(len(os.listdir(os.path.join(self.path, "cur"))), 3)
        self.assertEqual(self.export(self.dir, "--limit", 4),
                         "1 message exported, 3 there already, 0 damaged\n")

    def test_after_renames(self):
        """The unique part ends at the first , or : (mbsync, dovecot, plain readers)."""
        self.export(self.dir, "--limit", 6)
        new, cur = os.path.join(self.path, "new"), os.path.join(self.path, "cur")
        for name, suffix in zip(sorted(os.listdir(new)), (",U=7:2,S", ",S=304,W=310:2,S", ",U=9",
                                                          ":2,", ",S=3:2,FS")):
            os.rename(os.path.join(new, name), os.path.join(cur, name + suffix))
        self.assertEqual(self.export(self.dir, "--limit", 7),
                         "1 message exported, 6 there already, 0 damaged\n")
        self.assertEqual(self.raw_bodies(), sorted(m.body for m in self.messages[:7]))

    def test_two_spools(self):
        """Ids are unique within a spool only."""
        spool = Spool(os.path.join(self.work, "other"))
        other = spool.add(Message(b"other"))
        spool.commit()
        spool.end()
        self.assertEqual(other.id, self.messages[0].id)
        self.export(self.dir, "--limit", 1)
        self.assertIn("1 message exported, 0 there", self.export(spool.path))
        self.assertEqual(self.raw_bodies(), sorted([b"other", self.messages[0].body]))

    def test_foreign_files(self):
        """Names that are not ours, and almost ours, are left alone and stand for nothing."""
        self.export(self.dir, "--limit", 1)
        name, = os.listdir(os.path.join(self.path, "new"))
        seconds, message_id, identity = name.split(".")
        os.unlink(os.path.join(self.path, "new", name))
        odd = ["x", ".hidden", f"{seconds}.{message_id}.{identity}x", f"{seconds}.{message_id}",
               f"{seconds}.{message_id}x{identity}", f"{seconds}.{message_id}.{identity[::-1]}"]
        for other in odd:
            with open(os.path.join(self.path, "cur", other), "wb"):
                pass
        self.assertIn("1 message exported, 0 there", self.export(self.dir, "--limit", 1))
        self.assertEqual(os.listdir(os.path.join(self.path, "new")), [name])

    def test_damaged(self):
        copy = self.copy_spool()
        damage_body(copy, self.messages[6])
        self.bad(1, f"message {self.messages[6].id} is damaged, left out", "export", copy,
                 "--format", "maildir", "--to", self.path)
        self.assertEqual(self.raw_bodies(),
                         sorted(m.body for m in self.messages[:6] + self.messages[7:]))

    def test_not_usable(self):
        os.mkdir(self.path)
        with open(os.path.join(self.path, "new"), "wb"):
            pass
        self.bad(1, f"{self.path}: cannot use it as a maildir: Not a directory", "export",
                 self.dir, "--format", "maildir", "--to", self.path)


if __name__ == "__main__":
    unittest.main()
