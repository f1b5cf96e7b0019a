#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of tidy.py finds its sin, and says nothing of a clean tree.

Method: a small project in a temporary directory; one file is changed for each
case, and exactly the rule of that case must complain.
"""
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import harness  # noqa: E402
import tidy  # noqa: E402
from tree import Tree  # noqa: E402

GPL = "/* SPDX-License-Identifier: GPL-3.0-or-later */\n"
BSD = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
CLEAN = {
    "proto/rp_dot.h": BSD + "#include <stdint.h>\nstruct rp_dot {\n    uint8_t state;\n};\n"
                            "void rp_dot_init(struct rp_dot *dot);\n",
    "proto/dot.c": GPL + '#include "rp_dot.h"\n\nvoid rp_dot_init(struct rp_dot *dot)\n{\n'
                         "    dot->state = 0; /* never strcpy(): not copied */\n}\n",
    "proto/README.md": "    dot.c rp_dot.h   the body\n",
    "proto/meson.build": "sources = files('dot.c')\n",
    "engine/conn.c": GPL + '#include "proto/rp_dot.h"\n\n#include <liburing_not.h>\n\n'
                           "static int twice(int number)\n{\n    return number * 2;\n}\n",
    "engine/conn.h": GPL + "int rp_conn_open(void);\n",
    "engine/README.md": "- `conn.[ch]`: a connection\n",
    "engine/meson.build": "sources = files('conn.c')\n",
    "tests/proto/test_dot.c": GPL + '#include "proto/dot_private.h"\n',
    "proto/dot_private.h": GPL,
    "tests/engine/test_conn.py": "# SPDX-License-Identifier: GPL-3.0-or-later\n",
    "tests/engine/conn_tool": "#!/usr/bin/python3\n# SPDX-License-Identifier: GPL-3.0-or-later\n"
                              "import os\nprint(os.getpid() if True else {})\n",
    "tests/README.md": "tests\n",
    "tests/proto/meson.build": "tests = ['dot', 'other']\n",
    "tests/engine/meson.build": "tests = files('test_conn.py')\n",
    "tests/tidy/mirror": "",
    "tests/tidy/allowed": "",
}
CLEAN["proto/README.md"] += "    dot_private.h   more\n"

# rule, file, old text ("" appends, None replaces all), new text
SINS = [
    ("blanks", "proto/dot.c", "    dot", "\tdot"),
    ("blanks", "proto/dot.c", "{\n", "{ \n"),
    ("blanks", "proto/README.md", "more\n", "more"),
    ("blanks", "proto/meson.build", "')\n", "')\r\n"),
    ("width", "proto/dot.c", "never", "never " + "x" * 80),
    ("length", "engine/conn.h", "", "int x;\n" * 250),
    ("length", "engine/conn.c", "", "\n" * 800),
    ("open_ends", "engine/conn.c", "", "/* TO" + "DO: more */\n"),
    ("spdx", "engine/conn.c", GPL, "\n"),
    ("spdx", "proto/rp_dot.h", BSD, GPL),
    ("banned", "engine/conn.c", "number * 2", "atoi(number)"),
    ("banned", "engine/conn.c", "number * 2", "strtol(number, 0, 10)"),
    ("banned", "proto/dot.c", "dot->state = 0", "dot->state = malloc(1)"),
    ("side_effects", "engine/conn.c", "return", "assert(number++ > 0);\n    return"),
    ("side_effects", "engine/conn.c", "return", "assert(number = 1);\n    return"),
    ("functions", "engine/conn.c", "    return", "    number++;\n" * 70 + "    return"),
    ("switches", "engine/conn.c", "return", "switch (number) {\n    case RP_X: return 1;\n"
                                            "    default: return 2;\n    }\n    return"),
    ("symbols", "engine/conn.c", "static int twice", "int rp_other_twice"),
    ("symbols", "proto/dot.c", "void rp_dot_init", "void init"),
    ("symbols", "proto/dot.c", "void rp_dot_init", "void rp_dotted_init"),
    ("types", "proto/rp_dot.h", "struct rp_dot {", "struct rp_spot {"),
    ("scripts", "tests/engine/test_conn.py", "", "def f(:\n"),
    ("scripts", "tests/engine/conn_tool", "", "def f(:\n"),
    ("includes", "proto/dot.c", "", '#include "engine/conn.h"\n'),
    ("includes", "proto/dot.c", "", "#include <unistd.h>\n"),
    ("includes", "engine/conn.c", "proto/rp_dot.h", "proto/dot_private.h"),
    ("includes", "engine/conn.c", "liburing_not.h", "liburing.h"),
    ("includes", "engine/conn.c", "liburing_not.h", "wolfssl/ssl.h"),
    ("headers", "engine/conn.h", "", "struct rp_conn {\n    uint8_t octet;\n};\n"),
    ("mirror", "tests/tidy/mirror", "", "proto/dot.c tests/absent.c\n"),
    ("built", "engine/meson.build", "conn.c", "con.c"),
    ("built", "tests/proto/meson.build", "'dot', ", ""),
    ("readmes", "proto/README.md", "dot.c ", ""),
    ("readmes", "engine/README.md", "connection", "connection; `absent.c`"),
]


class Rules(unittest.TestCase):
    def write(self, root, files):
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)

    def complaints(self, files):
        """The rules that find something in this tree."""
        with tempfile.TemporaryDirectory() as root:
            self.write(root, files)
            tree = Tree(root)
            return {name for name, rule in tidy.RULES.items() if list(rule(tree))}

    def test_clean(self):
        self.assertEqual(self.complaints(CLEAN), set())

    def test_each_sin_is_found(self):
        for rule, path, old, new in SINS:
            with self.subTest(rule=rule, path=path, new=new[:40]):
                text = CLEAN[path]
                self.assertIn(old, text)
                changed = text.replace(old, new, 1) if old else text + new
                self.assertIn(rule, self.complaints({**CLEAN, path: changed}))

    def test_missing_test_is_found(self):
        files = {path: text for path, text in CLEAN.items() if not path.endswith("test_conn.py")}
        self.assertIn("mirror", self.complaints(files))

    def test_every_rule_has_a_sin(self):
        self.assertEqual({sin[0] for sin in SINS}, set(tidy.RULES))

    def test_comments_and_strings_are_not_code(self):
        text = CLEAN["engine/conn.c"].replace(
            "number * 2", 'number * 2 /* system("x") */ + sizeof("strcpy(a, b)")')
        self.assertEqual(self.complaints({**CLEAN, "engine/conn.c": text}), set())

    def test_allowed_may_only_shrink(self):
        finding = tidy.Finding("a.c", 1, "text")
        self.assertEqual(tidy.judge("width", [finding], {("width", "a.c"): 3}), [])
        self.assertEqual(len(tidy.judge("width", [finding], {("width", "b.c"): 3})), 2)
        self.assertEqual(len(tidy.judge("width", [], {("width", "a.c"): 3})), 1)
        self.assertEqual(tidy.judge("width", [], {("blanks", "a.c"): 3}), [])


if __name__ == "__main__":
    harness.main(needs_build=False)
