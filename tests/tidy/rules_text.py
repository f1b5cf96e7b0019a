# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for any text file: blanks, width, length, licence line, open ends."""
import re

from tree import Finding

WIDTH_MAX = 100
LINES_MAX = {".c": 800, ".h": 250, ".py": 800}
TEST_HEADER_LINES_MAX = 500  # A header of tests/ may hold the helpers' code.
TABLE_ROW = re.compile(r"\s*\{|.*\},?$")
NO_TEXT = (".eml", ".bin", ".seg", ".idx", ".body", ".meta")
VERBATIM = ("LICENSE", "LICENSE.BSD-2-Clause")

BSD, GPL = "BSD-2-Clause", "GPL-3.0-or-later"
# The spool reader library: anybody may link it, so nothing of it may be GPL.
READER_VARIABLE = re.compile(r"spool_reader_sources\s*=\s*files\(([^)]*)\)")


def text_files(tree):
    for file in tree:
        if b"\0" not in file.octets and file.ext not in NO_TEXT and file.name not in VERBATIM:
            yield file


def blanks(tree):
    """No tabs, no trailing blanks, LF line ends, a newline at the end."""
    for file in text_files(tree):
        for number, line in enumerate(file.text.split("\n"), 1):
            if "\t" in line and file.name != "Makefile":
                yield Finding(file.path, number, "a tab; indent with spaces")
            if line != line.rstrip():
                yield Finding(file.path, number, "blanks (or CR) at the end of the line")
        if file.octets and not file.octets.endswith(b"\n"):
            yield Finding(file.path, len(file.lines), "no newline at the end of the file")


def width(tree):
    """At most 100 columns; rows of tables and what is fenced excepted."""
    for file in text_files(tree):
        for number, line in enumerate(file.lines, 1):
            if len(line) <= WIDTH_MAX or number in file.fenced:
                continue
            if file.ext == ".md" and (line.lstrip().startswith("|") or "](" in line):
                continue
            # The blanks that align the columns of a table do not count.
            if file.is_c() and TABLE_ROW.match(line) and \
                    len(re.sub(r" {2,}", " ", line)) <= WIDTH_MAX:
                continue
            yield Finding(file.path, number, f"{len(line)} columns; at most {WIDTH_MAX}")


def length(tree):
    """Sources of at most 800 lines, headers of 250 (500 in tests)."""
    for file in text_files(tree):
        limit = LINES_MAX.get(file.ext)
        if file.ext == ".h" and file.path.startswith("tests/"):
            limit = TEST_HEADER_LINES_MAX
        if limit and len(file.lines) > limit:
            yield Finding(file.path, limit, f"{len(file.lines)} lines; split it: at most {limit}")


def open_ends(tree):
    """No notes of unfinished work: open an issue instead."""
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for file in text_files(tree):
        if file.path.startswith("tests/tidy/") or file.name == "CONTRIBUTING.md":
            continue
        for number, line in enumerate(file.lines, 1):
            match = words.search(line)
            if match:
                yield Finding(file.path, number, f"{match.group()}; finish it or open an issue")


def spdx(tree):
    """A licence line in every source; BSD-2-Clause where others may link."""
    pattern = re.compile(r"SPDX-License-Identifier: (\S+)")
    build = tree.files.get("spool/meson.build")
    listed = READER_VARIABLE.search(build.text) if build else None
    names = re.findall(r"'([^']+)'", listed.group(1)) if listed else []
    reader = {"spool/" + name for name in names}
    for file in text_files(tree):
        if not (file.is_c() or file.ext in (".py", ".sh", ".1", ".5") or file.is_script()):
            continue
        match = pattern.search("\n".join(file.lines[:2]))
        if not match or match.group(1) not in (BSD, GPL):
            yield Finding(file.path, 1, f"no SPDX line in the first two: {GPL}, or {BSD}")
            continue
        is_public = file.ext == ".h" and file.name.startswith("rp_")
        if (is_public or file.path in reader) and match.group(1) != BSD:
            yield Finding(file.path, 1, f"{match.group(1)}; others link this: {BSD}")


RULES = {rule.__name__: rule for rule in (blanks, width, length, open_ends, spdx)}
