#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add up what meson wrote of its test runs; print one line.

    summary.py [--extra-failed N] [--extra-skipped N] BUILD_DIR...

The figures are the attributes of the <testsuite> elements of
meson-logs/testlog.junit.xml. Meson 1.0 leaves a test that ran into its time
limit, or that died before its first result, out of `failures`: those are
found in testlog.json and added, so that no failure is ever counted as passed.
Exit status 1 if anything failed or nothing ran.
"""
import argparse
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

BAD_RESULTS = ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS")


def read_junit(path):
    """(tests, failed, skipped, programs counted as failed, programs without results of their own)

    A program is named as meson prints it. One that speaks TAP is a suite of its own.
    """
    tests = failed = skipped = 0
    counted, plain = set(), set()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        tests += int(suite.get("tests", 0))
        skipped += int(suite.get("skipped", 0))
        failed += bad
        if bad:
            counted.add(suite.get("name").partition(".")[2])
        for case in suite.iter("testcase"):
            plain.add(case.get("name"))
            if case.find("failure") is not None or case.find("error") is not None:
                counted.add(case.get("name"))
    return tests, failed, skipped, counted, plain


def read_bad(path):
    """The names of the test programs that did not end well, as meson judged them."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            test = json.loads(line)
            if test["result"] in BAD_RESULTS:
                yield test["name"], test["result"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--extra-failed", type=int, default=0)
    parser.add_argument("--extra-skipped", type=int, default=0)
    parser.add_argument("builds", nargs="*")
    options = parser.parse_args()
    passed, failed, skipped = 0, options.extra_failed, options.extra_skipped
    for build in options.builds:
        log = os.path.join(build, "meson-logs", "testlog")
        if not os.path.exists(log + ".junit.xml"):
            print(f"{build}: the tests left no result")
            failed += 1
            continue
        tests, bad, skips, counted, plain = read_junit(log + ".junit.xml")
        passed += tests - bad - skips
        failed += bad
        skipped += skips
        for name, result in read_bad(log + ".json"):
            print(f"{build}: {name}: {result}")
            if name not in counted:
                failed += 1
                passed -= 1 if name in plain else 0
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
