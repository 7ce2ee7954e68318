"""What several tests of the blocklist share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from ingest_guard.blocklist.build.report import BuildReport


@dataclass
class Made:
    """A store built from one made-up list."""

    folder: Path
    report: BuildReport
    pdq: np.ndarray
    md5: list[str]

    @property
    def version_folder(self) -> Path:
        """The folder of the version that was built."""
        return self.folder / "versions" / self.report.version


def lines_of(pdq: np.ndarray, md5: list[str], *more: str) -> list[str]:
    """Return a plain list's lines."""
    return [*(f"pdq {row.tobytes().hex()}" for row in pdq), *(f"md5 {value}" for value in md5), *more]


def poke(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a read-only file's content, as its owner could."""
    mode = path.stat().st_mode & 0o777
    folder_mode = path.parent.stat().st_mode & 0o777
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))
    path.chmod(mode)
    path.parent.chmod(folder_mode)
