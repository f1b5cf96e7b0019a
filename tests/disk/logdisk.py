# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of logdisk.c for tests: its log, the images it allows, file systems on it.

    logdisk.main()      in place of harness.main(): a place where mounts and processes end
                        with the test, however it ends

    base = logdisk.make_base(work, "xfs")
    with logdisk.LogDisk(work, base) as disk, logdisk.mounted(disk.path, "xfs", folder):
        ...
        place = disk.place()
    replay = logdisk.Replay(work, base, disk)
    replay.advance(place)
    replay.image(path, place, generator, "xfs")

A place is a length of the log. An image of a place has everything before the last flush before it
and any part of the writes between the two: none, some, all, cut anywhere between two sectors.
"""
import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import typing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

PROGRAM = os.path.join(harness.BUILD, "tests", "disk", "logdisk")
HEAD = struct.Struct("<QII")
WRITE, FLUSH = 1, 2
SECTOR = 512
STOP_S = 60
RUN_S = 120
BUSY_S = 20
PRIVATE = "/dev/shm"  # A folder that is always there; what is mounted on it only the test sees.
MEMORY = "3g"  # at most; what is used is a tenth of it
NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
              "--mount-proc")
FS_IOC_FIEMAP = 0xC020660B
FIEMAP = struct.Struct("=QQIIII")
EXTENT = struct.Struct("=QQQQQIIII")
EXTENTS_MAX = 256
NOT_ON_DISK = 0x2 | 0x4 | 0x200  # flags: unknown place, not allocated yet, inside an inode
INSIDE = "RINGPOST_DISK_INSIDE"  # Set where mounts and processes are the test's own.


class FileSystem(typing.NamedTuple):
    mkfs: tuple
    size: int
    options: str  # of mount
    # Octets of the disk that are written whole or not at all: a file system does not survive
    # half a superblock without its repair program, so nobody may ask that of a disk.
    whole: tuple


FILE_SYSTEMS = {
    "ext4": FileSystem(("mkfs.ext4", "-q", "-E", "nodiscard"), 160 << 20, "loop",
                       ((0, 4096),)),
    # Images of one disk have one UUID.
    "xfs": FileSystem(("mkfs.xfs", "-q", "-K"), 320 << 20, "loop,nouuid", ()),
    "btrfs": FileSystem(("mkfs.btrfs", "-q", "-K"), 256 << 20, "loop,nodiscard",
                        ((64 << 10, 68 << 10), (64 << 20, (64 << 20) + 4096))),
}


class Entry(typing.NamedTuple):
    kind: int
    offset: int
    length: int
    begin: int  # of the octets, in the log
    end: int


def why_not(*programs):
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(path):
            return f"there is no {path}"
    if not os.path.exists(PROGRAM):
        return "logdisk is not built: libfuse3-dev is missing"
    missing = [name for name in ("mount", "unshare", *programs) if not find_program(name)]
    if missing:
        return f"{missing[0]} is missing"
    for words in (("losetup", "--find"), (*NAMESPACES, "true")):
        try:
            run(*words)
        except AssertionError as error:
            return str(error)
    return None


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def run(*words):
    done = subprocess.run([find_program(words[0]) or words[0], *words[1:]],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_S,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}: "
                             f"{done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def make_base(work, name):
    """An empty file system in a file."""
    kind = FILE_SYSTEMS[name]
    path = os.path.join(work, f"base-{name}")
    with open(path, "wb") as stream:
        stream.truncate(kind.size)
    run(*kind.mkfs, path)
    return path


@contextlib.contextmanager
def mounted(path, name, folder):
    """The file system in the file `path`, on a loop device that goes with the mount."""
    os.makedirs(folder, exist_ok=True)
    run("mount", "-t", name, "-o", FILE_SYSTEMS[name].options, path, folder)
    try:
        yield folder
    except BaseException:  # Whoever still uses it ends with the test.
        run("umount", "--lazy", folder)
        raise
    unmount(folder)


def unmount(folder):
    """The kernel closes the files of an io_uring a while after its process has ended."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            run("umount", folder)
            return
        except AssertionError as error:
            if "busy" not in str(error) or time.monotonic() > deadline:
                run("umount", "--lazy", folder)
                raise
        time.sleep(0.01)


def copy(source, target):
    run("cp", "--sparse=always", source, target)


def extents(path):
    """[(offset in the file, offset on the disk, length)]; ext4 and xfs only: where btrfs says a
    file lies is no place on the disk."""
    with open(path, "rb") as stream:
        answer = bytearray(FIEMAP.size + EXTENT.size * EXTENTS_MAX)
        FIEMAP.pack_into(answer, 0, 0, (1 << 64) - 1, 0, 0, EXTENTS_MAX, 0)
        fcntl.ioctl(stream.fileno(), FS_IOC_FIEMAP, answer)
    found = []
    for index in range(FIEMAP.unpack_from(answer)[3]):
        logical, physical, length, _, _, flags, *_ = \
            EXTENT.unpack_from(answer, FIEMAP.size + index * EXTENT.size)
        if not flags & NOT_ON_DISK:
            found.append((logical, physical, length))
    return found


