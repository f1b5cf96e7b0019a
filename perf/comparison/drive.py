# SPDX-License-Identifier: GPL-3.0-or-later
"""One turn: ringpost-load against one server, and what was seen of both."""
import contextlib
import json
import os
import subprocess
import tempfile
import time

import comparison.account as account
import comparison.interrupt as interrupt

PATIENCE_S = 60  # beyond the time asked for, until a turn is given up
SAMPLE_AT = 0.7  # of the timed part: where the memory of many processes is looked at


def command(options, process, workload, warmup_s, json_path, rate):
    words = ["taskset", "-c", str(options.load_core), options.load,
             f"127.0.0.1:{process.port}",
             "--connections", str(workload.connections), "--size", str(workload.size),
             "--duration", f"{options.duration:g}s", "--workers", "1", "--quiet",
             "--json", json_path, "--plain" if workload.mode == "plain" else "--pipelining"]
    if rate:
        words += ["--rate", f"{rate:.0f}"]
    if warmup_s:
        words += ["--warmup", f"{warmup_s:g}s"]
    if process.account.cpu_stat:
        words += ["--cpu-stat", process.account.cpu_stat]
    return words


def wait(popen, limit_s, at_s=None, call=None):
    """Until the program ends, at most limit_s; `call` once after at_s. False: it was killed."""
    start = time.monotonic()
    while popen.poll() is None:
        passed = time.monotonic() - start
        if call and passed >= at_s:
            call()
            call = None
        if passed > limit_s:
            popen.kill()
            popen.wait()
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(0.02)
    return True


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def summarize(report, cpu_s):
    """What of the load's report counts here; None: nothing was accepted."""
    accepted = report.get("accepted", 0)
    errors = report.get("errors", {})
    run = {
        "accepted": accepted,
        "refused": report.get("refused", 0),
        "errors": {kind: count for kind, count in errors.items() if count}
                  if isinstance(errors, dict) else {"errors": errors} if errors else {},
    }
    if not accepted:
        return run
    latency = report.get("latency_us", {}).get("message", {})
    run["messages_per_s"] = report.get("messages_per_s")
    # How much of its core the load took: near 1 it was the load that ended the rate.
    run["load_share"] = (report.get("client_cpu_s") or 0) / (report.get("seconds") or 1)
    for key, name in (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99_9")):
        run[key] = latency.get(name)
    if "rate" in report:
        run["asked_per_s"] = report["rate"]
        # Of those that were due: where many were never begun the latency tells of the run's
        # length, not of the server.
        due = accepted + run["refused"] + sum(run["errors"].values()) + report["never_sent"]
        run["kept_share"] = accepted / due
    cpu_us = report.get("server_cpu_us_per_message")
    # Without a cgroup: all that the server did, connections included, by its messages.
    run["cpu_us"] = cpu_us if cpu_us is not None else cpu_s * 1e6 / accepted
    return run


def turn(options, process, workload, wants_memory, rate=None):
    """A dict of figures; "failure" where there are none. `rate`: messages/s of an open loop."""
    counter = process.account
    # What is counted by /proc is counted from the first octet: so nothing may be left out.
    warmup_s = options.warmup if counter.cpu_stat else 0
    memory = {}

    def sample():
        pids = counter.pids()
        if len(pids) > account.FEW:
            memory.update(rss_mib=account.shared_mib(pids), rss_how="pss", processes=len(pids))

    if wants_memory:
        account.reset_peak(counter.pids())
    path = os.path.join(process.folder, "load.json")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of the turn before
    before_s = counter.cpu_s()
    with tempfile.TemporaryFile() as errors:
        popen = None
        try:
            with interrupt.hold():
                popen = subprocess.Popen(command(options, process, workload, warmup_s, path,
                                                 rate),
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=errors)
            is_in_time = wait(popen, warmup_s + options.duration + PATIENCE_S,
                              warmup_s + options.duration * SAMPLE_AT,
                              sample if wants_memory else None)
        finally:
            if popen is not None and popen.poll() is None:
                popen.kill()
                popen.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()
    cpu_s = process.settle() - before_s
    report = read_json(path)
    if report is None:
        return {"failure": said[-1] if said else
                "no result" if is_in_time else f"no end after {PATIENCE_S} s"}
    run = summarize(report, cpu_s)
    if wants_memory:
        pids = counter.pids()
        if not memory and pids:
            memory.update(rss_mib=account.peak_mib(pids), rss_how="peak", processes=len(pids))
        run.update(memory)
    return run
