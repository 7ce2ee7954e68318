from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode

from ingest_guard import BlocklistError, Guard, Policy
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.guard import credentials
from ingest_guard.guard.credentials import list_key, require_signer, without_keys
from ingest_guard.guard.transfer import pack_guard, unpack_guard

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = encode(drawn(2), "PNG")


def policy(folder: Path, **keys: Any) -> Policy:
    """Return a policy with some keys."""
    return Policy.model_validate({"blocklist": folder, **keys})


def test_without_a_key_there_is_none(tmp_path: Path) -> None:
    """A policy that names no key and no signer asks for nothing."""
    assert list_key(policy(tmp_path)) is None
    require_signer(policy(tmp_path), "0" * 64)


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
