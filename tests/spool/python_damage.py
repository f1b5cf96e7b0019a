# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage a spool at random, as disks, copies and hands do.

    damage(random.Random(seed), path)

The same seed does the same to the same spool.
"""

import os

from python_spool import BLOCK, digest

SECTOR = 512


def files_of(path):
    return sorted(
        os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names
    )


def patch(path, offset, octets):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(octets)


def used_of(path):
    """Octets up to the last that is not zero."""
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def place_in(choose, path, unit):
    """A multiple of `unit` where something is written, or soon behind that."""
    return choose.randrange(used_of(path) + 2 * BLOCK) // unit * unit


def flip(choose, path):
    at = choose.randrange(used_of(path) + 1)
    with open(path, "rb") as file:
        file.seek(at)
        octet = (file.read(1) or b"\0")[0]
    if at < os.path.getsize(path):
        patch(path, at, bytes([octet ^ 1 << choose.randrange(8)]))


def lose_sectors(choose, path):
    """They were never written."""
    at = place_in(choose, path, SECTOR)
    length = SECTOR * choose.choice((1, 1, 1, 2, 8, 16, 100))
    patch(path, at, bytes(max(0, min(length, os.path.getsize(path) - at))))


def lose_end(choose, path):
    """Nothing from some sector on was written."""
    at = place_in(choose, path, SECTOR)
    patch(path, at, bytes(max(0, os.path.getsize(path) - at)))


def scramble(choose, path):
    at = place_in(choose, path, choose.choice((64, SECTOR, BLOCK)))
    patch(path, at, choose.randbytes(choose.choice((1, 64, SECTOR, BLOCK))))


def move(choose, path):
    """Octets appear where others were written."""
    unit = choose.choice((64, SECTOR, BLOCK))
    at, to = place_in(choose, path, unit), place_in(choose, path, unit)
    with open(path, "rb") as file:
        file.seek(at)
        octets = file.read(unit * choose.choice((1, 1, 2, 8)))
    patch(path, to, octets)


def lose_header(choose, path):
    octets = choose.choice((bytes(64), bytes(128), bytes(BLOCK), b"?" * 128))
    patch(path, 0, octets)


def cut(choose, path):
    os.truncate(path, choose.choice((0, 100, place_in(choose, path, 1))))


def stretch(choose, path):
    with open(path, "ab") as file:
        file.write(choose.choice((bytes(BLOCK), choose.randbytes(100))))


def remove(_, path):
    os.remove(path)


def be_no_file(choose, path):
    os.remove(path)
    if choose.random() < 0.5:
        os.mkdir(path)
    else:
        os.symlink("/dev/zero", path)


def copy_another(choose, path):
    """An older or other file is in its place."""
    other = choose.choice(
        [file for file in files_of(os.path.dirname(path)) if os.path.isfile(file)]
    )
    with open(other, "rb") as file:
        octets = file.read()
    patch(path, 0, octets)


def number_anew(choose, path):
    """The file has the number of a later one, too."""
    name = os.path.basename(path)
    if name.endswith((".seg", ".idx")):
        number = int(name[:16], 16) + choose.randrange(4)
        later = os.path.join(os.path.dirname(path), "%016x%s" % (number, name[16:]))
        if not os.path.exists(later):
            os.rename(path, later)


KINDS = (
    (flip, 12),
    (lose_sectors, 20),
    (lose_end, 6),
    (scramble, 8),
    (move, 6),
    (lose_header, 5),
    (cut, 3),
    (stretch, 2),
    (remove, 6),
    (be_no_file, 2),
    (copy_another, 2),
    (number_anew, 2),
)


def tell_tails(choose, path, identity):
    """A doorbell of another boot, whose tails prove something; some checks are wrong."""
    bell = os.path.join(path, "doorbell")
    if not os.path.isfile(bell) or os.path.getsize(bell) < 16384:
        return
    for lane in range(4):
        if choose.random() < 0.5:
            tail, segment = choose.randrange(30), choose.randrange(1, 4)
            check = tail ^ digest(identity + lane.to_bytes(4, "little"))
            check ^= choose.random() < 0.2
            line = [number.to_bytes(8, "little") for number in (tail, segment, check)]
            patch(bell, 64 + 64 * lane, b"".join(line))


def damage(choose, path, identity):
    kinds, weights = zip(*KINDS)
    if choose.random() < 0.3:
        tell_tails(choose, path, identity)
    for _ in range(choose.choice((1, 1, 2, 3, 5))):
        files = [file for file in files_of(path) if os.path.isfile(file)]
        segments = [file for file in files if file.endswith(".seg")]
        file = choose.choice(segments if segments and choose.random() < 0.7 else files or [""])
        if file and not os.path.islink(file):
            choose.choices(kinds, weights)[0](choose, file)