def on_disk(path, begin, end):
    """Where [begin, end) of the file lies on the disk, but for holes: [(offset, length)]."""
    parts = []
    for logical, physical, length in extents(path):
        lower, upper = max(begin, logical), min(end, logical + length)
        if lower < upper:
            parts.append((physical + lower - logical, upper - lower))
    return parts


class LogDisk:
    """A running logdisk with the octets of `base`."""

    def __init__(self, work, base):
        self.data = os.path.join(work, "disk.data")
        self.log_path = os.path.join(work, "disk.log")
        self.path = os.path.join(work, "disk")
        copy(base, self.data)
        with open(self.path, "wb"):
            pass
        # A group of its own: Ctrl-C must find it alive while what is on it is unmounted.
        self.process = subprocess.Popen([PROGRAM, self.data, self.log_path, self.path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        process_group=0)
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("logdisk does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer != "ok\n":
            raise AssertionError(f"logdisk: {line}: {answer!r}")

    def place(self):
        return os.stat(self.log_path).st_size

    def close(self):
        """Unmount and end it; the log stays."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("logdisk does not end") from None
        self.process.stdout.close()
        if self.process.returncode != 0:
            raise AssertionError(f"logdisk: status {self.process.returncode}")


def read_log(path):
    """Its entries in order; one that is not whole yet is left out."""
    entries = []
    with open(path, "rb") as log:
        size = os.fstat(log.fileno()).st_size
        at = 0
        while at + HEAD.size <= size:
            offset, length, kind = HEAD.unpack(os.pread(log.fileno(), HEAD.size, at))
            end = at + HEAD.size + length
            if end > size:
                break
            if kind not in (WRITE, FLUSH):
                raise AssertionError(f"{path}: kind {kind} at {at}")
            entries.append(Entry(kind, offset, length, at + HEAD.size, end))
            at = end
    return entries


class Replay:
    """What a disk that logged may hold when it loses its power."""

    def __init__(self, work, base, disk):
        self.log = open(disk.log_path, "rb", buffering=0)
        self.entries = read_log(disk.log_path)
        self.durable_path = os.path.join(work, "durable")
        copy(base, self.durable_path)
        self.durable = open(self.durable_path, "r+b", buffering=0)
        self.done = 0  # entries that are in `durable`

    def close(self):
        self.log.close()
        self.durable.close()
        os.unlink(self.durable_path)

    def pending(self, place):
        """Index behind the last flush before the place, and behind the last entry before it."""
        end = self.done
        flushed = self.done
        while end < len(self.entries) and self.entries[end].end <= place:
            end += 1
            flushed = end if self.entries[end - 1].kind == FLUSH else flushed
        return flushed, end

    def put(self, target, entry, cuts=None):
        """Writes an entry's octets, or those from cut to cut, into the file object."""
        for begin, end in cuts or ((0, entry.length),):
            octets = os.pread(self.log.fileno(), end - begin, entry.begin + begin)
            os.pwrite(target.fileno(), octets, entry.offset + begin)

    def advance(self, place):
        """Everything before the last flush before the place. Places may only grow."""
        flushed, _ = self.pending(place)
        for entry in self.entries[self.done:flushed]:
            if entry.kind == WRITE:
                self.put(self.durable, entry)
        self.done = flushed

    def image(self, path, place, generator, name):
        """One possible image of the place that `advance` was told; says what was chosen."""
        copy(self.durable_path, path)
        flushed, end = self.pending(place)
        later = [entry for entry in self.entries[flushed:end] if entry.kind == WRITE]
        mode = generator.choice(("none", "all", "first", "some", "torn", "torn"))
        kept = {"none": [], "all": later, "first": later[:generator.randint(0, len(later))]}.get(
            mode, [entry for entry in later if generator.random() < 0.6])
        with open(path, "r+b", buffering=0) as target:
            for entry in kept:
                is_torn = mode == "torn" and generator.random() < 0.7
                self.put(target, entry, tear(entry, generator, name) if is_torn else None)
        return f"{mode} ({len(kept)} of {len(later)} writes behind the last flush)"


def tear(entry, generator, name):
    """Parts of a write that reached the disk: [(begin, end)]."""
    for begin, end in FILE_SYSTEMS[name].whole:
        if entry.offset < end and entry.offset + entry.length > begin:
            return None
    sectors = range(0, entry.length, SECTOR)
    if generator.random() < 0.4:  # its first ones
        return [(0, min(entry.length, SECTOR * generator.randint(0, len(sectors))))]
    share = generator.choice((0.1, 0.5, 0.9))
    return [(at, min(at + SECTOR, entry.length)) for at in sectors
            if generator.random() < share] or [(0, 0)]


def end_on_signal(number, _frame):
    raise KeyboardInterrupt(f"signal {number}")


def main(names=None):
    """Runs the program's tests, or these (None: those on the command line), inside namespaces of
    their own: whatever it mounts, writes or starts is gone with it, even where it is killed. A
    loop device goes with its mount."""
    reason = why_not()
    if reason is None and INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execv(find_program("unshare"), [*NAMESPACES, sys.executable, *sys.argv])
    if reason:
        print(f"1..0 # SKIP {reason}")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end_on_signal)
    # Files too: in memory, since each image is written, synced and thrown away.
    run("mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "ringpost-test", PRIVATE)
    tempfile.tempdir = PRIVATE
    sys.argv[1:] = sys.argv[1:] if names is None else names
    harness.main()
