#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# format.sh: every .c and .h is as clang-format -i leaves it. Skips (77) without clang-format.
set -eu
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || { echo "no clang-format here"; exit 77; }
find engine perf proto spool tests tls tools \( -name '*.c' -o -name '*.h' \) -print0 2>/dev/null |
    xargs -0 -r clang-format --dry-run -Werror
