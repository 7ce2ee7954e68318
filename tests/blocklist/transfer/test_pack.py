from __future__ import annotations

import fcntl
import hashlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
from blocklist.helpers import poke
from blocklist.packs import by_hand, contents, edited, names, other_store, state

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import signatures, versions
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer import unpack as unpacks
from ingest_guard.blocklist.transfer.pack import pack
from ingest_guard.blocklist.transfer.unpack import unpack
from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

    from blocklist.helpers import Made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where packs go: a folder of their own."""
    (tmp_path / "packs").mkdir()
    return tmp_path / "packs" / "known.igpack"


def identity(path: Path) -> str:
    """Make an age identity; return its recipient."""
    return encryption.write_identity(path)[1]


def test_round_trip(made: Made, out: Path, tmp_path: Path) -> None:
    """What was packed comes out with the same bytes, modes and version, is current, and finds what it found."""
    packed = pack(made.folder, out)
    assert packed.version == made.report.version
    assert (packed.size, packed.recipients, packed.signers) == (out.stat().st_size, 0, ())
    report = unpack(out, tmp_path / "there")
    assert (report.version, report.previous, report.lists, report.removed) == (packed.version, None, 1, ())
    assert state(tmp_path / "there") == state(made.folder)
    with Blocklist.open(tmp_path / "there") as blocklist:
        assert blocklist.match_exact({"md5": made.md5[3]}) == [("known", "md5")]


def test_a_plain_pack_is_one_persons_and_always_the_same(made: Made, out: Path) -> None:
    """Nobody but the owner may read it; a second pack of the version has the same bytes; nothing else is left."""
    pack(made.folder, out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    pack(made.version_folder, out.with_name("again"))
    assert out.read_bytes() == out.with_name("again").read_bytes()
    assert names(out.parent) == ["again", "known.igpack"]


def test_encrypted_to_two_each_opens_it(made: Made, out: Path, tmp_path: Path) -> None:
    """Each recipient's identity opens the pack, among others in its file; nobody else's does."""
    recipients = [identity(tmp_path / name) for name in ("one", "two", "three")]
    pack(made.folder, out, recipients=recipients[:2])
    assert out.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"known" not in out.read_bytes()
    both = tmp_path / "both"
    both.write_text("# mine\n\n" + (tmp_path / "three").read_text() + (tmp_path / "two").read_text(), encoding="ascii")
    both.chmod(0o600)
    for name in ("one", "two", "both"):
        unpack(out, tmp_path / f"store-{name}", identities=tmp_path / name)
        assert state(tmp_path / f"store-{name}") == state(made.folder)
    with pytest.raises(BlocklistError, match=r"cannot be decrypted: it is for other recipients"):
        unpack(out, tmp_path / "never", identities=tmp_path / "three")
    assert state(tmp_path / "never") == {}


def test_a_large_encrypted_pack(made: Made, out: Path, tmp_path: Path) -> None:
    """Many blocks of encryption and of the pipe behind it pass, whoever is faster."""
    manifest, files = contents(made.version_folder)
    source = tmp_path / "big"
    source.write_bytes(by_hand(manifest, files, more=os.urandom(3 << 20)))
    recipient = identity(tmp_path / "key")
    with source.open("rb") as plain, out.open("wb") as target:
        encryption.encrypt(plain, target, [recipient])
    with out.open("rb") as raw, encryption.decrypted(raw, tmp_path / "key", "it") as stream:
        assert stream.read() == source.read_bytes()
    # Left early: the thread that decrypts ends too.
    with out.open("rb") as raw, encryption.decrypted(raw, tmp_path / "key", "it") as stream:
        assert stream.read(10) == source.read_bytes()[:10]


def test_a_keyed_blocklist_travels_without_its_key(out: Path, tmp_path: Path) -> None:
    """Packing and unpacking need no key of a keyed list, and it still opens with that key alone."""
    (tmp_path / "list.txt").write_text(f"md5 {'ab12' * 8}\n", encoding="ascii")
    build(tmp_path / "sealed", [ListSource("mine", "plain", tmp_path / "list.txt")], key=b"k" * 32)
    pack(tmp_path / "sealed", out)
    version = unpack(out, tmp_path / "there").version
    with Blocklist.open(tmp_path / "there", key=b"k" * 32) as blocklist:
        assert blocklist.version == version
        assert blocklist.match_exact({"md5": "ab12" * 8})
    with pytest.raises(BlocklistError, match="sealed"):
        Blocklist.open(tmp_path / "there")


def test_identity_or_none(made: Made, out: Path, tmp_path: Path) -> None:
    """An encrypted pack asks for an identity; a plain one with an identity is not what it should be."""
    recipient = identity(tmp_path / "key")
    pack(made.folder, out, recipients=[recipient])
    with pytest.raises(BlocklistError, match="is encrypted; name the file"):
        unpack(out, tmp_path / "there")
    pack(made.folder, out)
    with pytest.raises(BlocklistError, match="is not an encrypted pack"):
        unpack(out, tmp_path / "there", identities=tmp_path / "key")


@pytest.mark.parametrize("text", ["", "# nothing\n", "AGE-SECRET-KEY-1\n", "age1abc\n", "\xff\n"])
def test_files_without_an_identity(made: Made, out: Path, tmp_path: Path, text: str) -> None:
    """A file that holds no age identity is refused, without a word of what it holds."""
    pack(made.folder, out, recipients=[identity(tmp_path / "key")])
    other = tmp_path / "other"
    other.write_text(text, encoding="latin-1")
    other.chmod(0o600)
    with pytest.raises(BlocklistError, match=r"other holds no age identity, or something else too; expected lines"):
        unpack(out, tmp_path / "there", identities=other)


def test_identities_of_all_the_world_are_refused(made: Made, out: Path, tmp_path: Path) -> None:
    """A secret that others may read is no secret: refused, saying what to type."""
    pack(made.folder, out, recipients=[identity(tmp_path / "key")])
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(BlocklistError, match=r"mode 0640\): chmod 600"):
        unpack(out, tmp_path / "there", identities=tmp_path / "key")


def test_recipients(made: Made, out: Path, tmp_path: Path) -> None:
    """Recipients come from a file too, as keygen writes it; what is no recipient writes no pack."""
    recipient = identity(tmp_path / "key")
    assert encryption.read_recipients(tmp_path / "key.pub") == [recipient]
    with pytest.raises(BlocklistError, match="one of the recipients is not an age recipient"):
        pack(made.folder, out, recipients=[recipient, recipient[:-1]])
    assert names(out.parent) == []
    (tmp_path / "nobody").write_text("# none\n", encoding="ascii")
    with pytest.raises(BlocklistError, match="names no recipient"):
        encryption.read_recipients(tmp_path / "nobody")


def test_without_pyrage(made: Made, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, plain packs work and encrypted ones say what to install."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(BlocklistError, match=r"pip install 'ingest-guard\[incidents\]'"):
        pack(made.folder, out, recipients=["age1"])
    assert pack(made.folder, out).files


def test_signed(made: Made, out: Path, tmp_path: Path) -> None:
    """Signatures travel with the version, by the packer and from the store, and any one trusted signer is enough."""
    public = {}
    for name in ("mine", "theirs", "stranger"):
        public[name] = keys.read_public_key(keys.write_signing_key(tmp_path / name)[0])
    signatures.sign_store(made.folder, keys.read_signing_key(tmp_path / "mine"))
    report = pack(made.folder, out, sign_key=tmp_path / "theirs")
    assert set(report.signers) == {public["mine"].hex(), public["theirs"].hex()}
    assert [each.public_key for each in signatures.stored(made.folder, report.version)] == [public["mine"]]
    there = tmp_path / "there"
    with pytest.raises(
        BlocklistError, match=r"not signed by a signer that is trusted here \(signatures of others: 2\)"
    ):
        unpack(out, there, signers=[public["stranger"]])
    assert state(there) == {}
    unpacked = unpack(out, there, signers=[public["stranger"], public["theirs"]])
    assert unpacked.signers == report.signers
    for trusted in ("mine", "theirs"):
        signatures.require_signature(there, report.version, [public[trusted]])


def test_unsigned_is_refused_where_a_signer_is_demanded(made: Made, out: Path, tmp_path: Path) -> None:
    """A pack without any signature is refused before anything of it is written."""
    pack(made.folder, out)
    key = keys.read_public_key(keys.write_signing_key(tmp_path / "key")[0])
    with pytest.raises(BlocklistError, match="signatures of others: 0"):
        unpack(out, tmp_path / "there", signers=[key])
    assert state(tmp_path / "there") == {}


def test_a_damaged_version_is_not_packed(made: Made, out: Path) -> None:
    """Whatever byte of whatever file is wrong, the pack is not written and an earlier one stays."""
    out.write_bytes(b"earlier")
    for path in sorted(made.version_folder.iterdir()):
        before = path.read_bytes()
        for after in (before[:-1], before + b"x", before[:-1] + bytes([before[-1] ^ 1])):
            poke(path, lambda _, after=after: after)
            with pytest.raises(BlocklistError, match=rf"{path.name}.*blocklist build"):
                pack(made.folder, out)
        poke(path, lambda _, before=before: before)
    assert out.read_bytes() == b"earlier"
    assert names(out.parent) == [out.name]
    recipient = identity(out.parent / "key")
    poke(made.version_folder / "known.md5.bloom", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BlocklistError, match=r"known.md5.bloom was changed"):
        pack(made.folder, out, recipients=[recipient])


def test_a_file_that_shrinks_while_it_is_packed(made: Made, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that comes too early is noticed too."""
    monkeypatch.setattr("ingest_guard.blocklist.transfer.pack.os.read", lambda *_: b"")
    with pytest.raises(BlocklistError, match="was changed"):
        pack(made.folder, out)


