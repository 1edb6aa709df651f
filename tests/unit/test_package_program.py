# SPDX-License-Identifier: GPL-3.0-or-later
"""The program in the package, the bundle for AI clients, and what a registry is told of it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packager import bundle
from packager.build_info import BuildInfo
from packager.checks import EXECUTABLES, program_problems
from packager.program import file_name, take_out
from packager.wheel import PLATFORMS, Platform

BUILD = BuildInfo("0.1.0", 42)
TARGETS = {target.name: target for target in PLATFORMS.values()}

# The keys that the schema of manifests 0.3 knows, where every other one is refused, and those that it demands.
KNOWN = {
    "": {
        *("$schema", "dxt_version", "manifest_version", "name", "display_name", "version", "description"),
        *("long_description", "author", "repository", "homepage", "documentation", "support", "icon", "icons"),
        *("screenshots", "localization", "server", "tools", "tools_generated", "prompts", "prompts_generated"),
        *("keywords", "license", "privacy_policies", "compatibility", "user_config", "_meta"),
    },
    "author": {"name", "email", "url"},
    "server": {"type", "entry_point", "mcp_config"},
    "server.mcp_config": {"command", "args", "env", "platform_overrides"},
    "compatibility": {"claude_desktop", "platforms", "runtimes"},
}
DEMANDED = {
    "": {"name", "version", "description", "author", "server"},
    "author": {"name"},
    "server": {"type", "entry_point", "mcp_config"},
    "server.mcp_config": {"command"},
}


def part(manifest: dict[str, Any], path: str) -> dict[str, Any]:
    for key in filter(None, path.split(".")):
        manifest = manifest[key]
    return manifest


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_the_manifest_has_what_the_schema_knows(target: Platform) -> None:
    manifest = bundle.manifest(BUILD, target, file_name(target))
    for path, keys in KNOWN.items():
        assert set(part(manifest, path)) <= keys, path
    for path, keys in DEMANDED.items():
        assert keys <= set(part(manifest, path)), path
    assert manifest["manifest_version"] == "0.3" and manifest["version"] == "0.1.0-dev.42"


SYSTEMS = [
    ("linux-x64", "linux", "server/spindle"),
    ("windows-x64", "win32", "server/spindle.exe"),
    ("macos-arm64", "darwin", "server/spindle"),
]


@pytest.mark.parametrize(("name", "system", "entry"), SYSTEMS, ids=[row[0] for row in SYSTEMS])
def test_each_system_starts_its_own_program(name: str, system: str, entry: str) -> None:
    manifest = bundle.manifest(BUILD, TARGETS[name], file_name(TARGETS[name]))
    assert manifest["server"]["type"] == "binary" and manifest["server"]["entry_point"] == entry
    assert manifest["compatibility"]["platforms"] == [system]
    start = {"command": "${__dirname}/" + entry, "args": ["mcp"]}
    config = manifest["server"]["mcp_config"]
    assert config == {**start, "platform_overrides": {system: start}}
    assert EXECUTABLES[name][0] == file_name(TARGETS[name])


def test_a_bundle_holds_an_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "DIST", tmp_path)
    program = tmp_path / "spindle"
    program.write_bytes(b"\x7fELF and so on")
    program.chmod(0o755)
    (tmp_path / "spindle-0.1.0-dev.41-linux_x64.mcpb").write_text("earlier")
    packed = bundle.pack(program, BUILD, TARGETS["linux-x64"])
    assert [path.name for path in tmp_path.glob("*.mcpb")] == ["spindle-0.1.0-dev.42-linux_x64.mcpb"]
    with zipfile.ZipFile(packed) as archive:
        assert set(archive.namelist()) == {"manifest.json", "LICENSE", "server/spindle"}
        assert archive.read("server/spindle") == program.read_bytes()
        if os.name != "nt":
            modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
            assert (modes["server/spindle"], modes["manifest.json"]) == (0o755, 0o644)
        assert json.loads(archive.read("manifest.json"))["server"]["entry_point"] in archive.namelist()


def test_a_registry_is_told_of_each_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "DIST", tmp_path)
    for platform in ("linux_x64", "windows_x64"):
        (tmp_path / f"spindle-0.1.0-dev.42-{platform}.mcpb").write_text(platform)
    (tmp_path / "spindle-0.1.0-dev.41-macos_arm64.mcpb").write_text("of another version")
    place = bundle.describe(BUILD, "somebody/spindle")
    assert place == tmp_path / "server.json"
    told = json.loads(place.read_text())
    assert told["name"] == "io.github.somebody/spindle" and len(told["description"]) <= 100
    assert {"name", "description", "version"} <= set(told)
    hashes = [hashlib.sha256(platform.encode()).hexdigest() for platform in ("linux_x64", "windows_x64")]
    assert [package["fileSha256"] for package in told["packages"]] == hashes
    for package in told["packages"]:
        assert package["registryType"] == "mcpb" and package["transport"] == {"type": "stdio"}
        assert package["identifier"].startswith("https://github.com/somebody/spindle/releases/download/v0.1.0-dev.42/")
    assert bundle.describe(BUILD, None) is None and not place.exists(), "an earlier one names other bundles"


@pytest.mark.parametrize("repository", ["spindle", "a/b/c", "a b/c", "/c", "a/", "https://x/y"])
def test_a_repository_that_is_none_is_refused(repository: str) -> None:
    with pytest.raises(ValueError, match="is not OWNER/NAME"):
        bundle.server(BUILD, repository, [])


PROGRAMS = [
    ({"platforms": ["linux-x64"]}, "spindle", b"\x7fELF", None),
    ({"platforms": ["windows-x64"]}, "spindle.exe", b"MZ", None),
    ({"platforms": ["linux-x64"]}, None, b"", "bin/spindle is not there"),
    ({"platforms": ["windows-x64"]}, "spindle", b"MZ", "bin/spindle.exe is not there"),
    ({"platforms": ["linux-x64"]}, "spindle", b"MZ", "none for linux-x64"),
    ({"platforms": ["macos-arm64"]}, "spindle", b"\x7fELF", "none for macos-arm64"),
    ({"platforms": ["linux-x64"]}, "spindle", b"", "none for linux-x64"),
]


@pytest.mark.parametrize(("manifest", "name", "content", "problem"), PROGRAMS)
def test_the_program_in_the_extension(
    tmp_path: Path, manifest: dict[str, Any], name: str | None, content: bytes, problem: str | None
) -> None:
    (tmp_path / "bin").mkdir()
    if name:
        (tmp_path / "bin" / name).write_bytes(content)
    found = "\n".join(program_problems(tmp_path, manifest))
    assert problem in found if problem else found == ""


WHEELS = [
    ({"spindle_program-0.1.0.data/scripts/spindle": b"\x7fELF"}, True),
    ({"spindle_program-0.1.0.data/scripts/spindle.exe": b"MZ"}, False),
    ({"spindle_program-0.1.0.dist-info/METADATA": b""}, False),
]


@pytest.mark.parametrize(("files", "good"), WHEELS, ids=[next(iter(row[0])) for row in WHEELS])
def test_the_program_is_taken_out_of_its_wheel(tmp_path: Path, files: dict[str, bytes], good: bool) -> None:
    wheel = tmp_path / "spindle_program-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    if not good:
        with pytest.raises(ValueError, match="instead of the program"):
            take_out(wheel, "spindle", tmp_path)
        return
    program = take_out(wheel, "spindle", tmp_path)
    assert program.read_bytes() == b"\x7fELF" and (os.name == "nt" or os.access(program, os.X_OK))
