# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server and all its processes take: CPU time and memory.

A cgroup v2 of its own counts processes that are gone as well, and to the microsecond. Where
none can be made the process tree is read from /proc, in ticks of 10 ms.
"""
import contextlib
import os
import time

FEW = 12  # processes whose peaks may be summed: what they share counts little then
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def find_cgroup():
    """The directory of this process's cgroup v2 if others can be made in it, else None."""
    try:
        mount = next(line.split()[1] for line in read("/proc/mounts").splitlines()
                     if line.split()[2] == "cgroup2")
        own = next(line[3:] for line in read("/proc/self/cgroup").splitlines()
                   if line.startswith("0::"))
        root = mount + own.rstrip("/")
        probe = os.path.join(root, f"ringpost-compare-{os.getpid()}-probe")
        os.mkdir(probe)
        try:
            return root if os.path.exists(os.path.join(probe, "cpu.stat")) else None
        finally:
            os.rmdir(probe)
    except (OSError, StopIteration):
        return None


class Cgroup:
    """A cgroup for one server."""
    how = "cgroup v2"

    def __init__(self, root, name):
        self.path = os.path.join(root, f"ringpost-compare-{os.getpid()}-{name}")
        os.mkdir(self.path)

    @property
    def cpu_stat(self):
        return os.path.join(self.path, "cpu.stat")

    def enter(self, command):
        """The command that runs `command` in here."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"',
                os.path.join(self.path, "cgroup.procs"), *command]

    def started(self, process):
        """Nothing to do: it is in the cgroup."""

    def pids(self):
        try:
            return [int(line) for line in read(os.path.join(self.path, "cgroup.procs")).split()]
        except OSError:
            return []

    def cpu_s(self):
        return int(read(self.cpu_stat).split()[1]) / 1e6

    def kill(self):
        """All that is left; Linux 5.14."""
        with contextlib.suppress(OSError), \
                open(os.path.join(self.path, "cgroup.kill"), "w", encoding="ascii") as file:
            file.write("1")

    def close(self):
        for _ in range(100):
            with contextlib.suppress(FileNotFoundError):
                try:
                    os.rmdir(self.path)
                except OSError:
                    time.sleep(0.05)  # the kernel has not buried the last process yet
                    continue
            return


class Tree:
    """The same from /proc, for where no cgroup can be made."""
    how = "/proc"
    cpu_stat = None

    def __init__(self):
        self.leader = None
        self.dead_s = 0.0  # the most that was seen: what ended meanwhile is in its parent's

    def enter(self, command):
        return list(command)

    def started(self, process):
        self.leader = process.pid

    def stats(self):
        """{pid: fields of /proc/PID/stat behind the name} of its session and its descendants."""
        every = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                every[int(name)] = read(f"/proc/{name}/stat").rsplit(")", 1)[1].split()
        found = {pid for pid, fields in every.items()
                 if pid == self.leader or int(fields[3]) == self.leader}
        while True:
            more = {pid for pid, fields in every.items() if int(fields[1]) in found} - found
            if not more:
                return {pid: every[pid] for pid in found if pid in every}
            found |= more

    def pids(self):
        return [pid for pid, fields in self.stats().items() if fields[0] != "Z"]

    def cpu_s(self):
        """User and system time, that of waited-for children included."""
        ticks = sum(sum(map(int, fields[11:15])) for fields in self.stats().values())
        self.dead_s = max(self.dead_s, ticks * TICK_S)
        return self.dead_s

    def kill(self):
        """Nothing beyond the signals of who stops it."""

    def close(self):
        """Nothing was made."""


def make(root, name):
    return Cgroup(root, name) if root else Tree()


# ---- memory ----

def reset_peak(pids):
    """From here on VmHWM counts anew."""
    for pid in pids:
        with contextlib.suppress(OSError), \
                open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")


def field_kib(path, name):
    with contextlib.suppress(OSError, StopIteration):
        return next(int(line.split()[1]) for line in read(path).splitlines()
                    if line.startswith(name))
    return 0


def peak_mib(pids):
    """Sum of the peaks since reset_peak; what processes share counts in each."""
    return sum(field_kib(f"/proc/{pid}/status", "VmHWM:") for pid in pids) / 1024


def shared_mib(pids):
    """Sum of the proportional set sizes now: what processes share counts once."""
    return sum(field_kib(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids) / 1024
