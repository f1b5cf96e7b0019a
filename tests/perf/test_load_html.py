#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_load_html.py - the result of a run as one page.

Goal: the page needs nothing but itself, shows what happened, cannot be misled by texts of
strangers, and its curves stand where the axes' texts say.
Method: the cases of load_case.h, written by load_page; read with an HTML parser, and drawn by
headless Chromium, whose picture is decoded here. Values come from the JSON of the same case and
places from the ticks, so that neither is what the page's code computed.
"""
import html.parser
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest
import zlib

LOAD_PAGE = os.environ["LOAD_PAGE"]
CHROMIUM = shutil.which("chromium")
PLOTS = ["percentiles", "histogram", "throughput", "latency"]
WIDTH, HEIGHT = 960, 300  # Of a plot.
LIGHT, DARK = (0xfb, 0xfa, 0xf8), (0x14, 0x17, 0x1d)  # --back of the two schemes.
BLUE = (0x24, 0x58, 0xc5)
VOID = {"meta"}
HOSTILE = ("550 </title></text><script>alert(\"1\")</script><img src='http://x/'>&amp;"
           "\\x1b[31m\\xff\\xe2\\x80\\xae")


def load_page(case, kind, path):
    run = subprocess.run([LOAD_PAGE, case, kind, path], capture_output=True, text=True,
                         timeout=60, check=False)
    assert run.returncode == 0 and run.stderr == "", run
    return run.stdout


class Page(html.parser.HTMLParser):
    """Elements with their attributes, texts by the id of what they stand in, and balance."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def ids(self):
        return [attrs["id"] for _, attrs in self.elements if "id" in attrs]

    def has_text(self, text):
        return any(text in data for _, data in self.texts)


def decode_png(octets):
    """(width, height, rows of RGB tuples) of a picture with 8 bits a channel, not interlaced."""
    assert octets[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, head = 8, b"", None
    while at < len(octets):
        size, kind = struct.unpack(">I4s", octets[at:at + 8])
        chunk = octets[at + 8:at + 8 + size]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            packed += chunk
        at += size + 12
    width, height, depth, color, _, _, interlace = head
    assert depth == 8 and color in (2, 6) and not interlace, head
    step = 3 if color == 2 else 4
    raw, rows = zlib.decompress(packed), []
    before = bytearray(width * step)
    for row in range(height):
        begin = row * (width * step + 1)
        before = unfilter(raw[begin], bytearray(raw[begin + 1:begin + 1 + width * step]), before,
                          step)
        rows.append([tuple(before[x:x + 3]) for x in range(0, width * step, step)])
    return width, height, rows


def unfilter(kind, line, above, step):
    """One line of PNG (ISO/IEC 15948, section 9)."""
    for index in range(len(line) if kind else 0):
        left = line[index - step] if index >= step else 0
        up = above[index]
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        else:
            corner = above[index - step] if index >= step else 0
            near = left + up - corner
            guess = min((left, up, corner), key=lambda value: abs(near - value))
        line[index] = (line[index] + guess) & 255
    return line


class Browser:
    """One picture or one document at a time, each in a profile of its own."""

    def __init__(self, work):
        self.work = work

    def run(self, path, *flags):
        profile = tempfile.mkdtemp(dir=self.work)
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                   "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                   "--hide-scrollbars", "--force-device-scale-factor=1",
                   "--force-color-profile=srgb", f"--user-data-dir={profile}", *flags,
                   f"file://{path}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env={**os.environ, "HOME": profile},
                              start_new_session=True) as process:
            try:
                out, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # A session of its own: ours alone.
                raise
        assert process.returncode == 0, process.returncode
        return out

    def picture(self, path, width, height, *flags):
        target = os.path.join(self.work, "picture.png")
        self.run(path, f"--screenshot={target}", f"--window-size={width},{height}", *flags)
        with open(target, "rb") as stream:
            picture = decode_png(stream.read())
        assert picture[:2] == (width, height), picture[:2]
        return picture[2]


