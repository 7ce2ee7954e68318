r"""One version in one file: :func:`pack`. Streamed, verified on the way, and given its name only when it is whole.

A pack is a header, the manifest, and the files one after another, in the order of their names.

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

import hashlib
import io
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store import signatures, verify
from ingest_guard.blocklist.store.manifest import FileEntry, Manifest
from ingest_guard.blocklist.store.versions import opened_version
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file
from ingest_guard.files.safe import REBUILD, opened_file
from ingest_guard.signing.keys import read_signing_key
from ingest_guard.signing.signature_file import BLOCKLIST, MAX_SIGNATURES, Signature, in_order

MAGIC = b"igpack\r\n"
FORMAT = 1

_START = struct.Struct(">8sHHI32s")
_SIGNATURE = struct.Struct(">32s64s")
_BLOCK = 1 << 20
_MODE = 0o600


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


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was packed: the version, how many files and bytes, for how many recipients, and who signed it (hex)."""

    version: str
    files: int
    size: int
    recipients: int
    signers: tuple[str, ...]


def pack(
    folder: Path | str, out: Path | str, *, recipients: Sequence[str] = (), sign_key: Path | str | None = None
) -> PackReport:
    """Write the current version of a store, or a version's own folder, to one file that only its owner can read.

    Parameters
    ----------
    folder
        The store.
    out
        The file; an earlier one of that name is replaced when the new one is whole.
    recipients
        age recipients (``age1...``); if there are any, only they can open the pack.
    sign_key
        File with a private Ed25519 key. Signatures that the store has of the version go along in any case.

    Raises
    ------
    BlocklistError
        The version does not verify, a key or recipient is malformed, or the file cannot be written. A file of that name
        is then as it was.
    """
    folder, out = Path(folder), Path(out)
    if out.is_dir():
        raise BlocklistError(f"{out} is a folder; name a file for the pack, such as {out / 'blocklist.igpack'}")
    key = None if sign_key is None else read_signing_key(sign_key)
    with opened_version(folder) as (descriptor, where, version):
        data = verify.read_manifest(descriptor, where, version)
        signed = [] if key is None else [BLOCKLIST.sign(version, key)]
        header = Header(version, signatures.merge(signatures.stored(folder, version), signed), data)
        manifest = read_manifest(header, str(where))
        source = io.BufferedReader(encryption.Blocks(_blocks(header, manifest, descriptor, where)), _BLOCK)
        try:
            with whole_file(out, _MODE) as file:
                if recipients:
                    encryption.encrypt(source, file, recipients)
                else:
                    shutil.copyfileobj(source, file, _BLOCK)
        except OSError as error:
            raise BlocklistError(f"{out} cannot be written: {error.strerror or error}") from None
    signers = tuple(each.public_key.hex() for each in header.signatures)
    return PackReport(version, len(manifest.files), out.stat().st_size, len(recipients), signers)


def _blocks(header: Header, manifest: Manifest, folder: int, where: Path) -> Iterator[bytes]:
    yield header.to_bytes()
    for name in sorted(manifest.files):
        yield from _file_blocks(name, str(where / name), manifest.files[name], folder)


def _file_blocks(name: str, where: str, entry: FileEntry, folder: int) -> Iterator[bytes]:
    """Yield a file's content; at its end, raise if it was not what the manifest says: no pack is made of it then."""
    digest = hashlib.sha256()
    with opened_file(name, where, inside=folder) as (descriptor, status):
        if status.st_size != entry.size:
            raise BlocklistError(f"{where}: {status.st_size} bytes instead of {entry.size}; {REBUILD}")
        left = entry.size
        while left and (block := _read(descriptor, min(left, _BLOCK), where)):
            digest.update(block)
            left -= len(block)
            yield block
    if left or digest.hexdigest() != entry.sha256:
        raise BlocklistError(f"{where} was changed: its digest is not the manifest's; {REBUILD}")


def _read(descriptor: int, size: int, where: str) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise BlocklistError(f"{where} cannot be read: {error.strerror}; {REBUILD}") from error


def read_header(file: BinaryIO, where: str) -> Header:
    """Read the beginning of a pack. Every signature in it holds; whether the signers are trusted is not checked.

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
    if not in_order(found) or not all(BLOCKLIST.holds(signature, version) for signature in found):
        raise damaged(where, "a signature")
    return Header(version, found, manifest)


def read_manifest(header: Header, where: str) -> Manifest:
    """Return the manifest in a header, if files can be made of it.

    Raises
    ------
    BlocklistError
        This release cannot read it, or it names a file that no version has.
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
