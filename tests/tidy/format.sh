#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# format.sh: every .c and .h is as clang-format -i leaves it. Each version lays out some lines
# in its own way: skips (77) where clang-format is another one, or not there.
set -eu
version=14
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || { echo "no clang-format here"; exit 77; }
case $(clang-format --version) in
    *" version $version."*) ;;
    *) echo "skipped: needs clang-format $version, here is $(clang-format --version)"; exit 77 ;;
esac
find engine perf proto spool tests tls tools \( -name '*.c' -o -name '*.h' \) -print0 2>/dev/null |
    xargs -0 -r clang-format --dry-run -Werror
