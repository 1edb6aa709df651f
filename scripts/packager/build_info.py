# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that names a build: Cargo's version and a build number, as each format wants them.

Blender never extracts a wheel again whose version it already has, so each build but a release has a number of its own.
"""

from __future__ import annotations

import re
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuildInfo:
    """One build of a release X.Y.Z; `build` is None for the release itself."""

    release: str
    build: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", self.release):
            raise ValueError(f"version {self.release!r} is not X.Y.Z; correct it in Cargo.toml")
        if self.build is not None and self.build < 0:
            raise ValueError(f"build number {self.build} is negative")

    @property
    def semver(self) -> str:
        """For the manifest and the zip: 0.1.0 or 0.1.0-dev.42."""
        return self.release if self.build is None else f"{self.release}-dev.{self.build}"

    @property
    def pep440(self) -> str:
        """For the wheel: 0.1.0 or 0.1.0.dev42."""
        return self.release if self.build is None else f"{self.release}.dev{self.build}"

    @property
    def native_package(self) -> str:
        """The package of the native module: _spindle_0_1_0 or _spindle_0_1_0_dev42.

        A constant name would bring locked files on Windows, and old native code under new Python after an update.
        """
        return "_spindle_" + self.pep440.replace(".", "_")

    @property
    def python_source(self) -> str:
        """The module _build.py that both the add-on and the client carry."""
        return (
            "# SPDX-License-Identifier: GPL-3.0-or-later\n"
            '"""Written by scripts/package: which build this is."""\n\n'
            f'NATIVE = "{self.native_package}"\nVERSION = "{self.semver}"\nRELEASE = "{self.release}"\n'
        )


def choose(root: Path, number: str | None, release: bool) -> BuildInfo:
    """The build to make in this checkout: a release, this number, or by default the seconds since 1970, which grow
    across clones and machines. Raises ValueError for a number that is none."""
    version = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    if release:
        return BuildInfo(version)
    if number is not None and not re.fullmatch(r"[0-9]{1,18}", number):
        raise ValueError(f"build number {number!r} is not a number of 1 to 18 digits")
    return BuildInfo(version, int(time.time() if number is None else number))
