# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules look at: the project's files, read once."""
import collections
import functools
import os
import re

Finding = collections.namedtuple("Finding", "path line text")

SKIPPED_FOLDERS = (".git", "var", "__pycache__", "subprojects", "corpus", "golden", "results")
FOLDERS = ("proto", "tls", "spool", "engine", "tools", "perf", "tests", "packaging")

# Comments, strings and character constants of C. A raw newline in them is kept.
C_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(match):
    """What a comment or string is replaced by: blanks, line ends and its quotes."""
    text = match.group()
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


class File:
    """One text file; `code` is its C text with comments and strings blanked."""

    def __init__(self, root, path):
        self.path = path
        self.folder, self.name = os.path.split(path)
        self.stem, self.ext = os.path.splitext(self.name)
        with open(os.path.join(root, path), "rb") as stream:
            self.octets = stream.read()
        self.text = self.octets.decode("utf-8", "replace")
        self.lines = self.text.splitlines()

    @functools.cached_property
    def code(self):
        return C_TOKEN.sub(blank, self.text)

    @functools.cached_property
    def code_lines(self):
        return self.code.splitlines()

    @functools.cached_property
    def fenced(self):
        """Numbers of the lines between "clang-format off" and "clang-format on"."""
        numbers, inside = set(), False
        for number, line in enumerate(self.lines, 1):
            if line.strip() == "/* clang-format off */":
                inside = True
            if inside:
                numbers.add(number)
            if line.strip() == "/* clang-format on */":
                inside = False
        return numbers

    @functools.cached_property
    def functions(self):
        """(name, line, length of its body, is_static) of each, as clang-format lays them out."""
        found, head = [], []
        start = None
        for number, line in enumerate(self.code_lines, 1):
            if start is None and line == "{":
                signature = " ".join(part for _, part in head)
                match = re.search(r"(\w+)\s*\(", signature)
                if match and "=" not in signature[:match.end()]:
                    start = (match.group(1), head[0][0], number,
                             bool(re.search(r"\bstatic\b|\b[A-Z_]*INLINE\b", signature)))
                else:
                    start = (None, number, number, True)
            elif start is not None and line.startswith("}"):
                if start[0]:
                    found.append((start[0], start[1], number - start[2] - 1, start[3]))
                start, head = None, []
            elif not line.strip() or line.startswith("#") or line.rstrip().endswith((";", "}")):
                head = []
            else:
                head.append((number, line))
        return found

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def is_c(self):
        return self.ext in (".c", ".h")

    def is_script(self):
        return self.text.startswith("#!") and self.ext != ".py"


class Tree:
    """The files of the project by path, relative to its root."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.files = {}
        for folder, folders, names in os.walk(self.root):
            at = os.path.relpath(folder, self.root)
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS
                                and not (at == "." and name.startswith("build")))
            for name in sorted(names):
                path = os.path.normpath(os.path.join(at, name))
                if not name.endswith((".pyc", ".orig", "~")) and \
                        os.path.isfile(os.path.join(folder, name)):
                    self.files[path] = File(self.root, path)

    def __iter__(self):
        return iter(self.files.values())

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def c_files(self, *folders):
        """C sources and headers in these top folders (and below); all without arguments."""
        for file in self:
            if file.is_c() and (not folders or file.path.split("/")[0] in folders):
                yield file
