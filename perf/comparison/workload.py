# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers are asked to do: a mode, a size of message, a number of connections, and in an
open loop a rate."""
import dataclasses
import re

MODES = ("plain", "pipelined")
UNITS = {"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20,
         "g": 1 << 30, "gb": 1 << 30}
IN_FLIGHT_MAX = 256 << 20  # octets of all connections at once: more says more of the memory


class Wrong(ValueError):
    """A text that cannot be read, with what would be right."""


def parse_size(text):
    match = re.fullmatch(r"(\d+)([a-z]*)", text.strip().lower())
    if not match or match.group(2) not in UNITS or int(match.group(1)) == 0:
        raise Wrong(f"{text!r} is no size; write 10k, 1m or a number of octets")
    return int(match.group(1)) * UNITS[match.group(2)]


def parse_count(text):
    if not re.fullmatch(r"[1-9]\d{0,5}", text.strip()):
        raise Wrong(f"{text!r} is no number of connections; write 1, 100 or 1000")
    return int(text)


def parse_mode(text):
    if text.strip() not in MODES:
        raise Wrong(f"{text!r} is no mode; write {' or '.join(MODES)}")
    return text.strip()


@dataclasses.dataclass(frozen=True)
class Rate:
    """Of an open loop: messages a second, or a share of what the server takes at most."""
    value: float
    is_share: bool = False

    @property
    def name(self):
        return f"{self.value * 100:g}%" if self.is_share else f"{self.value:,.0f}/s"

    def of(self, maximum):
        """Messages a second for a server with this maximum; None: it is not known."""
        if not self.is_share:
            return self.value
        return max(self.value * maximum, 1) if maximum else None


def parse_rate(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%|([1-9]\d{0,7})", text.strip())
    share = float(match.group(1)) / 100 if match and match.group(1) else None
    if not match or share is not None and not 0 < share <= 1:
        raise Wrong(f"{text!r} is no rate; write 5000 (messages a second), or 25% of what each "
                    "server takes at most")
    return Rate(float(match.group(2))) if share is None else Rate(share, True)


def parse_list(text, parse):
    """The parts of a list with commas, each once, in the order given."""
    parts = [parse(part) for part in text.split(",") if part.strip()]
    if not parts:
        raise Wrong("the list is empty")
    return list(dict.fromkeys(parts))


@dataclasses.dataclass(frozen=True)
class Workload:
    mode: str
    size: int
    connections: int
    rate: Rate = None  # none: a closed loop

    @property
    def size_name(self):
        for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
            if self.size % unit == 0:
                return f"{self.size // unit}{letter}"
        return str(self.size)

    @property
    def name(self):
        """As a column is headed: the mode stands above the table."""
        return f"{self.size_name}/{self.connections}" + self.rate_name

    @property
    def rate_name(self):
        return f" {self.rate.name}" if self.rate else ""

    @property
    def is_sensible(self):
        return self.size * self.connections <= IN_FLIGHT_MAX


def closed_of(workloads, index):
    """The index of the workload that asks for the same in a closed loop."""
    return workloads.index(dataclasses.replace(workloads[index], rate=None))


def passes(workloads):
    """Indexes of the workloads, in the order of their rounds: all closed loops, then all open
    ones, whose rates may be shares of what came of the first."""
    both = [[index for index, workload in enumerate(workloads) if (workload.rate is None) == closed]
            for closed in (True, False)]
    return [indexes for indexes in both if indexes]


def make(modes, sizes, connections, rates=()):
    """(those to run, those left out); behind each closed loop its open ones"""
    every = [Workload(mode, size, count, rate)
             for mode in modes for size in sizes for count in connections
             for rate in (None, *rates)]
    return ([workload for workload in every if workload.is_sensible],
            [workload for workload in every if not workload.is_sensible])
