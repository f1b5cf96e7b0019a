# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about how files relate: includes, tests beside sources, build files, README maps."""
import os
import re
import subprocess
import tempfile

from tree import FOLDERS, Finding

# Who may include whose headers, beside its own: design "the parts and who may use whom".
MAY_INCLUDE = {
    "proto": (), "tls": (), "spool": (),
    "engine": ("proto", "tls", "spool"),
    "tools": ("spool",),
    "perf": FOLDERS, "tests": FOLDERS,
}
# Library header: the files or folders that may include it.
LIBRARIES = {
    "liburing.h": ("engine/io_uring.c", "engine/uring_setup.c",
                   "engine/uring_compat.h", "tests/ring/", "perf/"),
    "wolfssl/": ("tls/tls_wolfssl.c",),
    "libconfig.h": ("engine/config", "tests/engine/"),
    "jansson.h": ("tools/", "perf/", "engine/admin"),
    "xxhash.h": ("spool/", "tests/", "perf/"),
    "CUnit/": ("tests/",),
}
ISO_C = {"assert.h", "limits.h", "stdalign.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h",
         "string.h", "immintrin.h", "emmintrin.h", "arm_neon.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
# Files that may see another folder's private headers, and why.
INSIDERS = {
    # Recovery at the start: the spool's inside, with the system calls that only engine has.
    "engine/spooldir": "spool",
    # The segment's part of spool.meta.
    "engine/segment.c": "spool",
}
MIRRORED = ("proto", "tls", "spool", "engine", "tools", "perf")


def check_project_include(tree, file, name):
    """A finding's text, or None: may `file` include the project's header `name`?"""
    own = file.path.split("/")[0]
    if "/" not in name:
        here = os.path.join(file.folder, name)
        return None if tree.has(here) else f'"{name}" is not in this folder; write "folder/{name}"'
    other = name.split("/")[0]
    if not tree.has(name):
        return f'"{name}" is missing'
    if other == own:
        return None
    if other not in MAY_INCLUDE[own]:
        return f"{own} may not use {other}"
    is_public = os.path.basename(name).startswith("rp_")
    is_insider = any(file.path.startswith(start) and other == INSIDERS[start]
                     for start in INSIDERS)
    if not is_public and not is_insider and own not in ("tests", "perf"):
        return f"{name} is private to {other}; only rp_*.h is public"
    return None


def includes(tree):
    """Folders use only those below them; each library is seen by few files."""
    for file in tree.c_files(*MAY_INCLUDE):
        for match in INCLUDE.finditer(file.text):
            quote, name = match.groups()
            line = file.line_of(match.start(2))
            if quote == '"':
                text = check_project_include(tree, file, name)
                if text:
                    yield Finding(file.path, line, text)
                continue
            if file.path.startswith("proto/") and name not in ISO_C:
                yield Finding(file.path, line, f"<{name}> in proto; only ISO C and intrinsics")
            for library, users in LIBRARIES.items():
                if name.startswith(library) and not file.path.startswith(users):
                    yield Finding(file.path, line, f"<{name}> belongs to {', '.join(users)}")


def headers(tree):
    """Every header compiles alone."""
    compiler = os.environ.get("CC", "cc").split()
    with tempfile.TemporaryDirectory() as work:
        for file in tree.c_files():
            if file.ext != ".h":
                continue
            in_proto = file.path.startswith("proto/")
            source = os.path.join(work, "alone.c")
            with open(source, "w", encoding="utf-8") as stream:
                stream.write(f'#include "{file.path}"\ntypedef int not_empty;\n')
            flags = ["-std=c17"] if in_proto else ["-std=gnu17", "-D_GNU_SOURCE"]
            build = subprocess.run(
                compiler + flags + ["-fsyntax-only", "-Wall", "-Wextra", '-DRP_VERSION="0"',
                                    "-Wno-unused-function", f"-I{tree.root}",
                                    f"-I{os.path.join(tree.root, file.folder)}", source],
                capture_output=True, text=True, check=False)
            if build.returncode:
                error = next((line for line in build.stderr.splitlines() if "error" in line), "")
                yield Finding(file.path, 1, f"does not compile alone: {error.strip()}")


def read_mirror(tree):
    """{source: test} of tests/tidy/mirror, for sources whose test has another name."""
    pairs = {}
    for line in tree.files["tests/tidy/mirror"].lines:
        words = line.partition("#")[0].split()
        if words:
            pairs[words[0]] = words[1]
    return pairs


def mirror(tree):
    """A test beside every source: tests/FOLDER/test_STEM.c or .py, or as tests/tidy/mirror says."""
    pairs = read_mirror(tree)
    for source, test in pairs.items():
        for path in (source, test):
            if not tree.has(path):
                yield Finding("tests/tidy/mirror", 1, f"{path} is missing")
    for file in tree.c_files(*MIRRORED):
        if file.ext != ".c" or file.path in pairs:
            continue
        wanted = f"tests/{file.folder}/test_{file.stem}"
        if not any(tree.has(wanted + ext) for ext in (".c", ".py")):
            yield Finding(file.path, 1,
                          f"no test: {wanted}.c (or .py, or a line in tests/tidy/mirror)")


def built(tree):
    """Every C file and every test stands in a meson.build."""
    strings = {}
    for file in tree:
        if file.name == "meson.build":
            strings[file.folder] = set(re.findall(r"'([^'\n]*)'", file.text))
    everywhere = set().union(*strings.values()) if strings else set()
    for file in tree:
        # Listed one by one; not by a pattern.
        is_test = file.path.startswith("tests/") and file.ext in (".c", ".py") and \
            file.name.startswith("test_")
        if not (is_test or file.ext == ".c"):
            continue
        own = strings.get(file.folder, set())
        stem = file.stem.removeprefix("test_").removeprefix("fuzz_")
        if not ({file.name, file.stem, stem} & own or
                any(text.endswith(file.path) for text in everywhere)):
            yield Finding(file.path, 1, "is in no meson.build; add it to its folder's list")


NAME = re.compile(r"(?<![\w/.-])((?:[\w-]+/)*[\w.-]*\w)\.(\[ch\]|(?:[ch]|py|sh)\b)")


def mentioned(text):
    """Source names in a README; name.[ch] counts as two."""
    names = set()
    for match in NAME.finditer(text):
        for ext in ("c", "h") if match.group(2) == "[ch]" else (match.group(2),):
            names.add(f"{match.group(1)}.{ext}")
    return names


def readmes(tree):
    """A folder with sources has a README.md whose map names each of them, and nothing else."""
    folders = {}
    for file in tree:
        if file.is_c() or file.ext == ".py":
            folders.setdefault(file.folder, []).append(file)
    for folder, files in sorted(folders.items()):
        in_tests = folder.startswith("tests")
        paths = [f"{folder}/README.md"] + (["tests/README.md"] if in_tests else [])
        readme = next((tree.files[path] for path in paths if path in tree.files), None)
        if readme is None:
            yield Finding(folder, 1, "has sources but no README.md with a map of them")
            continue
        names = {os.path.basename(name) for name in mentioned(readme.text)}
        for file in files:
            # A test is found by its name: the mirror rule.
            if file.name not in names and not (in_tests and file.name.startswith("test_")):
                yield Finding(readme.path, 1, f"{file.path} is missing on the map")
    yield from missing_files(tree)


def missing_files(tree):
    """Files that a README names and that are not there."""
    everywhere = {file.name for file in tree}
    for file in tree:
        if file.name != "README.md":
            continue
        for name in sorted(mentioned(file.text)):
            at_hand = tree.has(os.path.join(file.folder, name)) or tree.has(name)
            if not at_hand and not ("/" not in name and name in everywhere):
                line = next((number for number, text in enumerate(file.lines, 1)
                             if name.rpartition(".")[0] in text), 1)
                yield Finding(file.path, line, f"{name} is not there")


RULES = {rule.__name__: rule for rule in (includes, headers, mirror, built, readmes)}
