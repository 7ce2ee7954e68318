"""The services that can be asked, and the officer's file that switches them on by name.

::

    arachnid:
      user: {env: ARACHNID_USER}
      password: {env: ARACHNID_PASSWORD}
    our-hma:
      kind: hma
      url: http://127.0.0.1:5000
    photodna:
      kind: plugin          # an entry point in the group ingest_guard.second_opinions, called with the options
      options: {...}

Only PDQ hashes leave the machine, in batches.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ingest_guard._yaml import YAMLProblem, describe_errors, load_with_lines
from ingest_guard.errors import IncidentError
from ingest_guard.lists.fetch.errors import AnswerError, FetchError, RefusedError
from ingest_guard.lists.fetch.http import Http, Patience
from ingest_guard.lists.fetch.sources import SecretPlace, SoundUrl

GROUP = "ingest_guard.second_opinions"
_MODEL = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
_MOST_BYTES = 4 << 20
_LONGEST_WORDS = 80
_NO_MATCH = "no-known-match"
_PDQ_DIGITS = 64


class Answer(StrEnum):
    """What a service says of one hash. None of them releases anything."""

    KNOWN = "known"
    """It has the picture, or one that is near."""
    NOT_KNOWN = "not known"
    """It says that it has none. That is not "clean": it does not have every picture."""
    NONE = "no answer"
    """An error, an empty or an unreadable answer."""


class Opinion(NamedTuple):
    """An answer, and the service's own words for it, at most 80 printable characters."""

    answer: Answer
    words: str = ""


class Service(Protocol):
    """Something that can be asked. A plug-in is called with the ``options`` of the officer's file, and returns one."""

    batch: int
    """Hashes that may be asked for at a time."""

    def ask(self, hashes: Sequence[str], /) -> Mapping[str, Opinion]:
        """Return what is known of PDQ hashes, 64 hex digits each; one that is left out has no answer.

        Whatever is raised is "no answer" for all of them.
        """


class _Http(BaseModel):
    model_config = _MODEL

    url: SoundUrl
    batch: int = Field(50, ge=1, le=1000)
    timeout: float = Field(10, gt=0, le=600)
    attempts: int = Field(3, ge=1, le=10)
    wait: float = Field(1, ge=0, le=60)

    def patience(self) -> Patience:
        """How long to wait, and how often to try."""
        return Patience(timeout=self.timeout, attempts=self.attempts, wait=self.wait, most_bytes=_MOST_BYTES)


class ArachnidService(_Http):
    """Project Arachnid's Shield."""

    kind: Literal["arachnid"] = "arachnid"
    url: SoundUrl = "https://shield.projectarachnid.com"
    user: SecretPlace
    password: SecretPlace

    def open(self) -> Service:
        """Return what can be asked; SourcesError where a credential is missing."""
        pair = f"{self.user.read()}:{self.password.read()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "Content-Type": "application/json"}
        return _Arachnid(Http(self.url, headers=headers, patience=self.patience()), self.batch)


class HmaService(_Http):
    """Meta's Hasher-Matcher-Actioner, of one's own or somebody's."""

    kind: Literal["hma"] = "hma"
    token: SecretPlace | None = None

    def open(self) -> Service:
        """Return what can be asked; SourcesError where a credential is missing."""
        headers = {"Authorization": f"Bearer {self.token.read()}"} if self.token else {}
        return _Hma(Http(self.url, headers=headers, patience=self.patience()), self.batch)


class PluginService(BaseModel):
    """A plug-in, by the name of the service."""

    model_config = _MODEL

    kind: Literal["plugin"] = "plugin"
    options: dict[str, Any] = Field(default_factory=dict)


