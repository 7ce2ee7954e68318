from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from blocklist.helpers import poke
from blocklist.packs import names, other_store, state

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import signatures
from ingest_guard.errors import BlocklistError
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

    from blocklist.helpers import Made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a signing key; return its file."""
    keys.write_signing_key(tmp_path / "signer")
    return tmp_path / "signer"


def public(path: Path) -> bytes:
    """Return the public half of a key."""
    return keys.read_public_key(keys.public_path(path))


def signature_file(made: Made) -> Path:
    """Return where the signatures of a made version stand."""
    return made.folder / "signatures" / f"{made.report.version}.sig"


def test_sign_and_require(made: Made, key: Path) -> None:
    """A version that was signed passes for who trusts the signer, by the store or by the version's own folder."""
    before = state(made.version_folder)
    version, made_by = signatures.sign_store(made.folder, keys.read_signing_key(key))
    assert (version, made_by.public_key) == (made.report.version, public(key))
    for folder in (made.folder, made.version_folder, str(made.folder)):
        signatures.require_signature(folder, version, [b"\1" * 32, public(key)])
    assert state(made.version_folder) == before
    assert signature_file(made).stat().st_mode & 0o7777 == 0o444


def test_not_signed_or_by_others(made: Made, key: Path) -> None:
    """No signature, another's signature, and nobody to trust are refused, saying what to do."""
    for _ in range(2):
        with pytest.raises(
            BlocklistError, match=r"is not signed by a signer that is trusted here.*blocklist sign .*store"
        ):
            signatures.require_signature(made.version_folder, made.report.version, [b"\1" * 32])
        signatures.sign_store(made.folder, keys.read_signing_key(key))
    with pytest.raises(BlocklistError, match="none is named"):
        signatures.require_signature(made.folder, made.report.version, [])
    with pytest.raises(BlocklistError, match="is not signed"):
        signatures.require_signature(made.folder, "0" * 64, [public(key)])


def test_several_signers(made: Made, key: Path, tmp_path: Path) -> None:
    """Each signer's signature is kept beside the others', once."""
    keys.write_signing_key(tmp_path / "second")
    for path in (key, tmp_path / "second", key):
        signatures.sign_store(made.folder, keys.read_signing_key(path))
    found = signatures.stored(made.folder, made.report.version)
    assert [each.public_key for each in found] == sorted([public(key), public(tmp_path / "second")])


def test_too_many_signers(made: Made, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More signers than a file can hold are a clear error."""
    monkeypatch.setattr(signatures, "MAX_SIGNATURES", 0)
    with pytest.raises(BlocklistError, match="1 signers are more than the 0"):
        signatures.sign_store(made.folder, keys.read_signing_key(key))


def test_any_changed_byte_of_a_signature_file_is_refused(made: Made, key: Path) -> None:
    """Wherever a byte of the file differs, even white space, nothing in it counts; signing anew repairs it."""
    signatures.sign_store(made.folder, keys.read_signing_key(key))
    path, trusted = signature_file(made), [public(key)]
    good = path.read_bytes()
    for position in range(len(good)):
        for by in (1, 0x20):
            bad = good[:position] + bytes([good[position] ^ by]) + good[position + 1 :]
            poke(path, lambda _, bad=bad: bad)
            with pytest.raises(BlocklistError, match="was changed or damaged"):
                signatures.require_signature(made.folder, made.report.version, trusted)
    for bad in (b"", good[:-1], good + b"\n", good.replace(b'": "', b'":"'), b"[" * 60_000, good * 200):
        poke(path, lambda _, bad=bad: bad)
        with pytest.raises(BlocklistError, match=r"damaged|bytes long"):
            signatures.require_signature(made.folder, made.report.version, trusted)
    signatures.sign_store(made.folder, keys.read_signing_key(key))
    assert path.read_bytes() == good


def test_signatures_of_another_version_or_order(made: Made, key: Path, tmp_path: Path) -> None:
    """A signature file under another version's name, or with signers out of order, is refused."""
    other_store(tmp_path / "other")
    keys.write_signing_key(tmp_path / "second")
    for path in (key, tmp_path / "second"):
        signatures.sign_store(made.folder, keys.read_signing_key(path))
        version, _ = signatures.sign_store(tmp_path / "other", keys.read_signing_key(path))
    content = json.loads(signature_file(made).read_bytes())
    content["signatures"].reverse()
    for bad in (
        (tmp_path / "other" / "signatures" / f"{version}.sig").read_bytes(),
        (json.dumps(content, sort_keys=True, indent=1) + "\n").encode(),
    ):
        poke(signature_file(made), lambda _, bad=bad: bad)
        with pytest.raises(BlocklistError, match="damaged"):
            signatures.require_signature(made.folder, made.report.version, [public(key)])


def test_signature_files_are_guarded_like_the_rest(made: Made, key: Path) -> None:
    """Links, and what others may write to, are refused."""
    signatures.sign_store(made.folder, keys.read_signing_key(key))
    path = signature_file(made)
    for guarded in (path, path.parent):
        mode = guarded.stat().st_mode & 0o777
        guarded.chmod(mode | 0o002)
        with pytest.raises(BlocklistError, match="chmod go-w"):
            signatures.require_signature(made.folder, made.report.version, [public(key)])
        guarded.chmod(mode)
        real = made.folder.parent / "real"
        guarded.rename(real)
        guarded.symlink_to(real)
        with pytest.raises(BlocklistError, match="symbolic link"):
            signatures.require_signature(made.folder, made.report.version, [public(key)])
        guarded.unlink()
        real.rename(guarded)
    signatures.require_signature(made.folder, made.report.version, [public(key)])


def test_only_what_verifies_is_signed(made: Made, key: Path, tmp_path: Path) -> None:
    """A damaged version is not signed, and where there is no store none is made."""
    private = keys.read_signing_key(key)
    poke(made.version_folder / "known.md5.bloom", lambda data: data[:-1] + b"\xff")
    with pytest.raises(BlocklistError, match="was changed"):
        signatures.sign_store(made.folder, private)
    assert not signature_file(made).exists()
    with pytest.raises(BlocklistError, match="does not exist"):
        signatures.sign_store(tmp_path / "nowhere", private)
    assert not (tmp_path / "nowhere").exists()


def test_signatures_of_versions_that_are_gone_go(made: Made, key: Path) -> None:
    """Signing clears away the signatures of versions that were removed, and nothing else."""
    signatures.sign_store(made.folder, keys.read_signing_key(key))
    notes = made.folder / "signatures" / "notes.txt"
    notes.write_text("mine", encoding="ascii")
    source = ListSource("known", "plain", made.folder.parent / "list.txt")
    version = build(made.folder, [source], keep=1).version
    signatures.sign_store(made.folder, keys.read_signing_key(key))
    assert names(made.folder / "signatures") == sorted([f"{version}.sig", "notes.txt"])


def test_signatures_that_cannot_be_written(made: Made, key: Path) -> None:
    """A file in the folder's place is a clear error."""
    (made.folder / "signatures").write_text("", encoding="ascii")
    with pytest.raises(BlocklistError, match="signatures cannot be written: File exists"):
        signatures.sign_store(made.folder, keys.read_signing_key(key))


def test_openssl_is_loaded_by_signatures_alone() -> None:
    """Importing what a crawl imports loads no OpenSSL: only a signature does."""
    program = (
        "import sys, ingest_guard.blocklist.store.signatures\n"
        "assert not {'cryptography', 'pyrage'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
