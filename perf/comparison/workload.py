# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers are asked to do: a mode, a size of message, a number of connections."""
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

    @property
    def size_name(self):
        for unit, letter in ((1 << 20, "M"), (1 << 10, "K")):
            if self.size % unit == 0:
                return f"{self.size // unit}{letter}"
        return str(self.size)

    @property
    def name(self):
        """As a column is headed: the mode stands above the table."""
        return f"{self.size_name}/{self.connections}"

    @property
    def is_sensible(self):
        return self.size * self.connections <= IN_FLIGHT_MAX


def make(modes, sizes, connections):
    """(those to run, those left out)"""
    every = [Workload(mode, size, count)
             for mode in modes for size in sizes for count in connections]
    return ([workload for workload in every if workload.is_sensible],
            [workload for workload in every if not workload.is_sensible])
