# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python's own parser sees in files: for each path on the standard input a line like those of the guard's example
`names`. Run by the Pythons that test_guard_parser.py finds, so it uses nothing but the standard library."""

from __future__ import annotations

import ast
import sys
import warnings
from collections import Counter
from pathlib import Path


def line(path: str) -> str:
    """The path, why Python does not compile the file, or nothing, and what is in it."""
    try:
        source = Path(path).read_bytes().decode("utf-8")
        tree = ast.parse(source)
        compile(tree, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{path}\t{type(error).__name__}\t"
    seen: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name):
                seen[name] += 1
            case ast.Attribute(attr=name):
                seen["." + name] += 1
            case ast.Call():
                seen["()"] += 1
    return f"{path}\t\t" + "".join(f"{name} {count} " for name, count in sorted(seen.items()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for path in sys.stdin:
        print(line(path.rstrip("\n")))
