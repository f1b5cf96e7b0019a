# SPDX-License-Identifier: GPL-3.0-or-later
"""perf/compare, in parts: README.md has the map."""
