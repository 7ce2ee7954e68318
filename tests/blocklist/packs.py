"""What the tests of packs share: stores to compare, packs made by hand, changes to manifests."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.transfer.pack import Header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def state(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Return mode and content of everything in a store but the lock, which says nothing."""
    if not folder.exists():
        return {}
    found = {}
    for path in [folder, *folder.rglob("*")]:
        if path.name != ".lock":
            content = path.read_bytes() if path.is_file() else None
            found[str(path.relative_to(folder))] = (path.stat().st_mode, content)
    return found


def other_store(folder: Path) -> str:
    """Build a store of another list; return its version."""
    file = folder.with_name(f"{folder.name}.txt")
    file.write_text(f"md5 {'ab12' * 8}\nsha1 {'cd34' * 10}\n", encoding="ascii")
    return build(folder, [ListSource("other", "plain", file)]).version


def contents(version: Path) -> tuple[bytes, dict[str, bytes]]:
    """Return a version's manifest and its files."""
    files = {path.name: path.read_bytes() for path in version.iterdir()}
    return files.pop("manifest.json"), files


def by_hand(manifest: bytes, files: dict[str, bytes], *, more: bytes = b"") -> bytes:
    """Return a pack of a manifest and files, whether or not they fit each other."""
    header = Header(hashlib.sha256(manifest).hexdigest(), (), manifest)
    return header.to_bytes() + b"".join(files[name] for name in sorted(files)) + more


def edited(manifest: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a manifest with something changed."""
    document = json.loads(manifest)
    change(document)
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


def names(folder: Path) -> list[str]:
    """Return what is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
