# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about C read as text: banned names, function length, switches, symbol names."""
import ast
import re
import subprocess
import os

from tree import Finding

FUNCTION_LINES_MAX = 70

# Name: what to use instead.
BANNED = {
    "strcpy": "memcpy with a checked length", "strncpy": "memcpy with a checked length",
    "strcat": "snprintf", "strncat": "snprintf", "sprintf": "snprintf", "vsprintf": "vsnprintf",
    "strtok": "memchr on a span", "strtok_r": "memchr on a span", "gets": "fgets or read",
    "atoi": "a parser that reports errors", "atol": "a parser that reports errors",
    "atoll": "a parser that reports errors", "atof": "a parser that reports errors",
    "rand": "a seeded generator of the test's own", "srand": "a seeded generator",
    "random": "a seeded generator of the test's own", "localtime": "gmtime_r",
    "localtime_r": "gmtime_r: UTC everywhere", "gmtime": "gmtime_r", "ctime": "gmtime_r",
    "asctime": "strftime", "system": "posix_spawn", "popen": "posix_spawn",
    "signal": "sigaction or signalfd", "select": "poll or the ring", "alloca": "a fixed buffer",
    "tmpnam": "mkstemp", "mktemp": "mkstemp", "bzero": "memset", "usleep": "nanosleep",
    "setjmp": "a return value", "longjmp": "a return value",
}
# The number parsers that wrap these check range and end.
NUMBERS = ("strtol", "strtoul", "strtoll", "strtoull", "strtod", "strtof", "sscanf")
NUMBER_WRAPPERS = ("engine/config_value.c", "tools/options.c", "tests/")
# proto is pure: no clock, no memory of its own, no errno.
BANNED_IN_PROTO = ("time", "clock", "clock_gettime", "gettimeofday", "malloc", "calloc", "realloc",
                   "free", "errno", "printf", "fprintf", "getenv", "open", "read", "write")

# Files whose functions may be named otherwise, and how they begin. Each has a reason.
NAMES = {
    # The implementations of the seam engine/io.h: chosen at link time.
    "engine/io_uring.c": ("rp_io_",),
    "tests/sim/sim_io.c": ("rp_io_",),
    # One contract, rp_spool_writer.h: batches, and the items and hashes of their records.
    "spool/writer.c": ("rp_spool_",),
    # Blocks and slices are what a message is made of.
    "engine/message.c": ("rp_block_", "rp_slice_", "rp_slices_"),
}
# The same for types, which share a header with what they are parts of.
TYPES = {
    "engine/message.h": ("block", "slice", "slices"),
    # What the files cmd_*.c share.
    "proto/smtp_verb.h": ("cmd",),
}


def banned(tree):
    """No function that cannot be used safely."""
    call = re.compile(r"(?<![\w.>])(\w+)\s*\(")
    for file in tree.c_files():
        in_proto = file.path.startswith("proto/")
        for number, line in enumerate(file.code_lines, 1):
            for match in call.finditer(line):
                name = match.group(1)
                if name in BANNED:
                    yield Finding(file.path, number, f"{name}; use {BANNED[name]}")
                elif name in NUMBERS and not file.path.startswith(NUMBER_WRAPPERS):
                    yield Finding(file.path, number,
                                  f"{name}; use the wrapper that checks range and end")
                elif in_proto and name in BANNED_IN_PROTO:
                    yield Finding(file.path, number,
                                  f"{name}; proto is pure: leave it to the engine")


def side_effects(tree):
    """No assert that does something: it must be possible to read past it."""
    effect = re.compile(r"\bassert\s*\((.*)\)\s*;")
    for file in tree.c_files():
        for number, line in enumerate(file.code_lines, 1):
            match = effect.search(line)
            if match and re.search(r"\+\+|--|(?<![=!<>])=(?!=)", match.group(1)):
                yield Finding(file.path, number, "an assert with a side effect; do it before")


