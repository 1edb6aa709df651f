# SPDX-License-Identifier: GPL-3.0-or-later
"""The build after this one: the same package with the next build number, without compiling anything again."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path


def make(package: Path, folder: Path) -> Path:
    """Write the next build of this package into the folder."""
    number = re.search(r"-dev\.(\d+)-", package.name)
    assert number, f"{package.name} has no build number"
    this, following = number[1], str(int(number[1]) + 1)
    assert len(this) == len(following)
    target = folder / package.name.replace(this, following)
    target.write_bytes(_renumber(package.read_bytes(), this, following))
    return target


def _renumber(archive: bytes, this: str, following: str) -> bytes:
    """The archive with the number replaced in every name and text, and in the archives within."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".whl"):
                content = _renumber(content, this, following)
            elif not name.endswith(".so"):
                content = content.replace(this.encode(), following.encode())
            target.writestr(name.replace(this, following), content)
    return result.getvalue()
