# SPDX-License-Identifier: GPL-3.0-or-later
"""One build has one version in every format."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from packager.build_info import BuildInfo, choose

NAMES = [
    (BuildInfo("0.1.0"), "0.1.0", "0.1.0", "_spindle_0_1_0"),
    (BuildInfo("0.1.0", 42), "0.1.0-dev.42", "0.1.0.dev42", "_spindle_0_1_0_dev42"),
    (BuildInfo("12.0.3", 0), "12.0.3-dev.0", "12.0.3.dev0", "_spindle_12_0_3_dev0"),
]


@pytest.mark.parametrize(("build", "semver", "pep440", "package"), NAMES, ids=[row[1] for row in NAMES])
def test_names(build: BuildInfo, semver: str, pep440: str, package: str) -> None:
    assert (build.semver, build.pep440, build.native_package) == (semver, pep440, package)
    module: dict[str, str] = {}
    exec(build.python_source, module)
    assert (module["NATIVE"], module["VERSION"], module["RELEASE"]) == (package, semver, build.release)


@pytest.mark.parametrize("release", ["0.1", "0.1.0-rc1", "v0.1.0", "0.01.0", ""])
def test_a_version_that_is_not_three_numbers_is_refused(release: str) -> None:
    with pytest.raises(ValueError, match=r"not X\.Y\.Z"):
        BuildInfo(release)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "0.1.0"\n')
    return tmp_path


def test_choose(checkout: Path) -> None:
    assert choose(checkout, "42", release=False) == BuildInfo("0.1.0", 42)
    assert choose(checkout, "0", release=False) == BuildInfo("0.1.0", 0)
    assert choose(checkout, "42", release=True) == BuildInfo("0.1.0")
    before = int(time.time())
    chosen = choose(checkout, None, release=False).build
    assert chosen is not None and before <= chosen <= time.time()


@pytest.mark.parametrize("number", ["", "-1", "1.5", "seven", "٣", "1" * 19])
def test_a_build_number_that_is_none_is_refused(checkout: Path, number: str) -> None:
    with pytest.raises(ValueError, match="build number"):
        choose(checkout, number, release=False)