def functions(tree):
    """Function bodies of at most 70 lines."""
    for file in tree.c_files():
        for name, number, lines, _ in file.functions:
            if lines > FUNCTION_LINES_MAX and number not in file.fenced:
                yield Finding(file.path, number,
                              f"{name} has {lines} lines; split it: at most {FUNCTION_LINES_MAX}")


def block_end(code, start):
    """Offset behind the brace that closes the first one opened after `start`."""
    depth, at = 0, code.find("{", start)
    while 0 <= at < len(code):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        at += 1
        if depth == 0:
            return at
    return len(code)


def switches(tree):
    """No `default:` in a switch over an enum of ours: -Wswitch must see a missing case."""
    for file in tree.c_files():
        for match in re.finditer(r"\bswitch\s*\(", file.code):
            body = file.code[match.end():block_end(file.code, match.end())]
            nested = body.find("switch")
            own = body if nested < 0 else body[:nested]
            if re.search(r"\bcase RP_[A-Z]", own) and re.search(r"\bdefault\s*:", own):
                yield Finding(file.path, file.line_of(match.start()),
                              "default: over an enum of ours; list the cases")


def name_starts(tree, file):
    """How the exported functions of a source may begin.

    By its own stem; or, for a part like conn_out.c, by that of a header it is a part
    of (conn.h). The folder's word may stand in between, and the stem in the plural.
    """
    stem = file.stem.removeprefix("tls_") if file.folder == "tls" else file.stem
    stems = {stem}
    for header in tree.c_files(file.folder):
        whole = header.stem.removeprefix("rp_").removeprefix(file.folder + "_")
        if header.ext == ".h" and stem.startswith(whole + "_"):
            stems.add(whole)
    starts = list(NAMES.get(file.path, ()))
    for stem in sorted(stems, key=len):
        starts += [f"rp_{stem}_", f"rp_{stem}s_", f"rp_{file.folder}_{stem}_"]
    return tuple(starts)


def symbols(tree):
    """An exported function is named after the file that defines it."""
    for file in tree.c_files("proto", "tls", "spool", "engine", "tools"):
        if file.ext != ".c":
            continue
        starts = name_starts(tree, file)
        for name, number, _, is_static in file.functions:
            if not is_static and name != "main" and not (name + "_").startswith(starts):
                yield Finding(file.path, number,
                              f"{name} is exported from {file.name}; begin it with {starts[0]}")


def types(tree):
    """A struct or enum of a header shares its first word with the header's name."""
    tag = re.compile(r"^(?:struct|enum|union) (\w+) \{", re.MULTILINE)
    for file in tree.c_files("proto", "tls", "spool", "engine", "tools"):
        if file.ext != ".h":
            continue
        stem = file.stem.removeprefix("rp_")
        words = (stem.split("_")[0], file.path.split("/")[0]) + TYPES.get(file.path, ())
        for match in tag.finditer(file.code):
            name = match.group(1)
            word = name.split("_")[1] if name.startswith("rp_") and "_" in name else ""
            # "bufs" and "buf" are fine in bufpool.h.
            if not word or not any(word.rstrip("s") == known or known.startswith(word)
                                   for known in words):
                yield Finding(file.path, file.line_of(match.start()),
                              f"{name}; begin it with rp_{stem.split('_')[0]}")


def scripts(tree):
    """Python parses; shell scripts pass their shell's -n."""
    for file in tree:
        if file.ext == ".py" or (file.is_script() and "python" in file.lines[0]):
            try:
                ast.parse(file.text, file.path)
            except SyntaxError as error:
                yield Finding(file.path, error.lineno or 1, f"{error.msg}")
        elif file.is_script() or file.ext == ".sh":
            shell = "bash" if "bash" in file.lines[0] else "sh"
            check = subprocess.run([shell, "-n", os.path.join(tree.root, file.path)],
                                   capture_output=True, text=True, check=False)
            if check.returncode:
                yield Finding(file.path, 1, check.stderr.strip())


RULES = {rule.__name__: rule
         for rule in (banned, side_effects, functions, switches, symbols, types, scripts)}
