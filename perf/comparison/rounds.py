# SPDX-License-Identifier: GPL-3.0-or-later
"""The rounds: every server takes its turn with every workload, and begins anew in each round."""
import os
import sys
import time

import comparison.drive as drive
import comparison.interrupt as interrupt
import comparison.place as place
import comparison.powercut as powercut
import comparison.process as process
import comparison.results as results_of
import comparison.tables as tables
import comparison.workload as workload_of

PROGRAM = "compare"
FREE_MIN = 0.25   # of the file system: with less than that the servers are started anew
GIVE_UP_AFTER = 2  # turns of a server with a workload that brought no figure


def tell(text):
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


class Progress:
    """What runs, and how long the rest takes by what the turns took so far."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.passed_s = 0.0
        self.start_s = None

    def begin_turn(self):
        self.start_s = time.monotonic()

    def end_turn(self, text):
        self.done += 1
        self.passed_s += time.monotonic() - self.start_s
        left_s = round(max(self.total - self.done, 0) * self.passed_s / self.done)
        left = f"{left_s // 60} min {left_s % 60} s" if left_s >= 60 else f"{left_s} s"
        tell(f"[{self.done}/{self.total}, {left} left] {text}")


def describe(run):
    if "failure" in run:
        return f"FAILED: {run['failure']}"
    if not run.get("accepted"):
        return "FAILED: nothing was accepted"
    text = (f"{tables.number(run['cpu_us'])} µs/message, "
            f"{tables.number(run['messages_per_s'])}/s, "
            f"p99 {tables.milliseconds(run['p99_us'])} ms, "
            f"p99.9 {tables.milliseconds(run['p999_us'])} ms")
    if run["errors"] or run["refused"]:
        text += f"; refused {run['refused']}, errors {run['errors']}"
    return text


class Bench:
    """The rounds. What was measured is in `results`, also when it is cut short."""

    def __init__(self, options, there, skipped, where, cgroup):
        self.options, self.where, self.cgroup = options, where, cgroup
        self.there, self.skipped = list(there), skipped
        self.results = results_of.Results([server.name for server in there], options.workloads)
        self.results.keeps = {server.name: server.keeps for server in there}
        self.progress = Progress(options.rounds * len(options.workloads) * len(there))
        self.up = []
        self.unable = set()  # (server, mode) that EHLO does not offer
        self.failed = {}     # (server, workload): turns without a figure
        self.maxima = {}     # (server, workload): messages/s of its closed loop

    def drop(self, server, why):
        """A server that cannot go on: named like one that is not there."""
        tell(f"{server.name}: {why}")
        self.there.remove(server)
        self.skipped.append({"name": server.name, "why": why, "how": "see its output above"})

    def start(self, server):
        running = process.Process(server, self.options)
        self.up.append(running)  # before it is up: an interruption must find it
        try:
            running.start(self.where.path, self.cgroup, self.options.log_size)
        except (process.Trouble, OSError) as trouble:
            self.up.remove(running)
            self.drop(server, f"did not start: {trouble}")

    def start_all(self):
        for server in list(self.there):
            self.start(server)

    def stop_all(self):
        with interrupt.hold():  # all of them
            while self.up:
                self.up[-1].stop()
                self.up.pop()
        os.sync()

    def is_skipped(self, running, index):
        name, mode = running.server.name, self.options.workloads[index].mode
        if mode == "pipelined" and "PIPELINING" not in running.offers:
            if (name, mode) not in self.unable:
                tell(f"{name}: EHLO does not offer PIPELINING, so it is not asked for that")
            self.unable.add((name, mode))
            return True
        return self.failed.get((name, index), 0) >= GIVE_UP_AFTER

    def make_room(self):
        """Queues grow; before the disk is full all servers are started anew."""
        status = os.statvfs(self.where.path)
        if status.f_bavail < FREE_MIN * status.f_blocks and isinstance(self.where, place.Loop):
            tell("the file system fills up: starting the servers anew")
            self.stop_all()
            self.start_all()

    def rate_of(self, name, index):
        """Messages a second for an open loop, the same in all rounds; None: not known."""
        closed = workload_of.closed_of(self.options.workloads, index)
        if (name, closed) not in self.maxima:
            self.maxima[name, closed] = self.results.value(name, closed, "messages_per_s")
        return self.options.workloads[index].rate.of(self.maxima[name, closed])

    def take_turn(self, running, index, round_number):
        name, workload = running.server.name, self.options.workloads[index]
        rate = self.rate_of(name, index) if workload.rate else None
        if self.is_skipped(running, index) or workload.rate and rate is None:
            self.progress.total -= 1
            return
        self.progress.begin_turn()
        if running.server.keeps:
            place.touch_memory(self.options.warm_octets)
        run = drive.turn(self.options, running, workload, wants_memory=round_number == 0,
                         rate=rate)
        self.results.add(name, index, round_number, run)
        if not run.get("accepted"):
            self.failed[name, index] = self.failed.get((name, index), 0) + 1
        os.sync()  # nobody's dirty pages are written in another one's turn
        self.progress.end_turn(f"round {round_number + 1}, {workload.mode} {workload.name}, "
                               f"{name}: {describe(run)}")

    def run_all(self):
        for indexes in workload_of.passes(self.options.workloads):
            for round_number in range(self.options.rounds):
                self.run_round(round_number, indexes)

    def run_round(self, round_number, indexes):
        kind = "open loop, " if self.options.workloads[indexes[0]].rate else ""
        tell(f"{kind}round {round_number + 1} of {self.options.rounds}: starting "
             f"{len(self.there)} servers")
        try:
            self.start_all()
            for index in indexes:
                self.make_room()
                first = (round_number + index) % max(len(self.up), 1)
                for running in self.up[first:] + self.up[:first]:
                    if running.is_alive():
                        self.take_turn(running, index, round_number)
                    elif running.server in self.there:
                        self.drop(running.server, f"ended in the middle: {running.said()}")
        finally:
            self.stop_all()

    def cut_power(self):
        """Whether each server's messages are kept, before anything is timed."""
        for server in list(self.there):
            try:
                with interrupt.hold():  # it takes a second or two, and makes many things
                    result = powercut.check(server, self.options, self.cgroup)
            except (process.Trouble, place.Trouble, OSError) as trouble:
                tell(f"{server.name}: power cut not measured: {trouble}")
                continue
            self.results.durable[server.name] = result
            tell(f"{server.name}: on stable storage before the 250? "
                 f"{powercut.explain(result)}")
