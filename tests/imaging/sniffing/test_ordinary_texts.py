"""Texts that people wrote: the files of this Python, of its packages, of this system. None is taken for a picture."""

from __future__ import annotations

import sysconfig
from itertools import islice
from pathlib import Path

import pytest

from ingest_guard.imaging.sniffing.sniff import Kind, sniff

_ENDINGS = frozenset(
    [
        ".py",
        ".pyi",
        ".md",
        ".rst",
        ".txt",
        ".html",
        ".htm",
        ".css",
        ".js",
        ".json",
        ".csv",
        ".h",
        ".hpp",
        ".c",
        ".xml",
        ".svg",
        ".toml",
        ".cfg",
        ".ini",
        ".yaml",
        ".tcl",
        ".sh",
        ".pm",
        ".pod",
        ".ts",
        ".tmpl",
        ".conf",
        ".xsl",
        ".dtd",
        ".tex",
    ]
)
_DOCUMENTS = frozenset({"MHTML", "EPS", "PDF", "RTF", "ZIP"})
_OTHER = frozenset({"iso2022_kr.txt"})
"""Its charset has shifts that are control bytes; no browser reads it."""


@pytest.mark.parametrize(
    "folder", [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "/usr/share/doc", "/usr/include"]
)
def test_ordinary_texts_are_text(folder: str) -> None:
    """Source code, manuals, pages, tables, style sheets: not one is refused but for mails and documents."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.suffix in _ENDINGS and path.name not in _OTHER)
    refused, count = [], 0
    for path in islice((path for path in files if path.is_file() and not path.is_symlink()), 0, None, 2):
        data = path.read_bytes()[: 1 << 20]
        count += 1
        found = sniff(data)
        if found.kind in {Kind.IMAGE, Kind.BINARY} and found.format not in _DOCUMENTS:
            refused.append((str(path), found.format))
        if count == 4000:
            break
    if not count:
        pytest.skip("no texts here")
    assert not refused
