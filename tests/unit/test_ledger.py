# SPDX-License-Identifier: GPL-3.0-or-later
"""Each promise of the requirements ledger that is kept today is named by a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = """
MEMORY_LEAK_001 ASYNC_CLEANUP_001 BUG-009 TYPE_SAFETY_001 TYPE_SAFETY_002 UNHANDLED_PROMISE_001
MEMORY_LEAK_002 INDEX_MISSING_SHUTDOWN MEMORY_LEAK_003 CLEANUP FAIL_FAST SHARED_STATE BUG-007 EDGE-002
EDGE-003 JSON_DEFENCE PATHS ARRAYS SESSION_ID ERROR_TEXT SECRETS HEALTH TIMEOUTS RUNTIME_002
RUNTIME_001 BUG-004 BUG-010 BUG-006 SESSION_STORE BOUNDED_SAMPLES BUG-002 METRICS DROP_CLASSES REQUEST_LOG SEQUENCE
ALERTS
""".split()


@pytest.mark.parametrize("name", KEPT)
def test_a_promise_is_named_by_a_test(name: str) -> None:
    command = ["git", "grep", "-lwF", name, "--", "native/*.rs", "tests", f":!{Path(__file__).relative_to(ROOT)}"]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    files = [file for file in named if "test" in (ROOT / file).read_text()]
    assert files, f"no test names {name}"
