from __future__ import annotations

import base64
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from incidents.samples import FULL, IDENTITY, RECIPIENT
from pyrage import x25519

from ingest_guard.errors import IncidentError
from ingest_guard.incidents.entry import Addresses, Incident
from ingest_guard.incidents.sealing import SIZES, Opener, Sealer, pad, read_recipients


def test_the_recipient_opens_what_was_sealed() -> None:
    """Each recipient can open an entry; nothing of it is in the clear."""
    other = x25519.Identity.generate()
    sealed = Sealer([RECIPIENT, str(other.to_public())]).seal(FULL)
    for identity in (IDENTITY, other):
        assert Opener(f"# comment\n\n{identity}\n", "key").open(sealed) == FULL
    assert b"example" not in base64.b64decode(sealed)


def test_two_entries_of_other_lengths_look_alike() -> None:
    """Bodies have one of three lengths; age adds some bytes at random."""
    bare = replace(FULL, others=(), more_addresses=(), addresses=Addresses())
    sizes = (len(pad(replace(bare, host=host))) for host in (None, "h" * 1000, "h" * 5000))
    assert tuple(sizes) == SIZES
    assert len({len(pad(replace(bare, host="h" * size))) for size in (0, 1, 50)}) == 1


LONG = {
    "address": replace(FULL, addresses=Addresses("https://a.example/" + "x" * 60_000)),
    "redirects": replace(
        FULL, addresses=Addresses("https://a.example/", tuple("https://r.example/" + "y" * 900 for _ in range(90)))
    ),
    "controls": replace(FULL, addresses=Addresses("https://a.example/\x01" * 4000), host="\x7f\x00" * 900),
    "other scripts": replace(FULL, addresses=Addresses("https://a.example/" + "\U0001f600" * 9000)),
    "many": replace(
        FULL, more_addresses=tuple("https://m.example/" + "z" * 4000 for _ in range(200)), others=FULL.others * 200
    ),
    "fingerprints": replace(FULL, fingerprints={f"algorithm{n}": "0" * 512 for n in range(80)}),
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_too_long_is_shortened_and_says_so(name: str) -> None:
    """A body always fits the largest size, and names the fields that lost something."""
    padded = pad(LONG[name])
    found = Incident.from_json(padded)
    assert len(padded) in SIZES[1:]
    assert found.cut
    assert "digests" not in found.cut
    assert found.digests == FULL.digests
    assert (found.addresses.requested or "").startswith("https://a.example/")


def test_another_key_opens_nothing() -> None:
    """A wrong identity, a changed ciphertext and what is no base64 are errors without any content."""
    sealed = Sealer([RECIPIENT]).seal(FULL)
    *body, last = base64.b64decode(sealed)
    changed = base64.b64encode(bytes([*body, last ^ 1])).decode()
    wrong = Opener(str(x25519.Identity.generate()), "key")
    right = Opener(str(IDENTITY), "key")
    for opener, text in ((wrong, sealed), (right, changed), (right, "%"), (right, ""), (right, "é")):
        with pytest.raises(IncidentError, match="an entry cannot be opened"):
            opener.open(text)


def test_identities_are_read_from_a_private_file(tmp_path: Path) -> None:
    """A file that others can read is refused, and so is one without a private key."""
    path = tmp_path / "officer.key"
    path.write_text(str(IDENTITY))
    path.chmod(0o644)
    with pytest.raises(IncidentError, match="chmod 600"):
        Opener.from_file(path)
    path.chmod(0o600)
    assert Opener.from_file(path).open(Sealer([RECIPIENT]).seal(FULL)) == FULL
    path.write_text(RECIPIENT)
    with pytest.raises(IncidentError, match="holds no age identity"):
        Opener.from_file(path)


def test_recipients_are_keys_and_files(tmp_path: Path) -> None:
    """A recipient stands in the policy itself, or in a file with one on each line."""
    path = tmp_path / "recipients.txt"
    path.write_text(f"# officers\n\n{RECIPIENT}\n")
    assert read_recipients([RECIPIENT, str(path)]) == [RECIPIENT, RECIPIENT]


REFUSED = {
    "private key": (f"{RECIPIENT}\n{IDENTITY}\n", "private key"),
    "private key in small letters": (f"{RECIPIENT}\n# {str(IDENTITY).lower()}\n", "private key"),
    "empty": ("# nothing\n", "names no recipient"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_with_something_else_is_refused(name: str, tmp_path: Path) -> None:
    """No private key is ever on the crawler, and a file without recipients is a slip."""
    content, text = REFUSED[name]
    path = tmp_path / "recipients.txt"
    path.write_text(content)
    with pytest.raises(IncidentError, match=text) as caught:
        read_recipients([str(path)])
    assert str(IDENTITY) not in str(caught.value)


def test_what_is_no_recipient_is_refused(tmp_path: Path) -> None:
    """A file that is missing, a private key in the policy's place, a malformed recipient."""
    for named, text in (
        (str(tmp_path / "missing"), "cannot be opened"),
        (str(IDENTITY), "private key"),
    ):
        with pytest.raises(IncidentError, match=text):
            read_recipients([named])
    with pytest.raises(IncidentError, match="not an age recipient"):
        Sealer(["age1nothing"])


def test_without_pyrage_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(IncidentError, match=r"ingest-guard\[incidents\]"):
        Sealer([RECIPIENT])
