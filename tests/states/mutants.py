#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can `states` fail? Break the spool's code in one place after the other: each must be seen.

    mutants.py SOURCE_ROOT [NAME...]     builds in a directory of its own, with $CC or cc

Exit status 1: a mutant was not seen (or its place is not in the source any more).
"""
import os
import subprocess
import sys
import tempfile

# Each mutant is looked for in so many states at most; most are seen in the first thousands.
STATES = "30000"
RUN_SECONDS = 900

# Name, source, what stands there, what the mutant has.
MUTANTS = [
    ("every last batch is complete", "recover.c",
     "    if (is_proven || !is_unfinished(source, last)) {", "    if (true) {"),
    ("every last batch is unfinished", "recover.c",
     "    if (is_proven || !is_unfinished(source, last)) {", "    if (is_proven) {"),
    ("a proof within a batch is its own", "recover.c",
     "source->proven >= wanted ||", "source->proven > first ||"),
    ("what cannot be read is zeros", "recover.c",
     "        if (source->is_unreadable[off / RP_SPOOL_BLOCK]) {", "        if (false) {"),
    ("zero sectors are not counted", "recover.c",
     "    return count;\n}", "    return count * 0;\n}"),
    ("BEGIN is not looked for", "recover.c",
     "        return mark_is_missing(source, batch->off);", "        return false;"),
    ("marks are not looked at", "recover.c",
     "    return kind == RP_FORMAT_MARK_NONE ? NOTHING", "    return kind >= 0 ? NOTHING"),
    ("a mark alone says nothing of the segment", "recover.c",
     "    count_entries(&building);\n",
     "    count_entries(&building);\n    if (result_out->count == 0) {\n"
     "        result_out->first_sequence = source->first_sequence;\n    }\n"),
    ("whole records behind a gap are cut", "recover.c",
     "[SEARCHING] = {STOP,  STEP,   SUSPECT, CLOSE,    CLOSE,     CLOSE,     CLOSE, ",
     "[SEARCHING] = {STOP,  STEP,   SUSPECT, CLOSE,    CLOSE,     STOP,      STOP, "),
    ("void is not void", "recover.c", "    if (sequence >= source->limit) {", "    if (false) {"),
    ("a body's hash is not looked at", "recover.c",
     "    return record->body_hash == rp_format_hash(", "    return 0 != rp_format_hash("),
    ("a file that was cut is none", "recover.c",
     "    } else if (source->len < source->file_size) {", "    } else if (false) {"),
    ("the tail is not looked at", "recover.c",
     "is_open ? RP_RECOVER_TAIL_DAMAGED : look_at_place(source, end);", "RP_RECOVER_TAIL_NONE;"),
    ("every tail is damage", "recover.c",
     "    return mark_is_missing(source, place) ? RP_RECOVER_TAIL_UNFINISHED",
     "    return false ? RP_RECOVER_TAIL_UNFINISHED"),
    ("no size without a header", "survey.c",
     "segment->size > 0 ? segment->size : RP_SPOOL_SEGMENT_MIN,", "segment->size,"),
    ("a later header proves nothing", "survey.c",
     "            bounds->proven = bounds->limit - next.skipped;",
     "            bounds->proven = 0;"),
    ("no proof is asked", "survey.c", "    source.proven = bounds->proven;\n", ""),
    ("a tail proves nothing", "survey.c", "        .proven = lane->proven,\n",
     "        .proven = 0,\n"),
    ("a headless segment says nothing", "survey.c",
     "        } else if (probe_too && fd >= 0) {", "        } else if (probe_too && fd < 0) {"),
    ("nothing is missing", "reader_problem.c",
     "    if (first <= search->expected) {", "    if (true) {"),
    ("what was skipped is missing", "reader_problem.c",
     "has_skipped ? end - search->skipped : end", "end + 1"),
    ("no block is unreadable", "reader_file.c",
     "            image->is_unreadable[at / RP_SPOOL_BLOCK] = true;\n", ""),
    ("zero sectors are not told", "batch.c",
     "            batch->zero_sectors += batch->is_zero_so_far;", "            (void)0;"),
    ("zero sectors are told without need", "batch.c",
     "        .zero_sectors = batch->zero_sectors,",
     "        .zero_sectors = batch->zero_sectors + 1,"),
]
WRAPPED = ["open64", "openat64", "fstat64", "fstatat64", "pread64", "close", "fcntl64", "mmap64",
           "munmap", "madvise", "fdopendir", "readdir64", "closedir"]


class Builder:
    """Compiles the program from sources, of which one may be another."""

    def __init__(self, root, work):
        self.root, self.work = root, work
        self.compiler = os.environ.get("CC", "cc").split()
        self.objects = {}
        for folder in ("spool", "tests/states"):
            for name in sorted(os.listdir(os.path.join(root, folder))):
                if name.endswith(".c"):
                    source = os.path.join(root, folder, name)
                    self.objects[name] = self.compile(source, name, os.path.dirname(source))

    def compile(self, source, name, folder):
        target = os.path.join(self.work, name + ".o")
        subprocess.run(self.compiler + [
            "-std=gnu17", "-O2", "-w", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", f"-I{self.root}",
            f"-I{folder}", "-c", source, "-o", target], check=True)
        return target

    def link(self, objects):
        program = os.path.join(self.work, "states")
        wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
        subprocess.run(self.compiler + list(objects.values()) + wraps +
                       ["-o", program, "-lxxhash"], check=True)
        return program

    def build_mutant(self, name, old, new):
        """The program with one place changed, or None: it is not there exactly once."""
        with open(os.path.join(self.root, "spool", name), encoding="utf-8") as stream:
            text = stream.read()
        if text.count(old) != 1:
            return None
        source = os.path.join(self.work, "mutant_" + name)
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(text.replace(old, new))
        objects = dict(self.objects)
        objects[name] = self.compile(source, "mutant_" + name, os.path.join(self.root, "spool"))
        return self.link(objects)


def run(program, states):
    """What the program says last, and its status."""
    done = subprocess.run([program, "--states", states], capture_output=True, text=True,
                          check=False, timeout=RUN_SECONDS)
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    return done.returncode, lines[0].strip() if lines else done.stderr.strip()[-100:]


def main(root, wanted):
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        builder = Builder(root, work)
        for name, source, old, new in MUTANTS:
            if wanted and name not in wanted:
                continue
            program = builder.build_mutant(source, old, new)
            if program is None:
                print(f"not ok: {name}: its place is not in spool/{source}", flush=True)
                failed += 1
                continue
            status, text = run(program, STATES)
            seen = status != 0
            print(f"{'ok' if seen else 'not ok'}: {name}: {text if seen else 'not seen'}",
                  flush=True)
            failed += not seen
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
