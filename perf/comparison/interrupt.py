# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGINT and SIGTERM end a run as an exception, but never between making a thing and knowing it.

    with interrupt.hold():
        self.popen = subprocess.Popen(...)  # a signal in here is raised behind it

The first signal counts; later ones must not cut the cleaning short.
"""
import contextlib
import signal

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stop(Exception):
    """Clean up, write what there is, and end."""


class State:
    """Of the whole program: signals are, too."""
    depth = 0          # of hold()
    is_pending = False  # a signal came meanwhile


def hush():
    """From here on the program only cleans up and writes."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def handle(*_):
    hush()
    if State.depth > 0:
        State.is_pending = True
    else:
        raise Stop


def install():
    for number in NUMBERS:
        signal.signal(number, handle)


@contextlib.contextmanager
def hold():
    State.depth += 1
    try:
        yield
    finally:
        State.depth -= 1
    if State.is_pending and State.depth == 0:
        State.is_pending = False
        raise Stop
