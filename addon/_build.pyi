# SPDX-License-Identifier: GPL-3.0-or-later
"""Which build this is. The module itself is written by scripts/package."""

NATIVE: str
"""The package of the native module, of this build alone."""

VERSION: str
"""Semver; with a build number unless it is a release."""

RELEASE: str
"""Cargo's version, X.Y.Z."""
