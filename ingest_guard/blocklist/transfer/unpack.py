"""A packed version back into a store: :func:`unpack`. Everything is verified before the pointer moves.

The signer is checked before a byte is written; each file's size and digest when it is on the disk; that nothing follows
the last one, and that an encrypted pack is whole, before the version gets its name.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ingest_guard.blocklist.build.activate import DEFAULT_KEEP, activate, use
from ingest_guard.blocklist.list_info import refuse_old
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store import signatures
from ingest_guard.blocklist.store.draft import VersionDraft, discard, locked
from ingest_guard.blocklist.store.manifest import Manifest
from ingest_guard.blocklist.store.verify import verify
from ingest_guard.blocklist.store.versions import VERSIONS, opened_version
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer.pack import Header, cut_off, damaged, read_header, read_manifest
from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import read_small

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """What was unpacked: the version, the one that was current before (None: no store), who signed it (hex).

    ``removed`` are the older versions that were not retained.
    """

    version: str
    previous: str | None
    lists: int
    signers: tuple[str, ...]
    removed: tuple[str, ...]


def unpack(
    file: Path | str,
    folder: Path | str,
    *,
    identities: Path | str | None = None,
    signers: Sequence[bytes] = (),
    keep: int = DEFAULT_KEEP,
    allow_older: bool = False,
) -> UnpackReport:
    """Put a packed version into a store and make it the current one.

    Parameters
    ----------
    file
        What :func:`~ingest_guard.blocklist.transfer.pack.pack` wrote.
    folder
        The store; made if it does not exist.
    identities
        File with age identities, for an encrypted pack.
    signers
        Public keys (32 bytes each), one of which must have signed it; empty: it need not be signed.
    keep
        How many versions to retain, the new one included.
    allow_older
        Accept a version that was built before the current one.

    Raises
    ------
    BlocklistError
        The pack is damaged, cut off, not for us, not signed, from the future, older than the current version; or the
        store cannot be written. The store is then as it was.
    """
    file, folder = Path(file), Path(folder)
    where = str(file)
    try:
        with file.open("rb") as raw, _opened(raw, identities, where) as stream:
            header = read_header(stream, where)
            manifest = read_manifest(header, where)
            _require_signer(header, signers, where)
            # Whether encrypted or not, the file is longer than what is in it: nothing larger is ever written.
            if sum(entry.size for entry in manifest.files.values()) > os.fstat(raw.fileno()).st_size:
                raise cut_off(where)
            # A version from the future opens nowhere, and would make every later one an older one.
            refuse_old(manifest.created_at, timedelta.max, file)
            with locked(folder):
                previous = _refuse_older(folder, manifest, where, allow_older=allow_older)
                draft = _write_files(stream, manifest, folder, where)
                target = folder / VERSIONS / header.version
                if _opens(target):
                    signatures.write(folder, header.version, header.signatures)
                    removed = use(folder, header.version, keep)
                else:
                    if os.path.lexists(target):
                        discard(target)
                    # Its bytes as they came: another release may have spelt it differently, and its digest counts.
                    _, removed = activate(folder, draft, header.manifest, keep, signatures=header.signatures)
    except OSError as error:
        raise BlocklistError(f"{error.filename or file}: {error.strerror}; the blocklist was left as it was") from error
    by = tuple(signature.public_key.hex() for signature in header.signatures)
    return UnpackReport(header.version, previous, len(manifest.operators_lists), by, tuple(removed))


@contextmanager
def _opened(raw: BinaryIO, identities: Path | str | None, where: str) -> Iterator[BinaryIO]:
    """Yield the pack, decrypted if it is encrypted."""
    encrypted = raw.read(len(encryption.MAGIC)) == encryption.MAGIC
    raw.seek(0)
    if not encrypted:
        if identities is not None:
            raise BlocklistError(f"{where} is not an encrypted pack, though an identity is given; leave --identity out")
        yield raw
        return
    if identities is None:
        raise BlocklistError(
            f"{where} is encrypted; name the file with the age identity that opens it: --identity FILE"
        )
    with encryption.decrypted(raw, identities, where) as stream:
        yield stream


def _require_signer(header: Header, signers: Sequence[bytes], where: str) -> None:
    if signers and not any(signature.public_key in signers for signature in header.signatures):
        raise BlocklistError(
            f"{where} is not signed by a signer that is trusted here (signatures of others: {len(header.signatures)}); "
            "get it from where it should come from"
        )


def _refuse_older(folder: Path, manifest: Manifest, where: str, *, allow_older: bool) -> str | None:
    """Return the current version; refuse to go back behind it: what was added since would be let through again."""
    try:
        with opened_version(folder) as (descriptor, path, version):
            at = str(path / manifests.NAME)
            data = read_small(manifests.NAME, at, inside=descriptor, limit=manifests.MAX_BYTES)
            current = manifests.parse(data, at)
    except BlocklistError:
        return None  # no store yet, or one that does not open and that this pack may repair
    if manifest.created_at < current.created_at and not allow_older:
        raise BlocklistError(
            f"{where} was built at {manifest.created}, before the current version ({current.created}), and lacks what "
            "was added since; get a newer one, or, if going back is what you want, say --allow-older"
        )
    return version


def _write_files(stream: BinaryIO, manifest: Manifest, folder: Path, where: str) -> VersionDraft:
    """Write the files of a pack, and make sure that nothing follows them."""
    draft = VersionDraft(folder)
    for name in sorted(manifest.files):
        entry = manifest.files[name]
        draft.write(name, partial(_copy, stream, entry.size, where))
        if draft.files.get(name) != entry:
            raise damaged(where, name)
    if stream.read(1):
        raise damaged(where, "something follows the last file: its end")
    return draft


def _copy(stream: BinaryIO, size: int, where: str, file: BinaryIO) -> None:
    while size:
        block = stream.read(min(size, _BLOCK))
        if not block:
            raise cut_off(where)
        file.write(block)
        size -= len(block)


def _opens(version: Path) -> bool:
    """Tell whether the store holds this very version already."""
    try:
        with opened_version(version) as (descriptor, where, name):
            verify(descriptor, where, name)
    except BlocklistError:
        return False
    return True
