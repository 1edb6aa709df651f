# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle `.mcpb`, which an AI client installs by a double click, and `server.json`, by which registries know it.

The formats are those of manifest version 0.3 (the repository `mcpb` of Anthropic, `src/schemas/0.3.ts`, where unknown
keys are refused) and of the registry's schema of 2025-12-11.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from machine import DIST, ROOT

from .build_info import BuildInfo
from .wheel import Platform

SYSTEMS = {"linux": "linux", "windows": "win32", "macos": "darwin"}
"""What bundles call the system that Blender's name of a platform begins with."""

DESCRIPTION = "Drive Blender: run Python, read the scene, look at it, render, and undo"
"""A registry takes 100 characters at most."""

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"


def manifest(build: BuildInfo, target: Platform, program: str) -> dict[str, Any]:
    """What a bundle says of itself. The program is named for this system alone, as the bundle has no other."""
    system = SYSTEMS[target.name.split("-")[0]]
    start = {"command": f"${{__dirname}}/server/{program}", "args": ["mcp"]}
    return {
        "manifest_version": "0.3",
        "name": "spindle",
        "display_name": "Spindle",
        "version": build.semver,
        "description": DESCRIPTION,
        "long_description": (
            "Blender needs the extension Spindle of the same version; switch it on in the sidebar of the 3D viewport. "
            "The order in which Blender and this client are started does not matter."
        ),
        "author": {"name": "Spindle contributors"},
        "license": "GPL-3.0-or-later",
        "keywords": ["blender", "3d", "rendering"],
        "server": {
            "type": "binary",
            "entry_point": f"server/{program}",
            "mcp_config": {**start, "platform_overrides": {system: start}},
        },
        "tools_generated": True,
        "compatibility": {"platforms": [system]},
    }


def pack(program: Path, build: BuildInfo, target: Platform) -> Path:
    """Write the bundle into dist/, in place of earlier ones."""
    platform = target.name.replace("-", "_")
    for old in DIST.glob(f"spindle-*-{platform}.mcpb"):
        old.unlink()
    bundle = DIST / f"spindle-{build.semver}-{platform}.mcpb"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("manifest.json")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, json.dumps(manifest(build, target, program.name), indent=2) + "\n")
        archive.write(ROOT / "LICENSE", "LICENSE")
        # With its mode, which clients keep when they unpack it.
        archive.write(program, f"server/{program.name}")
    return bundle


def describe(build: BuildInfo, repository: str | None) -> Path | None:
    """Write dist/server.json: a package for each platform's bundle of this build in dist/.

    repository: OWNER/NAME at the host of the releases, whose owner gives the server its name. Without it none is
    written, and an earlier one goes, as it names other bundles. Raises ValueError.
    """
    place = DIST / "server.json"
    place.unlink(missing_ok=True)
    if not repository:
        return None
    bundles = sorted(DIST.glob(f"spindle-{build.semver}-*.mcpb"))
    place.write_text(json.dumps(server(build, repository, bundles), indent=2) + "\n")
    return place


def server(build: BuildInfo, repository: str, bundles: list[Path]) -> dict[str, Any]:
    """What a registry is told. Raises ValueError for a repository that is none."""
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+", repository):
        raise ValueError(f"repository {repository!r} is not OWNER/NAME")
    home = f"https://github.com/{repository}"
    return {
        "$schema": SCHEMA,
        "name": f"io.github.{repository}",
        "title": "Spindle",
        "description": DESCRIPTION,
        "version": build.semver,
        "repository": {"url": home, "source": "github"},
        "packages": [
            {
                "registryType": "mcpb",
                "identifier": f"{home}/releases/download/v{build.semver}/{bundle.name}",
                "version": build.semver,
                "fileSha256": hashlib.sha256(bundle.read_bytes()).hexdigest(),
                "transport": {"type": "stdio"},
            }
            for bundle in bundles
        ],
    }
