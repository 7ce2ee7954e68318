from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode

from ingest_guard import BlocklistError, Guard, Policy, PolicyError
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store.draft import point_to
from ingest_guard.blocklist.store.signatures import sign_store
from ingest_guard.blocklist.store.versions import current_version
from ingest_guard.dataset.recheck.plan import Opened, Plan
from ingest_guard.guard import credentials
from ingest_guard.guard.credentials import list_key, newest_versions, require_trusted, without_keys
from ingest_guard.guard.transfer import pack_guard, unpack_guard
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = encode(drawn(2), "PNG")


def policy(folder: Path, **keys: Any) -> Policy:
    """Return a policy with some keys."""
    return Policy.model_validate({"blocklist": folder, **keys})


def test_without_a_key_there_is_none(tmp_path: Path) -> None:
    """A policy that names no key, no signer and no folder asks for nothing, and writes nothing."""
    folder = make_blocklist(tmp_path / "b", {"l": [("md5", "0" * 31 + "1")]})
    before = set(tmp_path.rglob("*"))
    assert list_key(policy(folder)) is None
    require_trusted(policy(folder), Blocklist.open(folder))
    assert set(tmp_path.rglob("*")) == before


def test_variables_with_keys_are_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process gets the environment without those that a key was read from."""
    monkeypatch.setattr(credentials, "_VARIABLES", set())
    secret = secrets.token_hex(32)
    monkeypatch.setenv("OUR_KEY", secret)
    environment = {"OUR_KEY": secret, "PATH": "/bin"}
    assert without_keys(environment) == environment
    assert list_key(policy(tmp_path, list_key={"env": "OUR_KEY"})) == bytes.fromhex(secret)
    assert without_keys(environment) == {"PATH": "/bin"}


def test_a_variable_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    monkeypatch.setattr(credentials, "_VARIABLES", set())
    with pytest.raises(BlocklistError, match="ABSENT_KEY is not set"):
        list_key(policy(tmp_path, list_key={"env": "ABSENT_KEY"}))


def test_a_keyed_guard_and_its_twin(tmp_path: Path) -> None:
    """What one process matches, the other does; neither shows the key, nor does the policy that it hands on."""
    key = secrets.token_bytes(32)
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(key.hex())
    (tmp_path / "rows.txt").write_text(f"pdq {pdq_of(drawn(2))}\n")
    build(tmp_path / "b", [ListSource("l", "plain", tmp_path / "rows.txt")], key=key)
    guard = Guard.from_policy(policy(tmp_path / "b", list_key={"file": file}))
    twin = unpack_guard(pack_guard(guard, tmp_path / "b"))
    assert guard.check(IMAGE).matches == twin.check(IMAGE).matches != ()
    for text in (repr(guard), repr(vars(guard.policy)), guard.policy.to_json(), str(guard.attestation)):
        assert key.hex() not in text
        assert repr(key) not in text


def test_a_store_that_nobody_signed(tmp_path: Path) -> None:
    """Demanding a signer refuses it."""
    folder = make_blocklist(tmp_path / "b", {"l": [("md5", "0" * 31 + "1")]})
    with pytest.raises(BlocklistError, match="is not signed by a signer that is trusted here"):
        Guard.from_policy(policy(folder, signer=("0" * 62 + "01",)))


def _new_key(folder: Path) -> Any:
    keys.write_signing_key(folder / "signer")
    return keys.read_signing_key(folder / "signer")


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, list[str]]:
    """Make a store of two versions by one signer, the second of which is current; return it and their names."""
    key, folder, names = _new_key(tmp_path), tmp_path / "store", []
    for number in "12":
        make_blocklist(folder, {"l": [("md5", "0" * 31 + number)]})
        names.append(sign_store(folder, key)[0])
    return folder, names


def load(folder: Path, *lines: str) -> Policy:
    """Return the policy of a file beside the store."""
    file = folder.parent / "policy.yaml"
    file.write_text("".join(f"{line}\n" for line in (f"blocklist: {folder.name}", *lines)))
    return Policy.load(file)


@pytest.mark.parametrize(
    ("lines", "starts"),
    [
        (["signer: signer.pub"], False),
        (["signer: signer.pub", "state: elsewhere"], False),
        (["state: elsewhere"], False),
        (["signer: signer.pub", "state: none"], True),
        (["signer: signer.pub", "swap: {older: accept}"], True),
        ([], True),
        (["state: none"], True),
    ],
)
def test_a_store_that_is_pointed_back(signed: tuple[Path, list[str]], lines: list[str], *, starts: bool) -> None:
    """After a newer version was in use, an older one opens only where the policy says so, or asks for no signer."""
    folder, (first, second) = signed
    rules = load(folder, *lines)
    Guard.from_policy(rules)
    point_to(folder, first)
    if starts:
        assert Guard.from_policy(rules).version == first
        assert Guard.from_policy(rules).version == first
        return
    for remember in (False, True):
        with pytest.raises(BlocklistError, match=rf"version {first[:12]} .* is older than {second[:12]} .* remove /"):
            require_trusted(rules, Blocklist.open(folder), remember=remember)
    with pytest.raises(BlocklistError, match="is older than"):
        Guard.from_policy(rules)
    memory = newest_versions(rules)
    assert memory is not None
    memory.file.unlink()
    assert Guard.from_policy(rules).version == first


def test_a_version_that_the_policy_names_itself(signed: tuple[Path, list[str]]) -> None:
    """Such a policy has gone back on purpose: there is no pointer that another could move."""
    folder, (first, _) = signed
    Guard.from_policy(load(folder, "signer: signer.pub"))
    file = folder.parent / "policy.yaml"
    file.write_text(f"blocklist: {folder.name}/versions/{first}\nsigner: signer.pub\n")
    assert Guard.from_policy(Policy.load(file)).version == first


def test_a_version_that_cannot_be_used_is_not_remembered(signed: tuple[Path, list[str]]) -> None:
    """A guard that could not be made does not stand in the way of the version before."""
    folder, (first, second) = signed
    point_to(folder, first)
    Guard.from_policy(load(folder, "signer: signer.pub"))
    point_to(folder, second)
    with pytest.raises(PolicyError, match="absent"):
        Guard.from_policy(load(folder, "signer: signer.pub", "lists: {absent: {}}"))
    point_to(folder, first)
    assert Guard.from_policy(load(folder, "signer: signer.pub")).version == first


def test_a_damaged_memory_or_folder_stops_a_start(signed: tuple[Path, list[str]]) -> None:
    """No guard is made where it is unknown what was in use; without a memory there is nothing to damage."""
    folder, _ = signed
    rules = load(folder, "signer: signer.pub")
    Guard.from_policy(rules)
    memory = newest_versions(rules)
    assert memory is not None
    assert memory.file.parent == folder.parent / "ingest_guard_state"
    memory.file.write_text("{}")
    with pytest.raises(BlocklistError, match="cannot be read"):
        Guard.from_policy(rules)
    blocked = folder.parent / "file"
    blocked.touch()
    with pytest.raises(BlocklistError, match=r"cannot be remembered.*state: none"):
        Guard.from_policy(load(folder, "signer: signer.pub", "state: file/inner"))
    Guard.from_policy(load(folder, "signer: signer.pub", "state: none"))


@pytest.mark.parametrize("inner", ["store", "store/state", "store/versions/x"])
def test_a_memory_inside_the_store(signed: tuple[Path, list[str]], inner: str) -> None:
    """It would go back with the store."""
    with pytest.raises(BlocklistError, match="lies in the store itself"):
        Guard.from_policy(load(signed[0], "signer: signer.pub", f"state: {inner}"))


def test_a_policy_that_is_no_file(signed: tuple[Path, list[str]]) -> None:
    """Beside nothing there is no folder: a demand for a signer names one, or says none."""
    folder, _ = signed
    public = (folder.parent / "signer.pub").read_text().strip()
    with pytest.raises(BlocklistError, match="set state to a folder, or to none"):
        Guard.from_policy(policy(folder, signer=(public,)))
    assert Guard.from_policy(policy(folder, signer=(public,), state="none")).version == current_version(folder)
    Guard.from_policy(policy(folder, signer=(public,), state=folder.parent / "memory"))
    assert (folder.parent / "memory").is_dir()


def test_a_recheck_is_a_start(signed: tuple[Path, list[str]]) -> None:
    """An older version would clear what a newer one has found."""
    folder, (first, _) = signed
    rules = load(folder, "signer: signer.pub")
    Opened(Plan(rules, ()))
    point_to(folder, first)
    with pytest.raises(BlocklistError, match="is older than"):
        Opened(Plan(rules, ()))
