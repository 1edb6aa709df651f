# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions: one class for each kind of error, in a tree that programs can rely on."""

import re
from pathlib import Path

import pytest
import spindle
from spindle import errors

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()


def documented_kinds() -> list[str]:
    """The kinds in the table of docs/protocol.md."""
    section = PROTOCOL.split("\n## Errors\n")[1].split("\n## ")[0]
    return re.findall(r"^\| -\d+ \| `(\w+)` \|", section, re.MULTILINE)


def test_every_kind_has_a_class() -> None:
    kinds = documented_kinds()
    assert len(kinds) > 20 and "script_refused" in kinds
    plain = {kind for kind in kinds if errors._CLASSES.get(kind, errors.SpindleError) is errors.SpindleError}
    assert plain == {"internal", "unknown"}


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("invalid_params", (errors.InvalidCall, ValueError)),
        ("no_server", (errors.NoServer, errors.NoConnection, ConnectionError)),
        ("bad_token", (errors.WrongServer, errors.NoConnection)),
        ("timed_out", (errors.TimedOut, TimeoutError)),
        ("not_found", (errors.NotFound, LookupError)),
        ("script_refused", (errors.ScriptRefused, PermissionError)),
        ("of_a_newer_server", (spindle.SpindleError,)),
    ],
)
def test_an_error_of_a_job(kind: str, classes: tuple[type[Exception], ...]) -> None:
    """An error as a job's report holds it is the exception that the call itself would have raised."""
    data = {"kind": kind, "retryable": True, "started": "unknown", "path": "params.x"}
    error = errors.from_wire({"code": -32000, "message": "no", "data": data})
    assert all(isinstance(error, expected) for expected in classes)
    assert (error.kind, error.retryable, error.started, str(error)) == (kind, True, None, "no")
    assert error.details == {"path": "params.x"}


def test_a_refused_script(blender: spindle.Blender) -> None:
    with pytest.raises(spindle.ScriptRefused, match="line 2") as caught:
        blender.run("import os\nos.system('ls')")
    finding = caught.value.findings[0]
    assert (finding.severity, finding.line, caught.value.started) == ("danger", 2, False)
    assert finding.remedy and str(finding).startswith("line 2: ") and caught.value.level == "guarded"


def test_check(blender: spindle.Blender) -> None:
    assert blender.check("1 + 1").verdict == "runs"
    refused = blender.check("import os\nos.system('ls')")
    assert (refused.verdict, refused.level, refused.findings[0].line) == ("refused", "guarded", 2)
    unreadable = blender.check("1 +")
    assert unreadable.verdict == "unreadable" and unreadable.unreadable is not None
