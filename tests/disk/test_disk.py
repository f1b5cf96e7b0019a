#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ringpostd on real file systems that lose their power, and whose octets go bad.

    test_disk.py [--images N] [--seed S] [--keep DIR] [TEST]...

Goal: what had its 250 before the power went is there, once and exact; what was damaged afterwards
is exact or reported; nothing else is ever shown.
Method: a daemon takes mail on a file system on the disk of logdisk.c. Then images are made of
places of the disk's log: all that was flushed, and any part of what was written since. Each is
mounted, which replays its journal; a daemon recovers it; the tool and the Python reader read it.
Before the daemon starts, octets of the spool's files are damaged in some of them. What is there is
compared with the books of the clients (judge.py); nobody looks at what the octets mean.
The seed repeats what is chosen; what a daemon writes depends on time. So --keep copies the spool of
each image with a fault, as the daemon or reader found it.
"""
import argparse
import contextlib
import os
import random
import shutil
import time

import logdisk  # First: it says where harness.py is.
import damage
import harness
import judge
import mail

IMAGES = 100  # of each file system; a long run asks for more
IMAGES_PART = 20  # of one recording
MESSAGES = 240
MORE = 12  # messages after a recovery, in some images
CLIENTS = 6
FAULTS_TOLD = 12
# An image: what is damaged in it (None: nothing), in turn.
TURNS = (None, "segment", None, "segment", "segment", "big", None, "index", "segment", "meta")
# Besides: what of all these images is noted.
MOUNT, UNRECOVERED, UNRECOVERED_DAMAGED = "mount", "unrecovered", "unrecovered damaged"
OPTIONS = argparse.Namespace()  # of the command line


class Recording:
    """A daemon's life on a disk: messages, and the log of what was written for them."""

    def __init__(self, case, name, seed, extra):
        generator = random.Random(seed)
        self.name = name
        self.settings = {"workers": generator.choice(("1", "2")),
                         "spool.io": generator.choice(("buffered", "direct")),
                         "spool.segment_size": generator.choice(("1mb", "1mb", "2mb")),
                         "spool.min_free": "0", "log.level": "warning", **extra}
        self.delay_ms = generator.choice((0, 1, 3))
        self.is_killed = generator.random() < 0.5
        self.messages = mail.make(MESSAGES, seed)
        base = logdisk.make_base(case.work, name)
        folder = os.path.join(case.work, "recorded")
        with logdisk.LogDisk(case.work, base) as disk:
            with logdisk.mounted(disk.path, name, folder):
                daemon = case.make(self.settings, spool=os.path.join(folder, "spool"))
                try:
                    self.live(daemon, disk, folder)
                finally:
                    daemon.kill()
                self.end = disk.place()
        self.replay = logdisk.Replay(case.work, base, disk)

    def live(self, daemon, disk, folder):
        daemon.start()
        disk.command(f"delay {self.delay_ms}")
        mail.deliver(self.messages[::2], daemon.port, disk, CLIENTS)
        # Somebody syncs: what is mapped is on the disk, and old later on.
        logdisk.run("sync", "-f", folder)
        if self.is_killed:  # The power may also go while a daemon recovers.
            daemon.kill()
            daemon.start()
        mail.deliver(self.messages[1::2], daemon.port, disk, CLIENTS)
        disk.command("delay 0")
        daemon.stop()

    def __str__(self):
        settings = " ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name} {settings}, flushes +{self.delay_ms} ms" + \
            (", killed once" if self.is_killed else "")

    def places(self, count, generator):
        """Rising: moments when a 250 had come, just before a flush, or anywhere."""
        kept = sorted(message.kept_at for message in self.messages)
        entries = [entry for entry in self.replay.entries if kept[0] <= entry.end <= self.end]
        ends = [entry.end for entry in entries]
        before = [entry.begin - logdisk.HEAD.size for entry in entries
                  if entry.kind == logdisk.FLUSH]
        return sorted(generator.choice(generator.choice((kept, before, ends)))
                      for _ in range(count))


class Before:
    """A disk whose log stands still, before a place that is looked at."""

    def __init__(self, place):
        self.at = place - 1

    def place(self):
        return self.at


class Tally:
    """Images of one kind: how many, and what was wrong with them."""

    def __init__(self):
        self.count = 0
        self.faults = []


