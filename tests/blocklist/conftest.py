from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blocklist import toys
from blocklist.helpers import Made, lines_of

from ingest_guard.blocklist.build import build as builds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@pytest.fixture
def list_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a plain list file of the given lines."""

    def write(*lines: str, name: str = "list.txt") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def made(tmp_path: Path, list_file: Callable[..., Path]) -> Made:
    """Build a small store: forty PDQ values, twenty MD5, one SHA-256, one pHash, one address."""
    rng = np.random.default_rng(7)
    pdq = rng.integers(0, 256, (40, 32), dtype=np.uint8)
    md5 = [hashlib.md5(bytes([number]), usedforsecurity=False).hexdigest() for number in range(20)]
    more = [
        f"sha256 {hashlib.sha256(b'listed').hexdigest()}",
        "phash 0123456789abcdef",
        "url https://example.org/listed.jpg",
    ]
    path = list_file(*lines_of(pdq, md5, *more))
    folder = tmp_path / "store"
    report = builds.build(folder, [builds.ListSource("known", "plain", path, owner="an operator")])
    return Made(folder, report, pdq, md5)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Install toy hashers for this process for the time of a test; return the folder they are in."""
    modules = []

    def install(source: str = toys.SOURCE, points: Mapping[str, str] = toys.POINTS) -> Path:
        folder = tmp_path / f"plugins{len(modules)}"
        modules.append(toys.install(folder, source, points))
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def plugins(installed: Callable[..., Path]) -> Path:
    """Install all toy hashers."""
    return installed()