def test_places_that_cannot_be_written(made: Made, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a missing folder and a full disk are clear errors, and leave nothing behind."""
    with pytest.raises(BlocklistError, match=r"packs is a folder; name a file"):
        pack(made.folder, out.parent)
    with pytest.raises(BlocklistError, match=r"cannot be written: No such file"):
        pack(made.folder, out.parent / "missing" / "x")

    with pytest.raises(BlocklistError, match=r"cannot be written: Not a directory"):
        pack(made.folder, made.folder / "current" / "x")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(BlocklistError, match=r"cannot be written: No space left"):
            pack(made.folder, out)
    monkeypatch.setattr("ingest_guard.blocklist.transfer.pack.os.read", full)
    with pytest.raises(BlocklistError, match=r"store.*cannot be read: No space left"):
        pack(made.folder, out)
    assert names(out.parent) == []


@pytest.mark.parametrize("size", [10, 60_000, 300_000])
def test_a_disk_that_is_full_while_encrypting(tmp_path: Path, size: int) -> None:
    """Whichever write fails, the first or the last, that comes out: no encrypted file lacks its end unnoticed."""

    class Disk(io.BytesIO):
        def __init__(self, room: int) -> None:
            super().__init__()
            self.room = room
            self.writes = 0

        def write(self, data: Any) -> int:
            # Counted in writes: headers are of random length.
            if self.writes == self.room:
                raise OSError(28, "No space left on device")
            self.writes += 1
            return super().write(data)

    recipient = identity(tmp_path / "key")
    whole = Disk(-1)
    encryption.encrypt(io.BytesIO(b"x" * size), whole, [recipient])
    for room in range(whole.writes):
        with pytest.raises(OSError, match="No space left on device"):
            encryption.encrypt(io.BytesIO(b"x" * size), Disk(room), [recipient])


def test_leftovers_of_killed_packers_go(made: Made, out: Path) -> None:
    """The next pack of a name removes what a killed one left; not one that is being written, nor anything else."""
    left, at_work, link = (out.with_name(f".known.igpack.{number}.part") for number in (1, 2, 3))
    other = out.with_name(".other.igpack.1.part")
    for path in (left, at_work, other):
        path.write_bytes(b"half")
    link.symlink_to(other)
    with at_work.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pack(made.folder, out)
    assert names(out.parent) == sorted([at_work.name, link.name, other.name, out.name])


def test_two_packers_of_one_name(made: Made, out: Path) -> None:
    """Neither takes the other's half pack for a leftover; the last one to be whole has the name."""
    with whole_file(out, 0o600) as slow:
        pack(made.folder, out)
        slow.write(b"slow")
    assert out.read_bytes() == b"slow"
    assert names(out.parent) == [out.name]


def test_the_older_version_needs_a_word(made: Made, out: Path, tmp_path: Path) -> None:
    """A pack of a version older than the current one is refused: it lacks what was added; unless asked for."""
    pack(made.folder, out)
    newer = other_store(tmp_path / "newer")
    pack(tmp_path / "newer", out.with_name("newer"))
    there = tmp_path / "there"
    unpack(out, there)
    assert unpack(out.with_name("newer"), there).previous == made.report.version
    before = state(there)
    with pytest.raises(BlocklistError, match=r"was built at .* before the current version .* --allow-older"):
        unpack(out, there)
    assert state(there) == before
    assert versions.current_version(there) == newer
    unpack(out, there, allow_older=True)
    assert versions.current_version(there) == made.report.version
    assert set(versions.versions(there)) == {newer, made.report.version}


def test_a_version_from_the_future_is_refused(made: Made, out: Path, tmp_path: Path) -> None:
    """A version that claims to be of next year would shut out all others: refused before anything is written."""
    manifest, files = contents(made.version_folder)
    out.write_bytes(by_hand(edited(manifest, lambda m: m.update(created="9000-01-01T00:00:00.000000Z")), files))
    with pytest.raises(BlocklistError, match="in the future"):
        unpack(out, tmp_path / "there")
    assert state(tmp_path / "there") == {}


def test_the_same_again(made: Made, out: Path, tmp_path: Path) -> None:
    """Unpacking what is current already changes nothing."""
    pack(made.folder, out)
    unpack(out, tmp_path / "there")
    before = state(tmp_path / "there")
    inode = (tmp_path / "there" / "versions" / made.report.version).stat().st_ino
    assert unpack(out, tmp_path / "there").previous == made.report.version
    assert state(tmp_path / "there") == before
    assert (tmp_path / "there" / "versions" / made.report.version).stat().st_ino == inode


def test_a_damaged_store_is_repaired(made: Made, out: Path) -> None:
    """Unpacking the version that was damaged puts it right."""
    pack(made.folder, out)
    before = state(made.folder)
    poke(made.version_folder / "known.md5.bloom", lambda data: data[:-1])
    with pytest.raises(BlocklistError):
        Blocklist.open(made.folder)
    unpack(out, made.folder)
    assert state(made.folder) == before
    poke(made.version_folder / "manifest.json", lambda _: b"{}")
    unpack(out, made.folder)
    assert state(made.folder) == before


def test_versions_and_their_signatures_are_retained(made: Made, out: Path, tmp_path: Path) -> None:
    """As many versions as asked for stay; the signatures of those that went go too."""
    keys.write_signing_key(tmp_path / "key")
    there = tmp_path / "there"
    source = ListSource("known", "plain", tmp_path / "list.txt")
    built = []
    for _ in range(3):
        built.append(build(made.folder, [source]).version)
        pack(made.folder, out, sign_key=tmp_path / "key")
        report = unpack(out, there, keep=2)
    assert report.removed == (built[0],)
    assert versions.versions(there) == [built[2], built[1]]
    assert {path.stem for path in (there / "signatures").iterdir()} == set(built[1:])


def test_a_version_that_does_not_open_never_gets_in(made: Made, out: Path, tmp_path: Path) -> None:
    """A pack that agrees with itself, but not with what such files must be, is refused; the store stays as it was."""
    manifest, files = contents(made.version_folder)
    name = "known.md5.bloom"
    files[name] = b"x" * len(files[name])
    digest = hashlib.sha256(files[name]).hexdigest()
    out.write_bytes(by_hand(edited(manifest, lambda m: m["files"][name].update(sha256=digest)), files))
    there = tmp_path / "there"
    other_store(there)
    before = state(there)
    with pytest.raises(BlocklistError, match=name):
        unpack(out, there, allow_older=True)
    assert state(there) == before


def test_a_store_in_use_or_unsafe_is_refused(made: Made, out: Path, tmp_path: Path) -> None:
    """Another builder at work, a store open to others, and a version's own folder are clear errors."""
    pack(made.folder, out)
    with (made.folder / ".lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlocklistError, match="another build is at work"):
            unpack(out, made.folder)
    with pytest.raises(BlocklistError, match="is a version of a blocklist"):
        unpack(out, made.version_folder)
    made.folder.chmod(0o777)
    with pytest.raises(BlocklistError, match="chmod go-w"):
        unpack(out, made.folder)


def test_a_full_disk(made: Made, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle, the store is as it was and the error says so."""
    pack(made.folder, out)
    other_store(tmp_path / "there")
    before = state(tmp_path / "there")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(unpacks, "_copy", full)
    with pytest.raises(BlocklistError, match="No space left on device; the blocklist was left as it was"):
        unpack(out, tmp_path / "there", allow_older=True)
    assert state(tmp_path / "there") == before


def test_a_manifest_keeps_its_bytes(made: Made, out: Path, tmp_path: Path) -> None:
    """A manifest that another release spelt otherwise keeps its spelling, and so its name and signatures."""
    manifest, files = contents(made.version_folder)
    spelt = manifest.replace(b"\n ", b"\n    ")
    out.write_bytes(by_hand(spelt, files))
    report = unpack(out, tmp_path / "there")
    assert (tmp_path / "there" / "versions" / report.version / "manifest.json").read_bytes() == spelt
    assert Blocklist.open(tmp_path / "there").version == report.version != made.report.version


def test_what_is_no_pack(made: Made, tmp_path: Path) -> None:
    """A missing file, a folder, an empty file and any other file are clear errors."""
    (tmp_path / "empty").write_bytes(b"")
    for name, text in (("missing", "No such file"), ("store", "Is a directory"), ("empty", "is not a pack")):
        with pytest.raises(BlocklistError, match=text):
            unpack(tmp_path / name, tmp_path / "there")
    with pytest.raises(BlocklistError, match=r"list.txt is not a pack; name a file that"):
        unpack(tmp_path / "list.txt", tmp_path / "there")
    assert not (tmp_path / "there").exists()
