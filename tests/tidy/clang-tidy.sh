#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# clang-tidy.sh BUILD_DIR: .clang-tidy over every C file of the build, in its flags.
# Slow (minutes): part of tools/test --long. Skips (77) where there is no clang-tidy.
set -eu
build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
command -v clang-tidy >/dev/null || { echo "no clang-tidy here"; exit 77; }

# Each file once, though tests compile some again; gcc's own flags mean nothing to clang.
/usr/bin/python3 - "$build" "$root" <<'END' | sort -u |
import json, os, sys
build, root = map(os.path.realpath, sys.argv[1:])
for entry in json.load(open(os.path.join(build, "compile_commands.json"))):
    path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
    if path.startswith(root + "/") and path.endswith(".c") and not path.startswith(build + "/"):
        print(path)
END
    xargs -P 2 -n 4 clang-tidy --quiet -p "$build" \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-error
