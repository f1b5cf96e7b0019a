#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh FUZZER CORPUS FOUND SECONDS: libFuzzer from the seed corpus; new inputs go to FOUND.
set -eu
fuzzer=$1 corpus=$2 found=$3 seconds=$4
mkdir -p "$found"
cd "$found"
exec "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -print_final_stats=1 -artifact_prefix="$found/" "$found" "$corpus"
