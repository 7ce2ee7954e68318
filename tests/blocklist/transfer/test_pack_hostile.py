from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist.packs import by_hand, contents, edited, other_store, state
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer import pack as packs
from ingest_guard.blocklist.transfer import unpack as unpacks
from ingest_guard.blocklist.transfer.pack import Header, pack, read_header
from ingest_guard.blocklist.transfer.unpack import unpack
from ingest_guard.errors import BlocklistError
from ingest_guard.signing import keys
from ingest_guard.signing.signature_file import BLOCKLIST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blocklist.helpers import Made


@pytest.fixture(autouse=True)
def without_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk: hundreds of packs are tried, and no power fails in between."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Build a store that must stay as it is."""
    other_store(tmp_path / "there")
    return tmp_path / "there"


@pytest.fixture
def refused(there: Path, tmp_path: Path) -> Callable[..., str]:
    """Try to unpack bytes: return the error, having made sure that the store is as it was."""
    before = state(there)

    def try_it(data: bytes, **options: Any) -> str:
        file = tmp_path / "tried.igpack"
        file.write_bytes(data)
        with pytest.raises(BlocklistError) as caught:
            unpack(file, there, allow_older=True, **options)
        assert state(there) == before
        return str(caught.value)

    return try_it


@pytest.fixture(params=["plain", "signed", "encrypted"])
def packed(request: pytest.FixtureRequest, made: Made, tmp_path: Path) -> tuple[bytes, dict[str, Any]]:
    """Pack a store in each way; return the pack and the options that open it."""
    out, options = tmp_path / "good.igpack", {}
    if request.param == "signed":
        keys.write_signing_key(tmp_path / "signer")
        pack(made.folder, out, sign_key=tmp_path / "signer")
    elif request.param == "encrypted":
        pack(made.folder, out, recipients=[encryption.write_identity(tmp_path / "age")[1]])
        options = {"identities": tmp_path / "age"}
    else:
        pack(made.folder, out)
    return out.read_bytes(), options


def test_any_changed_byte_is_refused(
    packed: tuple[bytes, dict[str, Any]], refused: Callable[..., str], there: Path, tmp_path: Path
) -> None:
    """Wherever one byte of a pack differs, it is refused and the store stays as it was."""
    data, options = packed
    rng = np.random.default_rng(5)
    positions = sorted({*range(160), *rng.integers(0, len(data), 240).tolist(), *range(len(data) - 20, len(data))})
    for position in positions:
        by = int(rng.integers(1, 256))
        refused(data[:position] + bytes([data[position] ^ by]) + data[position + 1 :], **options)
    unpack(tmp_path / "good.igpack", there, allow_older=True, **options)


def test_any_truncation_or_addition_is_refused(
    packed: tuple[bytes, dict[str, Any]], refused: Callable[..., str]
) -> None:
    """A pack that ends anywhere too early, or goes on after its end, is refused."""
    data, options = packed
    rng = np.random.default_rng(6)
    for size in sorted({*range(0, 300, 7), *rng.integers(0, len(data), 100).tolist(), len(data) - 1}):
        assert "tried.igpack" in refused(data[:size], **options)
    for more in (b"\0", b"x" * 70_000, data):
        assert "tried.igpack" in refused(data + more, **options)