class Case(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(work.cleanup)
        self.work = work.name

    def page(self, case):
        path = os.path.join(self.work, case + ".html")
        load_page(case, "html", path)
        with open(path, encoding="utf-8") as stream:
            return path, stream.read()


class Document(Case):
    def check_alone(self, text):
        """Nothing runs, nothing is loaded: no element or attribute that could."""
        page = Page(text)
        known = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div",
                 "b", "span", "section", "table", "tr", "th", "td", "ul", "li", "svg", "text",
                 "path", "line", "rect"}
        self.assertLessEqual({tag for tag, _ in page.elements}, known)
        for tag, attrs in page.elements:
            for name in attrs:
                self.assertFalse(name.startswith("on") or name in ("src", "href", "xlink:href"),
                                 (tag, attrs))
        self.assertNotIn("url(", text)
        self.assertNotIn("@import", text)
        self.assertEqual(sorted(page.ids()), sorted(set(page.ids())))
        return page

    def test_every_case(self):
        for case in ("normal", "open", "one", "long", "hostile"):
            page = self.check_alone(self.page(case)[1])
            for plot in PLOTS:
                self.assertIn(plot, page.ids(), case)
            self.assertTrue(any(tag == "text" and " until " in data for tag, data in page.texts))

    def test_normal(self):
        page = self.check_alone(self.page("normal")[1])
        found = json.loads(load_page("normal", "json", "-"))
        for text in (f"{found['accepted']:,}", "127.0.0.1:2525", "2026-11-25 16:00:00 UTC",
                     "550 5.1.1 no such user", "closed: after DATA", "13.9 µs", "800 ms",
                     "Every accepted message is there, once, octet by octet.",
                     "ringpost-load --pipelining --size 10240 --duration 20s"):
            self.assertTrue(page.has_text(text), text)
        self.assertFalse(page.has_text("interrupted"))
        self.assertIn(("p", "Failed: 127.0.0.1:2525: errors: closed 1; closed: after DATA"),
                      page.texts)
        self.assertNotIn("thresholds", page.ids())
        self.assertIn(("p", "Passed."), self.check_alone(self.page("one")[1]).texts)

    def test_open(self):
        page = self.check_alone(self.page("open")[1])
        for text in ("The run was interrupted.", "it measured itself", "asked for, Poisson",
                     "no stall of the server is hidden"):
            self.assertTrue(page.has_text(text), text)
        self.assertIn("thresholds", page.ids())
        for cell in ("p99=1h", "kept", "never_sent=16", "never_sent: 17, the threshold 16"):
            self.assertIn(("td", cell), page.texts)
        self.assertIn(("p", "Failed: threshold missed: never_sent: 17, the threshold 16"),
                      page.texts)

    def test_empty(self):
        page = self.check_alone(self.page("empty")[1])
        self.assertEqual([name for name in page.ids() if name in PLOTS], [])
        self.assertTrue(page.has_text("Nothing to plot: no message was accepted."))
        self.assertTrue(page.has_text("No reply came."))

    def test_long(self):
        """However long the run: what a mail can carry."""
        self.assertLess(len(self.page("long")[1]), 400000)

    def test_hostile(self):
        page = self.check_alone(self.page("hostile")[1])
        self.assertIn(("td", HOSTILE), page.texts)
        self.assertIn(("li", "protocol: " + HOSTILE), page.texts)
        self.assertIn(("h1", "<i>host</i>:25"), page.texts)
        self.assertIn(("li", "lost: <b>17</b>"), page.texts)


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class Drawn(Case):
    def setUp(self):
        super().setUp()
        self.browser = Browser(self.work)

    def test_light(self):
        rows = self.browser.picture(self.page("normal")[0], 1100, 900)
        self.assertEqual((rows[2][2], rows[-1][2]), (LIGHT, LIGHT))
        colors = {pixel for row in rows for pixel in row}
        self.assertGreater(len(colors), 200)  # Text and curves have many between.
        self.assertIn(BLUE, colors)

    def test_dark(self):
        rows = self.browser.picture(self.page("one")[0], 1100, 900,
                                    "--blink-settings=preferredColorScheme=0")
        self.assertEqual((rows[2][2], rows[-1][2]), (DARK, DARK))
        self.assertIn((0x6d, 0x9b, 0xff), {pixel for row in rows for pixel in row})

    def test_hostile_document(self):
        """What the browser made of it: text, and no element or request more."""
        dom = self.browser.run(self.page("hostile")[0], "--dump-dom").decode()
        for name in ("script", "img", "i", "u", "s"):
            self.assertNotRegex(dom, rf"<{name}[\s>]")
        self.assertEqual(len(re.findall(r"<svg id=", dom)), len(PLOTS))
        self.assertIn("&lt;script&gt;alert(\"1\")&lt;/script&gt;", dom)

    def plot(self, case, name):
        """The picture of one plot at 1:1, and its ticks: [(place, text)] of x and of y."""
        text = self.page(case)[1]
        style = re.search(r"<style>.*?</style>", text, re.DOTALL).group()
        svg = re.search(rf'<svg id="{name}".*?</svg>', text, re.DOTALL).group()
        path = os.path.join(self.work, "plot.html")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(f"<!DOCTYPE html><meta charset=utf-8>{style}<style>body{{background:"
                         f"white}}svg.plot{{width:{WIDTH}px;height:{HEIGHT}px}}</style>{svg}")
        ticks = re.findall(r'<text class="tick (middle|end)" x="([\d.]+)" y="([\d.]+)">([^<]*)<',
                           svg)
        across = [(float(x), text) for kind, x, _, text in ticks if kind == "middle"]
        # A text's base line is 4 below its tick.
        up = [(float(y) - 4, text) for kind, _, y, text in ticks if kind == "end"]
        return self.browser.picture(path, WIDTH, HEIGHT), across, up

    @staticmethod
    def place(value, ticks, scale):
        """Where a value must be, from the outer two ticks."""
        (first, low), (last, high) = ticks[0], ticks[-1]
        part = (scale(value) - scale(low)) / (scale(high) - scale(low))
        return first + part * (last - first)

    def check_curve(self, rows, x, y):
        """The curve's colour within a few pixels of (x, y), and not far from it."""
        column = [at for at in range(36, HEIGHT) if rows[at][round(x)] == BLUE]
        self.assertTrue(column, (x, y))
        self.assertLessEqual(min(abs(at - y) for at in column), 3, (x, y, column))
        self.assertLessEqual(max(abs(at - y) for at in column), 8, (x, y, column))

    def test_percentiles(self):
        rows, across, up = self.plot("normal", "percentiles")
        found = json.loads(load_page("normal", "json", "-"))
        across = [(x, float(text.split()[0]) / 100) for x, text in across]
        up = [(y, microseconds(text)) for y, text in up]
        for share in (0.2, 0.5, 0.8, 0.9, 0.97, 0.995, 0.999, 0.9998):
            x = self.place(share, across, lambda value: math.log10(1 - value))
            y = self.place(quantile(found["histogram"], share), up, math.log10)
            self.check_curve(rows, x, y)

    def test_throughput(self):
        rows, across, up = self.plot("normal", "throughput")
        found = json.loads(load_page("normal", "json", "-"))
        across = [(x, float(text)) for x, text in across]
        up = [(y, float(text.replace(",", ""))) for y, text in up]
        # In the middle of intervals whose neighbours are not far: no upright edge is near.
        checked = 0
        for row in found["series"]:
            x = self.place(row["t_s"] + row["seconds"] / 2, across, float)
            y = self.place(row["accepted"] / row["seconds"], up, float)
            if row["accepted"] and abs(x - round(x)) < 0.2 and 84 < x < 916:
                column = [at for at in range(36, HEIGHT) if rows[at][round(x)] == BLUE]
                self.assertTrue(column and min(abs(at - y) for at in column) <= 3, (row, column))
                checked += 1
        self.assertGreater(checked, 30)

    def test_one_message(self):
        rows, across, up = self.plot("one", "latency")
        self.assertEqual(across[0][1], "0")
        up = [(y, microseconds(text)) for y, text in up]
        for x in (100, 500, 900):
            self.check_curve(rows, x, self.place(1500, up, float))


def microseconds(text):
    number, _, unit = text.partition(" ")
    return float(number) * {"": 1, "ns": 1e-3, "µs": 1, "ms": 1e3, "s": 1e6}[unit]


def quantile(histogram, share):
    rest = share * sum(row[2] for row in histogram)
    for _, high, count in histogram:
        rest -= count
        if rest <= 0:
            return high
    return histogram[-1][1]


if __name__ == "__main__":
    unittest.main()
