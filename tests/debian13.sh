#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# debian13.sh DIR: tools/test --quick on a copy of this tree in Debian 13.
#
# DIR/root is a Debian 13 of its own, made by debootstrap from the mirror that this
# machine's apt uses and kept for the next run (2 GB; delete DIR to begin anew). DIR
# gets the results as meson's build directories have them, for summary.py.
# Skips (77) with its reason where Debian 13 cannot be had; else 0, whatever the tests
# found: no results are a failed build. Needs root. What it mounts and starts is in
# namespaces of its own, and gone with it however it ends.
set -euo pipefail
suite=trixie

skip() {
    echo "debian13: skipped: $*"
    exit 77
}

if [ "${1-}" != --inside ]; then
    [ $# -eq 1 ] || { echo "usage: debian13.sh DIR" >&2; exit 2; }
    [ "$(id -u)" -eq 0 ] || skip "not root"
    for program in debootstrap unshare apt-config apt-get; do
        command -v "$program" >/dev/null || skip "no $program here"
    done
    mkdir -p "$1/meson-logs"
    rm -f "$1"/meson-logs/*
    problem=$(unshare --mount --pid --fork --mount-proc true 2>&1) ||
        skip "no namespaces here: $problem"
    exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        "${BASH_SOURCE[0]}" --inside "$1"
fi
# The first process of its namespace gets only the signals that it has a handler for.
trap 'exit 130' INT TERM

dir=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$dir/root

# The mirror from which this machine has its own release.
find_mirror() {
    local codename
    codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || return 0
    apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
        awk -v release="$codename" \
            '$1 == "Packages" && $2 == release && $3 == "main" && !found++ { print $4 }'
}

# How this machine's apt reaches it, for debootstrap and for the apt there.
http_proxy=${http_proxy-}
https_proxy=${https_proxy-}
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?::|Check-)' || true
}

make_root() {
    local mirror
    mirror=$(find_mirror)
    [ -n "$mirror" ] || skip "apt knows no mirror of Debian here"
    echo "debian13: debootstrap $suite from apt's mirror"
    rm -rf "$root.new"
    if ! debootstrap --variant=minbase --include=ca-certificates "$suite" "$root.new" "$mirror" \
        >"$dir/debootstrap.log" 2>&1; then
        tail -n 20 "$dir/debootstrap.log"
        skip "debootstrap $suite failed: $(tail -n 1 "$dir/debootstrap.log")"
    fi
    mv "$root.new" "$root"
}

[ -d "$root" ] || make_root
apt_settings >"$root/etc/apt/apt.conf.d/90host"
cp /etc/hosts /etc/resolv.conf "$root/etc/"
rm -rf "$root/ringpost"
mkdir "$root/ringpost"
tar -c --exclude='./build*' --exclude=./.git --exclude=./var . | tar -x -C "$root/ringpost"

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
in_root() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}
in_root dpkg --configure -a # what a run that was interrupted left half done
# In the background: a trap waits for what runs in front, and apt does not stop for Ctrl-C.
# As a job of its own, else its programs would have SIGINT ignored.
set -m
in_root /ringpost/tools/test --quick &
wait "$!" || true
cp "$root"/ringpost/build/meson-logs/testlog.* "$dir/meson-logs/" ||
    echo "debian13: the build there failed, or its packages could not be installed"
