# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's validate lets through, though installing or using the package would fail.

The library itself is checked where it is built: maturin refuses a tag of manylinux_2_28 to one that needs a newer
glibc or libpython.
"""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .build_info import BuildInfo
from .wheel import DISTRIBUTION, PLATFORMS

KEYS = {
    *("schema_version", "id", "name", "tagline", "version", "type", "maintainer", "license", "blender_version_min"),
    *("platforms", "wheels", "permissions", "tags", "website"),
}
TAGS = {
    *("3D View", "Add Curve", "Add Mesh", "Animation", "Bake", "Camera", "Compositing", "Development", "Game Engine"),
    *("Geometry Nodes", "Grease Pencil", "Import-Export", "Lighting", "Material", "Mesh", "Modeling", "Node", "Object"),
    *("Paint", "Physics", "Pipeline", "Render", "Rigging", "Scene", "Sculpt", "Sequencer", "System", "Text Editor"),
    *("Tracking", "User Interface", "UV"),
}
LICENSES = {"SPDX:GPL-3.0-or-later"}
"""The one licence that Blender's extension platform takes for add-ons."""

TAG_OF_PLATFORM = {known.name: known.tag for known in PLATFORMS.values()}

EXECUTABLES = {
    "linux-x64": ("spindle", b"\x7fELF"),
    "windows-x64": ("spindle.exe", b"MZ"),
    "macos-arm64": ("spindle", b"\xcf\xfa\xed\xfe"),
}
"""The program's file on a platform, and how an executable begins there."""


def problems(folder: Path, build: BuildInfo) -> Iterator[str]:
    """What is wrong with a staged extension; nothing if it is good."""
    manifest = tomllib.loads((folder / "blender_manifest.toml").read_text())
    yield from manifest_problems(manifest, build)
    if (folder / "_build.py").read_text() != build.python_source:
        yield f"_build.py does not name the build {build.semver}"
    for listed in manifest.get("wheels", []):
        wheel = folder / listed
        if wheel.is_file():
            yield from wheel_problems(wheel, build)
        else:
            yield f"wheel {listed} is not there"
    yield from program_problems(folder, manifest)


def manifest_problems(manifest: dict[str, object], build: BuildInfo) -> Iterator[str]:
    """What is wrong with a filled-in manifest."""
    unknown = {
        "key": set(manifest) - KEYS,
        "tag": _strings(manifest, "tags") - TAGS,
        "license": _strings(manifest, "license") - LICENSES,
        "platform": _strings(manifest, "platforms") - set(TAG_OF_PLATFORM),
    }
    for what, names in unknown.items():
        yield from (f"unknown {what} {name!r}" for name in sorted(names))
    if manifest.get("schema_version") != "1.0.0":
        yield "schema_version is not 1.0.0"
    if "blender" in str(manifest.get("name")).lower():
        yield "an extension may not have Blender in its name"
    if manifest.get("version") != build.semver:
        yield f"version {manifest.get('version')!r} is not the build's, {build.semver!r}"
    tags = sorted(TAG_OF_PLATFORM[name] for name in _strings(manifest, "platforms") & set(TAG_OF_PLATFORM))
    wheels = sorted(f"./wheels/{DISTRIBUTION}-{build.pep440}-cp311-abi3-{tag}.whl" for tag in tags)
    if not wheels or sorted(_strings(manifest, "wheels")) != wheels:
        yield f"wheels are {sorted(_strings(manifest, 'wheels'))}, but the platforms need {wheels}"


def wheel_problems(wheel: Path, build: BuildInfo) -> Iterator[str]:
    """What is wrong with a wheel: one site-packages is shared by all extensions, so no name may be foreign."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        client = archive.read("spindle/_build.py") if "spindle/_build.py" in names else b""
    if client.decode() != build.python_source:
        yield f"{wheel.name} holds a spindle/_build.py that does not name the build {build.semver}"
    top = {name.split("/")[0] for name in names}
    allowed = {build.native_package, "spindle", f"{DISTRIBUTION}-{build.pep440}.dist-info"}
    if top != allowed:
        yield f"{wheel.name} holds {sorted(top)} at its top, not {sorted(allowed)}"
    libraries = [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
    if len(libraries) != 1 or not libraries[0].startswith(f"{build.native_package}/_native."):
        yield f"{wheel.name} holds the libraries {libraries}, not only {build.native_package}/_native"


def program_problems(folder: Path, manifest: dict[str, object]) -> Iterator[str]:
    """What is wrong with the program in a staged extension."""
    for platform in sorted(_strings(manifest, "platforms") & set(EXECUTABLES)):
        name, beginning = EXECUTABLES[platform]
        program = folder / "bin" / name
        if not program.is_file():
            yield f"the program bin/{name} is not there"
        elif not program.read_bytes().startswith(beginning):
            yield f"the program bin/{name} is none for {platform}"


def _strings(manifest: dict[str, object], key: str) -> set[str]:
    value = manifest.get(key, [])
    return set(map(str, value)) if isinstance(value, list) else {str(value)}
