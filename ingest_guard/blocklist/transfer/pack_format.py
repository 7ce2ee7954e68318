r"""The layout of a pack: a header, the manifest, and the files one after another, in the order of their names.

======  ==================================================================
bytes   what
======  ==================================================================
8       ``igpack\r\n``
2       format version, 1
2       number of signatures, at most 64
4       bytes of the manifest
32      the version's name: SHA-256 of the manifest
96 x n  signatures: public key (32), signature (64), sorted by public key
...     the manifest
...     its files, sorted by name, with nothing between or after them
======  ==================================================================

Numbers are big-endian. A pack has no names, sizes, modes or links of its own: names come from the manifest, whose
patterns allow no path, and each file is as long as the manifest says. So there is nothing to lie about, one version has
one spelling, and both ends are passed through once.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.signatures import MAX_SIGNATURES, Signature, in_order
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from ingest_guard.blocklist.store.manifest import Manifest

MAGIC = b"igpack\r\n"
FORMAT = 1

_START = struct.Struct(">8sHHI32s")
_SIGNATURE = struct.Struct(">32s64s")


@dataclass(frozen=True, slots=True)
class Header:
    """What a pack says before its files: the version's name, who signed it, the manifest's bytes."""

    version: str
    signatures: tuple[Signature, ...]
    manifest: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return it as packs begin."""
        start = _START.pack(MAGIC, FORMAT, len(self.signatures), len(self.manifest), bytes.fromhex(self.version))
        signed = [_SIGNATURE.pack(each.public_key, each.signature) for each in self.signatures]
        return b"".join([start, *signed, self.manifest])


def read_header(file: BinaryIO, where: str) -> Header:
    """Read the beginning of a pack. Every signature in what is returned holds; whose they are is for others to ask.

    Raises
    ------
    BlocklistError
        Not a pack, one of a later format, cut off or damaged.
    """
    start = file.read(_START.size)
    if not start.startswith(MAGIC):
        raise BlocklistError(f"{where} is not a pack; name a file that ingest-guard blocklist pack wrote")
    if len(start) < _START.size:
        raise cut_off(where)
    _, number, signed, size, name = _START.unpack(start)
    if number != FORMAT:
        raise BlocklistError(
            f"{where} is a pack of format {number}, and this release reads {FORMAT}; update ingest-guard, or, if the "
            "file is damaged, get it again"
        )
    if signed > MAX_SIGNATURES or size > manifests.MAX_BYTES:
        raise damaged(where, "its header")
    version = name.hex()
    found = tuple(Signature(*_SIGNATURE.unpack(exactly(file, _SIGNATURE.size, where))) for _ in range(signed))
    manifest = exactly(file, size, where)
    if manifests.version_of(manifest) != version:
        raise damaged(where, "its manifest")
    if not in_order(found) or not all(signature.holds(version) for signature in found):
        raise damaged(where, "a signature")
    return Header(version, found, manifest)


def read_manifest(header: Header, where: str) -> Manifest:
    """Return the manifest in a header, if files can be made of it.

    Raises
    ------
    BlocklistError
        It is none that this release reads, or names a file that no version has.
    """
    manifest = manifests.parse(header.manifest, f"the manifest in {where}")
    # Compared as file systems do that do not tell upper from lower case.
    names = {name.lower() for name in (manifests.NAME, *manifest.files)}
    if len(names) <= len(manifest.files) or not all(entry.size for entry in manifest.files.values()):
        raise BlocklistError(f"the manifest in {where} names a file that no version has; do not trust where it is from")
    return manifest


def exactly(file: BinaryIO, size: int, where: str) -> bytes:
    """Read `size` bytes; fewer are an error."""
    data = file.read(size)
    if len(data) != size:
        raise cut_off(where)
    return data


def cut_off(where: str) -> BlocklistError:
    """Return the error for a pack that ends too early."""
    return BlocklistError(f"{where} is cut off: it ends before what its header announces; get it again")


def damaged(where: str, part: str) -> BlocklistError:
    """Return the error for a pack that is not as it was written."""
    return BlocklistError(f"{where} is damaged or was changed: {part} is not as it was packed; get it again")
