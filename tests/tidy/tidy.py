#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's style, executed: one TAP line a rule, findings on stderr.

    tidy.py [--root DIR] [--list] [RULE...]

A finding reads "FILE:LINE: RULE: what; what would be right". The file `allowed`
beside this one holds findings that are tolerated for now, one "RULE FILE" a
line with the reason behind a "#"; an entry that no finding needs any more is a
finding itself, so the list can only shrink.

The rules live in rules_text.py (any file), rules_code.py (C as text) and
rules_tree.py (how files relate); each is a generator that takes a Tree.
"""
import argparse
import os
import sys

import rules_code
import rules_text
import rules_tree
from tree import Finding, Tree

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = {**rules_text.RULES, **rules_code.RULES, **rules_tree.RULES}


def read_allowed(path):
    """{(rule, file): line number}"""
    entries = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if len(words) == 2 and words[0] in RULES:
                entries[tuple(words)] = number
            elif words:
                sys.exit(f"{path}:{number}: want RULE FILE # reason")
    return entries


def judge(rule, findings, allowed):
    """Those findings of a rule that count, with the entries of `allowed` that are stale."""
    used = {(rule, finding.path) for finding in findings}
    kept = [finding for finding in findings if (rule, finding.path) not in allowed]
    for (entry_rule, path), number in allowed.items():
        if entry_rule == rule and (entry_rule, path) not in used:
            kept.append(Finding("tests/tidy/allowed", number,
                                f"{path} is clean by now; take the line out"))
    return kept


def main():
    parser = argparse.ArgumentParser(description="check the project's style")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(HERE)))
    parser.add_argument("--list", action="store_true", help="print the rules and end")
    parser.add_argument("rules", nargs="*", metavar="RULE", help="only these")
    options = parser.parse_args()
    if options.list:
        for name, rule in RULES.items():
            print(f"{name:16} {rule.__doc__.strip().splitlines()[0]}")
        return 0
    unknown = [name for name in options.rules if name not in RULES]
    if unknown:
        parser.error(f"no rule {unknown[0]}; --list prints them")

    tree = Tree(options.root)
    allowed = read_allowed(os.path.join(HERE, "allowed"))
    names = options.rules or list(RULES)
    print(f"1..{len(names)}")
    failed = 0
    for number, name in enumerate(names, 1):
        findings = judge(name, list(RULES[name](tree)), allowed)
        for finding in findings:
            print(f"{finding.path}:{finding.line}: {name}: {finding.text}", file=sys.stderr)
        print(f"{'not ok' if findings else 'ok'} {number} - {name}", flush=True)
        failed += bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