_Named = Annotated[ArachnidService | HmaService | PluginService, Field(discriminator="kind")]
_FILE: TypeAdapter[dict[str, _Named]] = TypeAdapter(
    Annotated[dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")], _Named], Field(min_length=1)]
)


def read_services(path: Path) -> dict[str, Service]:
    """Return the services that a file switches on, by name.

    Raises
    ------
    IncidentError
        The file cannot be read, or says something that it must not; there is no such plug-in, or it cannot be made.
    SourcesError
        A credential is missing.
    """
    try:
        document, lines = load_with_lines(path)
        if isinstance(document, dict):
            document = {name: _with_kind(name, each) for name, each in document.items()}
        named = _FILE.validate_python(document)
    except OSError as error:
        raise IncidentError(f"services {path}: cannot be read ({error.strerror}); check the path") from None
    except YAMLProblem as error:
        raise IncidentError(f"services {path}: {error}") from None
    except ValidationError as error:
        raise IncidentError(f"services {path}: {'; '.join(describe_errors(error, lines))}") from None
    return {
        name: _plugin(name, each) if isinstance(each, PluginService) else each.open() for name, each in named.items()
    }


def _with_kind(name: Any, said: Any) -> Any:
    """Return a service's keys with its kind: its name, where nothing is said and that is one."""
    known = {"arachnid", "hma"}
    return {"kind": name, **said} if isinstance(said, dict) and "kind" not in said and name in known else said


def _plugin(name: str, said: PluginService) -> Service:
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise IncidentError(f"there is no service {name!r}; installed plug-ins: {', '.join(sorted(points)) or 'none'}")
    try:
        made: Service = points[name].load()(**said.options)
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises; its text may have a credential in it
        raise IncidentError(f"the plug-in {name} cannot be made: {type(error).__name__}") from None
    return made


class _Arachnid:
    """``POST /v1/pdq``: ``{"hashes": [base64, ...]}`` -> ``{"scanned_hashes": {base64: {"classification": ...}}}``."""

    def __init__(self, http: Http, batch: int) -> None:
        self._http, self.batch = http, batch

    def ask(self, hashes: Sequence[str], /) -> dict[str, Opinion]:
        """Return what Shield says."""
        coded = {base64.b64encode(bytes.fromhex(each)).decode(): each for each in hashes}
        body = json.dumps({"hashes": list(coded)}).encode()
        found = self._http.ask(f"{self._http.base}/v1/pdq", lambda answer: _object(answer).get("scanned_hashes"), body)
        if not isinstance(found, dict):
            return {}
        return {coded[key]: _classified(said) for key, said in found.items() if key in coded}


def _classified(said: Any) -> Opinion:
    classification = said.get("classification") if isinstance(said, dict) else None
    if not isinstance(classification, str) or not classification:
        return Opinion(Answer.NONE)
    if classification == _NO_MATCH:
        return Opinion(Answer.NOT_KNOWN)
    kind = said.get("match_type")
    return Opinion(Answer.KNOWN, shortened(f"{classification}, {kind}" if isinstance(kind, str) else classification))


class _Hma:
    """``GET /m/lookup?signal_type=pdq&signal=HEX``: the banks that have it; one hash at a time."""

    def __init__(self, http: Http, batch: int) -> None:
        self._http, self.batch = http, batch

    def ask(self, hashes: Sequence[str], /) -> dict[str, Opinion]:
        """Return what the instance says; a fault with one hash is no answer for that one."""
        found = {}
        for each in hashes:
            query = urlencode({"signal_type": "pdq", "signal": each})
            try:
                found[each] = self._http.ask(f"{self._http.base}/m/lookup?{query}", _banks)
            except RefusedError:
                break
            except FetchError:
                continue
        return found


def _banks(answer: bytes) -> Opinion:
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise AnswerError("an answer that is no JSON") from None
    if isinstance(said, dict):
        if not all(isinstance(matches, list) for matches in said.values()):
            return Opinion(Answer.NONE)
        said = [bank for bank, matches in said.items() if matches]
    if not isinstance(said, list) or not all(isinstance(bank, str) for bank in said):
        return Opinion(Answer.NONE)
    return Opinion(Answer.KNOWN, shortened(", ".join(said))) if said else Opinion(Answer.NOT_KNOWN)


def _object(answer: bytes) -> dict[str, Any]:
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        raise AnswerError("an answer that is no JSON") from None
    if not isinstance(said, dict):
        raise AnswerError("an answer that is no object")
    return said


def shortened(text: str) -> str:
    """Return the words of a service as the journal keeps them: at most 80 printable characters."""
    return "".join(each if each.isprintable() else "?" for each in text)[:_LONGEST_WORDS]
