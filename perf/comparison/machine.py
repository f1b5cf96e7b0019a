# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result must say besides its figures: when, of what, on what."""
import datetime
import json
import os
import platform
import re
import subprocess

import comparison.place as place
import comparison.servers as servers


def output_of(*command):
    """The first line a program prints, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20,
                              stdin=subprocess.DEVNULL, cwd=servers.ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def commit():
    """Of the source tree, and whether something was changed since."""
    name = output_of("git", "rev-parse", "--short=12", "HEAD")
    if name is None:
        return "unknown"
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no")
    return name + (" with changes" if changed else "")


def build_options(build):
    """{"buildtype": ...} of a Meson build directory; empty where it is none."""
    path = os.path.join(build, "meson-info", "intro-buildoptions.json")
    try:
        with open(path, encoding="utf-8") as file:
            options = {row["name"]: row["value"] for row in json.load(file)}
    except (OSError, ValueError):
        return {}
    return {name: options[name] for name in ("buildtype", "optimization", "b_sanitize")
            if name in options}


def complaints(options):
    """What makes the figures of a build worthless, one line each."""
    lines = []
    if options.get("b_sanitize", "none") != "none":
        lines.append(f"the build has sanitizers ({options['b_sanitize']}): figures mean nothing")
    if options.get("optimization") in ("0", "g"):
        lines.append("the build is not optimized: figures mean nothing")
    return lines


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)


def compiler(build):
    """The C compiler of a Meson build directory, or None."""
    try:
        with open(os.path.join(build, "meson-logs", "meson-log.txt"), encoding="utf-8",
                  errors="replace") as file:
            match = re.search(r"^C compiler for the host machine: .*?\((\w+ [\d.]+)", file.read(),
                              re.MULTILINE)
    except OSError:
        return None
    return match.group(1) if match else None


def describe_place(where):
    """The file system the servers' directories are on, in a line."""
    device, kind = place.mount_of(getattr(where, "folder", where.path))
    if isinstance(where, place.Loop):
        return (f"{where.kind} with its journal, on a loop device over a file written in full "
                f"beforehand; below it {kind} on {device}")
    return f"{kind} on {device}, as it is: no journal of one's own, other writers possible"


def facts(options, where, accounting):
    build = build_options(options.build)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "build": ", ".join(f"{name} {value}" for name, value in build.items()) or "unknown",
        "compiler": compiler(options.build) or "unknown",
        "cpu": f"{cpu_model()}, {os.cpu_count()} CPUs, {memory_gib():.0f} GiB",
        "cores": f"server {options.server_core}, load {options.load_core}",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": describe_place(where),
        "accounting": accounting,
        "load": output_of(options.load, "--version") or options.load,
    }


# ---- versions of the servers ----

PACKAGES = {"smtp-sink": "postfix", "postfix": "postfix", "opensmtpd": "opensmtpd",
            "exim": "exim4-daemon-light", "aiosmtpd-sink": "python3-aiosmtpd",
            "aiosmtpd-maildir": "python3-aiosmtpd"}


def unpacked_versions(packages):
    """{package: version} of what perf/peers/get has unpacked."""
    try:
        with open(os.path.join(packages, "versions"), encoding="utf-8") as file:
            return dict(line.split()[:2] for line in file if len(line.split()) >= 2)
    except OSError:
        return {}


def version(server, options):
    """For people; "" where nobody knows."""
    if server.kind in (servers.OURS, servers.FLOOR):
        program = servers.fill(server.command[:1], build=options.build)[0]
        return (output_of(program, "--version") or "").rpartition(" ")[2]
    package = PACKAGES.get(server.name)
    if package:
        unpacked = unpacked_versions(options.packages).get(package)
        return unpacked or output_of("dpkg-query", "-W", "-f", "${Version}", package) or ""
    for name in server.files:
        path = servers.find(os.path.join(name, "package.json"), options.packages)
        if path:
            with open(path, encoding="utf-8") as file:
                return json.load(file).get("version", "")
    return ""