def test_encrypted_and_cut_at_a_block(made: Made, tmp_path: Path, refused: Callable[..., str]) -> None:
    """An encrypted pack that ends where a block of its encryption ends is cut off all the same."""
    manifest, files = contents(made.version_folder)
    plain = io.BytesIO(by_hand(manifest, files, more=b"x" * (3 << 16)))
    target = io.BytesIO()
    encryption.encrypt(plain, target, [encryption.write_identity(tmp_path / "age")[1]])
    data = target.getvalue()
    start = data.index(b"\n", data.index(b"\n---") + 1) + 1 + 16
    text = refused(data[: start + 65536 + 16], identities=tmp_path / "age")
    assert "damaged or cut off: its encryption does not add up" in text or "something follows" in text


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/tmp/evil",  # noqa: S108 - that is the attack
        "a/b",
        "..",
        ".",
        ".lock",
        "",
        "a\\b",
        "a\u0000b",
        "evil\n",
        "x" * 300,
        "ünicode",
        "manifest.json",
        "Manifest.JSON",
        "KNOWN.MD5.bloom",
    ],
)
def test_no_name_leads_out(made: Made, tmp_path: Path, refused: Callable[..., str], name: str) -> None:
    """A name that is a path, hidden, too long, or the manifest's own is refused before anything is written."""
    manifest, files = contents(made.version_folder)

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {name if key == "pdq.owners.npy" else key: rename(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [rename(inner) for inner in value]
        return name if value == "pdq.owners.npy" else value

    def change(document: dict[str, Any]) -> None:
        document.update(rename(document))

    there = {path.name for path in tmp_path.iterdir()} | {"tried.igpack"}
    files[name] = files.pop("pdq.owners.npy")
    text = refused(by_hand(edited(manifest, change), files))
    assert "manifest in" in text
    assert {path.name for path in tmp_path.iterdir()} == there


def test_declared_sizes(made: Made, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A size of an exabyte is refused before anything is written, as is none; another than the file's is found out."""
    manifest, files = contents(made.version_folder)
    with monkeypatch.context() as patched:
        patched.delattr(unpacks, "_write_files")
        for size, text in ((1 << 60, "cut off"), (0, "names a file that no version has"), (-1, "not a manifest")):
            changed = edited(manifest, lambda m, size=size: m["files"]["known.md5.bloom"].update(size=size))
            assert text in refused(by_hand(changed, files))
    for by in (-1, 1):
        changed = edited(manifest, lambda m, by=by: _grow(m["files"]["known.md5.bloom"], by))
        assert "known.md5.bloom" in refused(by_hand(changed, files, more=b"x" * 10))


def _grow(entry: dict[str, int], by: int) -> None:
    entry["size"] += by


def test_files_twice_or_that_nobody_knows(made: Made, refused: Callable[..., str]) -> None:
    """A name that stands twice, content that comes twice, and a file that belongs to no list are refused."""
    manifest, files = contents(made.version_folder)
    name = "known.md5.bloom"
    entry = {"size": 1, "sha256": "0" * 64}
    doubled = manifest.replace(b'"files": {', b'"files": {"%s": %s,' % (name.encode(), json.dumps(entry).encode()))
    assert "is not as it was packed" in refused(by_hand(doubled, {**files, "known.md5.bloom2": files[name]}))
    extra = edited(manifest, lambda m: m["files"].update({"extra.npy": dict(m["files"][name])}))
    assert "not a manifest" in refused(by_hand(extra, {**files, "extra.npy": files[name]}))


def test_other_archives_are_no_packs(made: Made, refused: Callable[..., str]) -> None:
    """A tar of a version, with its links and paths and owners, is refused by its first bytes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("manifest.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert "is not a pack" in refused(target.getvalue())
    assert "is not a pack" in refused(b"-----BEGIN AGE ENCRYPTED FILE-----\n")


def test_headers_beyond_measure(made: Made, refused: Callable[..., str]) -> None:
    """A later format, thousands of signatures and a manifest of gigabytes are refused from the header alone."""
    manifest, files = contents(made.version_folder)
    data = by_hand(manifest, files)
    assert "format 2, and this release reads 1" in refused(data[:8] + b"\0\2" + data[10:])
    assert "its header is not" in refused(data[:10] + b"\xff\xff" + data[12:])
    assert "its header is not" in refused(data[:12] + b"\xff\xff\xff\xff" + data[16:])


def test_signatures_that_do_not_hold(made: Made, tmp_path: Path, refused: Callable[..., str]) -> None:
    """A signature of another version, two by one key, and any order but the one are refused, asked for or not."""
    keys.write_signing_key(tmp_path / "a")
    keys.write_signing_key(tmp_path / "b")
    signers = [keys.read_signing_key(tmp_path / name) for name in "ab"]
    manifest, files = contents(made.version_folder)
    rest = by_hand(manifest, files)[48:]
    version = made.report.version
    good = sorted(BLOCKLIST.sign(version, key) for key in signers)
    for found in ([BLOCKLIST.sign("0" * 64, signers[0])], [good[0], good[0]], good[::-1]):
        header = Header(version, tuple(found), b"").to_bytes()
        header = header[:12] + len(manifest).to_bytes(4, "big") + header[16:]
        assert "a signature is not as it was packed" in refused(header + rest)


@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda data: packs.MAGIC + data))
def test_the_header_parser_takes_any_bytes(data: bytes) -> None:
    """Any bytes at all are a header, or a BlocklistError."""
    with pytest.raises(BlocklistError):
        read_header(io.BytesIO(data), "it")


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_headers_round_trip(manifest: bytes, more: bytes) -> None:
    """What a header was written from is what is read, and no byte of what follows is touched."""
    header = Header(packs.manifests.version_of(manifest), (), manifest)
    file = io.BytesIO(header.to_bytes() + more)
    assert read_header(file, "it") == header
    assert file.read() == more
