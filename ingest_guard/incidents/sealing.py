"""Sealing: an incident, padded to one of three sizes, encrypted to the officers' public keys (age, by pyrage).

The crawler has public keys alone. Its own log is closed to it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ingest_guard.errors import BlocklistError, IncidentError
from ingest_guard.incidents.entry import Incident
from ingest_guard.policy.operation import is_recipient
from ingest_guard.signing.keys import read_private, read_public

SIZES = (1 << 10, 4 << 10, 16 << 10)
"""Bytes to which bodies are padded: the length of an entry says next to nothing about its addresses."""

_SECRET = "AGE-SECRET-KEY"  # noqa: S105 - how each private key begins
_RECIPIENT = "age1"
# Characters of a text and items of a list, tried one after the other until the body fits; the last fits always.
_LIMITS = ((8000, 50), (2000, 50), (500, 25), (1000, 3), (100, 3))
_DIGEST_LENGTH = 64
_LONGEST_ESCAPE = 6


class Sealer:
    """Seals incidents to recipients.

    Parameters
    ----------
    recipients
        ``age1...``, as :func:`read_recipients` returns them.

    Raises
    ------
    IncidentError
        pyrage is missing, or a recipient is malformed.
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        self._pyrage = _pyrage()
        try:
            self._recipients = [self._pyrage.x25519.Recipient.from_str(text) for text in recipients]
        except self._pyrage.RecipientError:
            raise IncidentError(
                "policy: key incidents.recipients has something that is not an age recipient: expected age1 and 58 "
                "more characters, as ingest-guard blocklist keygen --age FILE writes them to FILE.pub"
            ) from None

    def seal(self, incident: Incident) -> str:
        """Return the age ciphertext of an incident in base64."""
        encrypted: bytes = self._pyrage.encrypt(pad(incident), self._recipients)
        return base64.b64encode(encrypted).decode("ascii")


class Opener:
    """Opens what was sealed.

    Parameters
    ----------
    text
        Private keys (``AGE-SECRET-KEY-1...``), one on each line; empty lines and those that begin with
        ``#`` do not count.
    where
        Where they were read, for error texts.

    Raises
    ------
    IncidentError
        pyrage is missing, or there is no private key.
    """

    def __init__(self, text: str, where: str) -> None:
        self._pyrage = _pyrage()
        try:
            self._identities = [self._pyrage.x25519.Identity.from_str(line) for line in _lines(text)]
        except self._pyrage.IdentityError:
            self._identities = []
        if not self._identities:
            raise IncidentError(f"{where} holds no age identity, or something else too; expected {_SECRET}-1...")

    @classmethod
    def from_file(cls, path: Path | str) -> Opener:
        """Read the private keys from a file that its owner alone may read."""
        try:
            return cls(read_private(path).decode("ascii", "replace"), str(path))
        except BlocklistError as error:
            raise IncidentError(str(error)) from None

    def open(self, sealed: str) -> Incident:
        """Return the incident in the base64 of a line.

        Raises
        ------
        IncidentError
            It is sealed to others, damaged, or no incident.
        """
        try:
            body = self._pyrage.decrypt(base64.b64decode(sealed, validate=True), self._identities)
        except (binascii.Error, ValueError, self._pyrage.DecryptError):
            raise IncidentError(
                "an entry cannot be opened: it is sealed to other recipients than the identity given, or damaged"
            ) from None
        return Incident.from_json(body)


def read_recipients(named: Iterable[str]) -> list[str]:
    """Return the recipients of a policy: each is a recipient itself, or a file with one on each line.

    Raises
    ------
    IncidentError
        A file cannot be read, is writable by others, or names no recipient; a private key is in it.
    """
    found: list[str] = []
    for each in named:
        if each.upper().startswith(_SECRET):
            raise _has_secret("policy: key incidents.recipients")
        if is_recipient(each):
            found.append(each)
            continue
        try:
            text = read_public(each)
        except BlocklistError as error:
            raise IncidentError(f"policy: key incidents.recipients: {error}") from None
        if _SECRET in text.upper():
            raise _has_secret(each)
        lines = _lines(text)
        if not lines:
            raise IncidentError(f"{each} names no recipient; write one on each line, each beginning with {_RECIPIENT}")
        found += lines
    return found


def pad(incident: Incident) -> bytes:
    """Return the JSON of an incident, padded with spaces to one of :data:`SIZES`, and shortened where it is longer."""
    body = incident.to_json()
    for length, most in _LIMITS:
        if len(body) <= SIZES[-1]:
            break
        body = shorten(incident, length, most).to_json()
    size = next(size for size in SIZES if len(body) <= size)
    return body.encode("ascii").ljust(size)


def shorten(incident: Incident, length: int, most: int) -> Incident:
    """Return an incident with texts and lists that are no longer than that; `cut` names the fields that were longer.

    Parameters
    ----------
    incident
        It stays as it is.
    length
        Characters of a text, as JSON writes it.
    most
        Items of a list.
    """
    values = {each.name: getattr(incident, each.name) for each in fields(incident)}
    shortened = {name: _shortened(value, length, most) for name, value in values.items()}
    shortened["cut"] = tuple(name for name in values if shortened[name] != values[name])
    return replace(incident, **shortened)


def may_be_shortened(text: str) -> bool:
    """Return whether a text of a field in ``cut`` may lack its end: only some lengths can come of :func:`shorten`."""
    written = len(json.dumps(text)) - 2
    return not text.isascii() or any(0 <= length - written < _LONGEST_ESCAPE for length, _ in _LIMITS)


def _shortened(value: Any, length: int, most: int) -> Any:
    if type(value) is str:
        return _fitting(value, length)
    if isinstance(value, tuple):
        return tuple(_shortened(each, length, most) for each in value[:most])
    if isinstance(value, dict):
        return {key: _fitting(each, max(length, _DIGEST_LENGTH)) for key, each in list(value.items())[:most]}
    if is_dataclass(value) and not isinstance(value, type):
        inner = {each.name: _shortened(getattr(value, each.name), length, most) for each in fields(value)}
        return replace(value, **inner)
    return value


def _fitting(text: str, length: int) -> str:
    text, written = text[:length], len(json.dumps(text[:length])) - 2
    while written > length:
        text = text[: len(text) * length // written]
        written = len(json.dumps(text)) - 2
    return text


def _lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#")]


def _has_secret(where: str) -> IncidentError:
    return IncidentError(
        f"{where} holds a private key ({_SECRET}), which no machine that crawls may have: take it away, and name the "
        f"public half, which begins with {_RECIPIENT}"
    )


def _pyrage() -> ModuleType:
    try:
        import pyrage  # noqa: PLC0415 - an extra
    except ImportError:
        raise IncidentError(
            "the log of incidents needs pyrage, which is not installed: pip install 'ingest-guard[incidents]'"
        ) from None
    module: ModuleType = pyrage
    return module