class Images:
    """Makes images, on the file system `name`, and tallies what is wrong with them."""

    name = None
    settings = {}  # besides those that a recording chooses
    images = None  # how many; None: as many as were asked for
    tallies = None

    def setUp(self):
        super().setUp()
        reason = logdisk.why_not(logdisk.FILE_SYSTEMS[self.name].mkfs[0])
        if reason:
            self.skipTest(reason)

    def tally(self, kind):
        """Of the images with this damage; the first to ask makes all of them."""
        if type(self).tallies is None:
            type(self).tallies = {
                kind: Tally() for kind in (MOUNT, UNRECOVERED, UNRECOVERED_DAMAGED, *TURNS)}
            begin = time.monotonic()
            self.run_images(self.images or OPTIONS.images)
            count = self.tallies[MOUNT].count
            print(f"# {self.name}: {count} images in {time.monotonic() - begin:.0f} s, seed "
                  f"{OPTIONS.seed}", flush=True)
        return self.tallies[kind]

    def run_images(self, count):
        for first in range(0, count, IMAGES_PART):
            seed = f"{OPTIONS.seed} {self.name} {first}"
            recording = Recording(self, self.name, seed, self.settings)
            places = recording.places(min(IMAGES_PART, count - first), random.Random(seed))
            for index, place in enumerate(places):
                recording.replay.advance(place)
                self.run_image(recording, place, TURNS[index % len(TURNS)],
                               random.Random(f"{seed} {index}"))
            recording.replay.close()

    def run_image(self, recording, place, kind, generator):
        path = os.path.join(self.work, "image")
        folder = os.path.join(self.work, "mounted")
        self.tallies[MOUNT].count += 1
        title = f"image {self.tallies[MOUNT].count} ({recording}): " + \
            recording.replay.image(path, place, generator, self.name)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(logdisk.mounted(path, self.name, folder))
            except AssertionError as error:
                self.tallies[MOUNT].faults.append(f"{title}: {error}")
                return
            spool = os.path.join(folder, "spool")
            if generator.random() < 0.5:
                damage.change_boot(spool)
                title += ", another boot"
            self.check_image(recording, place, kind, generator, title, spool)

    def check_image(self, recording, place, kind, generator, title, spool):
        striker = damage.Damage(spool, recording.messages, generator)
        what = striker.strike(kind) if kind else None
        kind = kind if what else None
        title += f", {what}, touches {sorted(striker.touched)}" if what else ""
        kept = self.keep(spool)
        harm = judge.WHOLE
        if kind:
            harm = judge.Harm(touched=striker.touched, is_zeroed=what.startswith("zero"))
        faults = judge.judge(judge.read(spool), recording.messages, place, harm)
        is_good = self.note(UNRECOVERED_DAMAGED if kind else UNRECOVERED, title, faults)
        messages = list(recording.messages)
        more = mail.make_more(messages, MORE, title) if generator.random() < 0.3 else []
        try:
            self.recover(recording.settings, spool)
            if more:
                title += ", then more mail"
                self.recover(recording.settings, spool, more, place)
                self.recover(recording.settings, spool)
            faults = judge.judge(judge.read(spool), messages, place, harm)
        except AssertionError as error:
            faults = [f"{error}"]
        if self.note(kind, title, faults) and is_good and kept:
            shutil.rmtree(kept)

    def keep(self, spool):
        """A copy of the spool, where one is wanted."""
        if OPTIONS.keep is None:
            return None
        path = os.path.join(OPTIONS.keep, f"{self.name}-{self.tallies[MOUNT].count}")
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(spool, path)
        return path

    def recover(self, settings, spool, more=(), place=0):
        """A daemon that starts, takes more mail, and ends when it is told to."""
        daemon = harness.Daemon(self.work, settings, spool=spool)
        try:
            daemon.start()
            mail.deliver(more, daemon.port, Before(place), CLIENTS)
            daemon.stop()
        finally:
            daemon.release()
            os.unlink(daemon.log_path)

    def note(self, kind, title, faults):
        """Whether there are no faults."""
        self.tallies[kind].count += 1
        if faults:
            self.tallies[kind].faults.append("\n    ".join([title, *faults]))
        return not faults

    def check(self, kind):
        tally = self.tally(kind)
        if tally.faults:
            self.fail(f"{len(tally.faults)} of {tally.count} images, seed {OPTIONS.seed}:\n" +
                      "\n".join(tally.faults[:FAULTS_TOLD]))
        if tally.count == 0:
            self.skipTest("no image had a file to damage")


class Every(Images):
    """What every file system is put through."""

    def test_images_mount(self):
        """The file system recovers itself: what the disk gives is what it may give."""
        self.check(MOUNT)

    def test_read_without_daemon(self):
        """A reader that comes before any daemon."""
        self.check(UNRECOVERED)

    def test_damaged_read_without_daemon(self):
        self.check(UNRECOVERED_DAMAGED)

    def test_recovered(self):
        self.check(None)

    def test_damaged_segment(self):
        self.check("segment")

    def test_damaged_index(self):
        self.check("index")

    def test_damaged_meta(self):
        self.check("meta")

    def test_damaged_big_body(self):
        self.check("big")


class Ext4(Every, harness.Case):
    name = "ext4"


class Xfs(Every, harness.Case):
    name = "xfs"


class Btrfs(Every, harness.Case):
    name = "btrfs"


class Unsynced(Images, harness.Case):
    """The images bite: without syncs, mail with a 250 is lost in them."""

    name = "ext4"
    settings = {"spool.sync": "none"}
    images = IMAGES_PART

    def test_it_is_seen(self):
        self.assertRegex("\n".join(self.tally(None).faults), "untouched and not there")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=IMAGES, help="of each file system")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--keep", metavar="DIR", help="copy spools with a fault to this folder")
    parser.add_argument("tests", nargs="*")
    parser.parse_args(namespace=OPTIONS)
    logdisk.main(OPTIONS.tests)


if __name__ == "__main__":
    main()
