# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a spool holds what it must hold, through the tool and through the Python reader.

    found = judge.read(spool_path)
    faults = judge.judge(found, messages, place, judge.WHOLE)
    faults = judge.judge(found, messages, place, judge.Harm(touched={3, 4}))

Acknowledged before the place and untouched: there, once, exact. Touched: that, or verify reports
it. Not acknowledged: absent or whole. Nothing harmed: nothing reported.
"""
import base64
import json
import os
import re
import sys
import typing

import harness

sys.path.insert(0, os.path.join(harness.ROOT, "spool", "python"))
import ringpost_spool  # noqa: E402

FIRST_LINE = re.compile(rb"number (\d+) ")
# What `verify --json` counts in its last line and what is bad.
REPORTED = ("damaged", "unreadable", "missing")
TOLD_MAX = 5  # numbers named in one fault


class Harm(typing.NamedTuple):
    """What was done to the spool."""

    touched: frozenset = frozenset()  # numbers of the messages that may have lost octets
    is_any: bool = True
    is_countable: bool = True  # verify can know how many there were
    is_zeroed: bool = False  # whole sectors became zeros: a last batch without any word of proof
    #                          then looks as one that was never finished, and is told as that


WHOLE = Harm(is_any=False)


class Found:
    """All that was read: whole messages as (id, body, sender, recipients)."""

    def __init__(self):
        self.rows = []
        self.python_rows = None
        self.python_error = None
        self.listed = []  # ids that ls shows as whole
        self.status = None  # of verify
        self.reported = 0
        self.unfinished = 0
        self.errors = []  # what could not be read at all


def read(path):
    found = Found()
    spool = harness.Spool(path)
    _, rows = run(spool, found, "export", "--format", "jsonl", "--to", "-")
    for row in rows:
        found.rows.append((row["id"], base64.b64decode(row["body_base64"]), row["sender"],
                           tuple(row["recipients"])))
    found.status, rows = run(spool, found, "verify", "--json")
    if rows:
        found.reported = sum(rows[-1].get(name, 0) for name in REPORTED)
        found.unfinished = rows[-1].get("unfinished", 0)
    _, rows = run(spool, found, "ls", "--json")
    found.listed = [row["id"] for row in rows if "size" in row]
    read_python(path, found)
    return found


def run(spool, found, command, *arguments):
    """(exit status, objects printed); 0 and 1 are what a command may end with."""
    done = spool.run(command, *arguments, check=False)
    lines = done.stdout.splitlines(keepends=True)
    if done.returncode not in (0, 1):
        found.errors.append(f"{command}: status {done.returncode}: {done.stderr.decode().strip()}")
        lines = [line for line in lines if line.endswith(b"\n")]
    return done.returncode, [json.loads(line) for line in lines]


def read_python(path, found):
    rows = []
    try:
        with ringpost_spool.Spool(path) as spool:
            for entry in spool:
                try:
                    message = spool.read(entry)
                except (ringpost_spool.DamagedError, OSError):
                    continue
                rows.append((message.id, message.body, message.sender,
                             tuple(recipient.address for recipient in message.recipients)))
        found.python_rows = rows
    except Exception as error:  # Whatever it is: a reader must not end so.
        found.python_error = f"{type(error).__name__}: {error}"


def name(numbers, known):
    shown = [f"{number} ({known[number].ident})" for number in sorted(numbers)[:TOLD_MAX]]
    return f"{len(numbers)}: " + ", ".join(shown) + (" ..." if len(numbers) > TOLD_MAX else "")


def judge_rows(rows, known, place):
    """({number: id} of what is exact, faults)."""
    seen, faults = {}, []
    for ident, body, sender, recipients in rows:
        match = FIRST_LINE.match(body)
        message = known.get(int(match.group(1))) if match else None
        if message is None or body != message.body or sender != message.sender or \
                recipients != (message.recipient,):
            faults.append(f"{ident} is none of the messages that were sent")
        elif message.number in seen:
            faults.append(f"message {message.number} is there twice: {ident} and "
                          f"{seen[message.number]}")
        elif not message.is_sent(place):
            faults.append(f"message {message.number} is there before it was sent")
        elif message.is_kept(place) and message.ident != ident:
            faults.append(f"message {message.number} is {ident}, its 250 said {message.ident}")
        else:
            seen[message.number] = ident
    return seen, faults


def judge(found, messages, place, harm):
    """What is wrong, as a list of sentences."""
    known = {message.number: message for message in messages}
    kept = {message.number for message in messages if message.is_kept(place)}
    seen, faults = judge_rows(found.rows, known, place)
    faults = found.errors + faults
    lost = kept - seen.keys()
    if lost - harm.touched:
        faults.append("acknowledged, untouched and not there: " +
                      name(lost - harm.touched, known))
    silent = lost & harm.touched
    least = len(silent) if harm.is_countable else 1
    unfinished = found.unfinished if harm.is_zeroed else 0
    is_told = found.reported + unfinished >= least and (found.status == 1 or unfinished >= least)
    if silent and not is_told:
        faults.append(f"touched and not there, verify reports {found.reported} with status "
                      f"{found.status}: {name(silent, known)}")
    if not harm.is_any and (found.status != 0 or found.reported):
        faults.append(f"nothing was harmed, verify reports {found.reported} with status "
                      f"{found.status}")
    if sorted(found.listed) != sorted(row[0] for row in found.rows):
        faults.append(f"ls shows {len(found.listed)} whole messages, export gives "
                      f"{len(found.rows)}")
    if found.python_error:
        faults.append(f"the Python reader: {found.python_error}")
    elif sorted(found.python_rows) != sorted(found.rows):
        faults.append(f"the Python reader gives {len(found.python_rows)} whole messages, the tool "
                      f"{len(found.rows)}, or others")
    return faults
