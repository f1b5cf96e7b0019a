# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs, and what is made of them: medians over the rounds, ratios within a round.

A run is a dict: "server" (name), "workload" (index), "round", and drive.turn's figures.
"""
import statistics

FLOOR = "floor"
DURABLE_FLOORS = ("floor-log", "floor-log-direct")


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


class Results:
    def __init__(self, names, workloads):
        self.names = names  # of the servers, in the order of the tables
        self.workloads = workloads
        self.runs = []
        self.durable = {}  # name: result of powercut.check
        self.keeps = {}    # name: what the server says of itself

    def add(self, server, workload, round_number, run):
        self.runs.append({"server": server, "workload": workload, "round": round_number, **run})

    def of(self, server, workload):
        return [run for run in self.runs
                if run["server"] == server and run["workload"] == workload]

    def value(self, server, workload, key):
        """The median over the rounds, or None."""
        return median(run.get(key) for run in self.of(server, workload))

    def ratio(self, server, base, workload, key="cpu_us"):
        """The median of the rounds' ratios of a figure: a round's noise falls out."""
        of_base = {run["round"]: run.get(key) for run in self.of(base, workload)}
        return median(run[key] / of_base[run["round"]] for run in self.of(server, workload)
                      if run.get(key) and of_base.get(run["round"]))

    def peak_memory(self, server):
        """(MiB, how) of the run that took most, or None."""
        return max(((run["rss_mib"], run["rss_how"]) for run in self.runs
                    if run["server"] == server and "rss_mib" in run), default=None)

    def is_durable(self, server):
        """As measured; where it was not, as it says."""
        if server in self.durable:
            return self.durable[server]["verdict"] in ("yes", "unknown")
        return self.keeps.get(server, False)

    def bases(self, server):
        """The floors a server is measured by."""
        wanted = DURABLE_FLOORS if self.is_durable(server) else (FLOOR,)
        return [name for name in wanted if name in self.names and name != server]

    def failures(self):
        """Lines about what did not go well."""
        lines = []
        for server in self.names:
            for index, workload in enumerate(self.workloads):
                runs = self.of(server, index)
                errors = {}
                for run in runs:
                    for kind, count in run.get("errors", {}).items():
                        errors[kind] = errors.get(kind, 0) + count
                    if run.get("refused"):
                        errors["refused"] = errors.get("refused", 0) + run["refused"]
                    if "failure" in run:
                        errors[run["failure"]] = errors.get(run["failure"], 0) + 1
                if errors:
                    lines.append(f"{server}, {workload.mode} {workload.name}: " +
                                 ", ".join(f"{kind} {count}" for kind, count in errors.items()))
        return lines
