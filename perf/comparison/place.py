# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the servers' directories lie.

An ext4 with its journal on a loop device over a file that was written in full beforehand: a
commit then costs what it costs on a disk of one's own, whatever the machine's file system
is, and nothing else writes there. It needs root.
"""
import contextlib
import mmap
import os
import shutil
import subprocess
import tempfile
import time

import comparison.interrupt as interrupt

FILE_SYSTEM = "ext4"


class Trouble(Exception):
    """One line for people: what is wrong, and what would be right."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Trouble(f"{command[0]}: {said[-1] if said else 'failed'}")
    return done.stdout.strip()


def why_not_loop():
    """None, or why no file system can be made here."""
    if os.geteuid() != 0:
        return "it needs root"
    for program in ("losetup", "mkfs.ext4", "mount", "umount"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{program} is missing (Debian: mount, util-linux, e2fsprogs)"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    return None


def write_in_full(path, size):
    """Zeros with O_DIRECT: no page of them stays in memory. /bin/dd knows the alignment."""
    block = 4 << 20
    run("dd", "if=/dev/zero", f"of={path}", f"bs={block}", f"count={-(-size // block)}",
        "oflag=direct", "status=none")


class Loop:
    """A mounted ext4 on a file: `path` is where. close() leaves nothing, however far it came."""
    kind = FILE_SYSTEM

    def __init__(self, work):
        self.work = work
        self.folder = self.device = self.path = self.image = None

    def open(self, size, is_sparse=False, options=""):
        with interrupt.hold():
            self.folder = tempfile.mkdtemp(prefix="ringpost-compare-image-", dir=self.work)
        self.image = os.path.join(self.folder, "image")
        if is_sparse:
            with open(self.image, "wb") as file:
                file.truncate(size)
        else:
            write_in_full(self.image, size)
        with interrupt.hold():
            self.device = attach(self.image)
            # Discarding would punch the image full of holes again.
            run("mkfs.ext4", "-q", "-F", "-E",
                "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.device)
            # Not in the work directory: other users of the servers must get there.
            self.path = tempfile.mkdtemp(prefix="ringpost-compare-")
            os.chmod(self.path, 0o755)
            run("mount", "-o", "noatime" + options, self.device, self.path)

    def flushes(self):
        """Cache flushes the device has done so far; None: the kernel does not count them."""
        with open(f"/sys/block/{os.path.basename(self.device)}/stat", encoding="ascii") as file:
            fields = file.read().split()
        return int(fields[15]) if len(fields) > 15 else None

    def close(self):
        if self.path:
            unmount(self.path)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
        if self.device:
            detach(self.device)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = self.device = self.path = None


def attach(image):
    try:
        return run("losetup", "-f", "--show", "--direct-io=on", image)
    except Trouble:
        return run("losetup", "-f", "--show", image)  # a file system without O_DIRECT


def detach(device):
    with contextlib.suppress(Trouble):
        run("losetup", "-d", device)


def unmount(path):
    """Servers may take a moment to let go."""
    for _ in range(50):
        if not os.path.ismount(path):
            return
        with contextlib.suppress(Trouble):
            run("umount", path)
            return
        time.sleep(0.1)
    with contextlib.suppress(Trouble):
        run("umount", "-l", path)


class Here:
    """A directory of the file system that is there."""

    def __init__(self, work):
        self.work = work
        self.path = self.kind = None

    def open(self):
        with interrupt.hold():
            self.path = tempfile.mkdtemp(prefix="ringpost-compare-", dir=self.work)
        os.chmod(self.path, 0o755)
        self.kind = kind_of(self.path)

    def close(self):
        if self.path:
            shutil.rmtree(self.path, ignore_errors=True)
        self.path = None


def mount_of(path):
    """(device, file system) of what is mounted above a path."""
    best = ("", "?", "?")
    path = os.path.realpath(path)
    with open("/proc/mounts", encoding="utf-8", errors="replace") as file:
        for line in file:
            device, point, kind = line.split()[:3]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, device, kind)
    return best[1], best[2]


def kind_of(path):
    return mount_of(path)[1]


def free(path):
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def touch_memory(size):
    """Use memory and give it back, so that the kernel next hands out pages that are warm.

    In a virtual machine the first use of a page costs 2 ms a MiB, and many hosts take back what
    was free for some seconds. A server that fills new pages of the cache pays for that in
    some turns and not in others; so all that keep messages find warm ones.
    """
    size = min(size, available() // 4)
    if size > 0:
        mmap.mmap(-1, size,
                  flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def available():
    """Octets of memory that can be had without swapping."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0
