"""The file of sources: which services are asked, and where the credentials are. It never holds a credential itself.

::

    - id: ncmec-industry
      kind: ncmec
      environment: industry
      user: {env: NCMEC_USER}
      password: {file: secrets/ncmec-password}
    - id: stopncii
      kind: stopncii
      subscription_key: {env: STOPNCII_SUBSCRIPTION_KEY}
      function_key: {env: STOPNCII_FUNCTION_KEY}
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest_guard._yaml import Location, YAMLProblem, describe_errors, load_with_lines
from ingest_guard.lists.fetch.errors import SourcesError
from ingest_guard.lists.fetch.http import Patience

_MOST_SECRET = 1 << 14
_OTHERS = 0o077
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

NCMEC = {
    "industry": "https://report.cybertip.org/hashsharing",
    "industry-exploitative": "https://report.cybertip.org/exploitative-hashsharing",
    "law-enforcement": "https://lesp.ncmec.org/csam-hashsharing",
    "npo": "https://hashsharing.ncmec.org/npo",
    "exploitative": "https://hashsharing.ncmec.org/exploitative",
    "generative-ai-csam": "https://hashsharing.ncmec.org/generative-ai-csam",
    "generative-ai-exploitative": "https://hashsharing.ncmec.org/generative-ai-exploitative",
    "test-industry": "https://exttest.cybertip.org/hashsharing",
    "test-industry-exploitative": "https://exttest.cybertip.org/exploitative-hashsharing",
    "test-law-enforcement": "https://betalesp.ncmec.org/csam-hashsharing",
    "test-npo": "https://hashsharing-test.ncmec.org/npo",
    "test-exploitative": "https://hashsharing-test.ncmec.org/exploitative",
    "test-generative-ai-csam": "https://hashsharing-test.ncmec.org/generative-ai-csam",
    "test-generative-ai-exploitative": "https://hashsharing-test.ncmec.org/generative-ai-exploitative",
}
"""NCMEC's databases: ``environment`` -> address."""

_USUAL = Patience()
_MODEL = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Secret(BaseModel):
    """Where a credential is: exactly one of an environment variable and a file."""

    model_config = _MODEL

    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("name one place: {env: NAME} or {file: PATH}")
        return self

    @property
    def place(self) -> str:
        """Where it is, for error texts."""
        return f"the environment variable {self.env}" if self.env else f"the file {self.file}"

    def read(self) -> str:
        """Return the credential.

        Raises
        ------
        SourcesError
            It is not there, or others can read the file.
        """
        value = os.environ.get(self.env, "") if self.env else self._from_file()
        value = value.strip("\r\n")
        if not value:
            raise SourcesError(f"{self.place} is empty or not set; put the credential there")
        if not value.isascii() or not value.isprintable():
            raise SourcesError(f"{self.place} has characters that no credential has; put the plain credential there")
        return value

    def _from_file(self) -> str:
        try:
            with open(self.file or "", "rb") as file:  # noqa: PTH123 - mode and content must be of one file
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode) or mode & _OTHERS:
                    raise SourcesError(f"{self.place} is no file, or others can read it; chmod 600 it")
                return file.read(_MOST_SECRET).decode()
        except OSError as error:
            raise SourcesError(f"{self.place} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SourcesError(f"{self.place} is not text; put the plain credential there") from None


def _not_inline(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - pydantic wants it so
            "credentials do not stand in this file; write {env: NAME} or {file: PATH} and put it there"
        )
    return value


def _sound_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("expected an address such as https://api.example.org/v1") from None
    if not host or parts.query or parts.fragment:
        raise ValueError("expected an address such as https://api.example.org/v1, without ? and #")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not stand in this file, nor in an address")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError("expected https: credentials and hashes do not go over an open line")
    return value.rstrip("/")


SecretPlace = Annotated[Secret, BeforeValidator(_not_inline)]
SoundUrl = Annotated[str, AfterValidator(_sound_url)]


class _Source(BaseModel):
    """What all sources have.

    Attributes
    ----------
    id
        The journal's name; best that of the list in the policy, too.
    timeout, attempts, wait
        As in :class:`~ingest_guard.lists.fetch.http.Patience`.
    """

    model_config = _MODEL

    kind: str
    url: str | None = None
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    timeout: Annotated[float, Field(gt=0, le=3600)] = _USUAL.timeout
    attempts: Annotated[int, Field(ge=1, le=100)] = _USUAL.attempts
    wait: Annotated[float, Field(ge=0, le=3600)] = _USUAL.wait

    @property
    def identity_parts(self) -> tuple[str, ...]:
        """What the source is: its service and where that is."""
        return self.kind, self.url or ""

    @property
    def identity(self) -> str:
        """Digest of what the source is, without credentials."""
        return hashlib.sha256("\n".join(self.identity_parts).encode()).hexdigest()

    @property
    def patience(self) -> Patience:
        """How long to wait, and how often to try."""
        return Patience(timeout=self.timeout, attempts=self.attempts, wait=self.wait)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The credentials that it needs."""
        return tuple(value for value in self.__dict__.values() if isinstance(value, Secret))

    @property
    def check(self) -> str:
        """Where to look if the credentials are refused."""
        return " and ".join(secret.place for secret in self.secrets)


class NcmecSource(_Source):
    """One of NCMEC's hash sharing databases, by ``environment``, or by ``url`` where it is another."""

    kind: Literal["ncmec"]
    environment: str | None = None
    url: SoundUrl | None = None
    user: SecretPlace
    password: SecretPlace
    range_entries: Annotated[int, Field(ge=1000)] = 200_000

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.environment is None) == (self.url is None):
            raise ValueError("name one of environment and url")
        if self.url is None and self.environment not in NCMEC:
            raise ValueError(f"environment: expected one of {', '.join(NCMEC)}")
        return self

    @property
    def base(self) -> str:
        """The database's address."""
        return self.url or NCMEC[self.environment or ""]

    @property
    def identity_parts(self) -> tuple[str, ...]:
        """What the source is."""
        return self.kind, self.base


class StopNciiSource(_Source):
    """StopNCII.org: intimate images of adults, submitted by them."""

    kind: Literal["stopncii"]
    url: SoundUrl = "https://api.stopncii.org/v1"
    subscription_key: SecretPlace
    function_key: SecretPlace
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 800


class TatSource(_Source):
    """Tech Against Terrorism's hash list."""

    kind: Literal["tat"]
    url: SoundUrl = "https://app.terrorismanalytics.org"
    user: SecretPlace
    password: SecretPlace


class ThreatExchangeSource(_Source):
    """The updates of a privacy group of Meta's ThreatExchange."""

    kind: Literal["threatexchange"]
    url: SoundUrl = "https://graph.facebook.com/v26.0"
    token: SecretPlace
    privacy_group: Annotated[int, Field(ge=1)]
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100

    @property
    def identity_parts(self) -> tuple[str, ...]:
        """What the source is: not its whole address, as the version of the API in it moves on."""
        return self.kind, urlsplit(self.url).netloc, str(self.privacy_group)


Source: TypeAlias = "NcmecSource | StopNciiSource | TatSource | ThreatExchangeSource"
_KINDS: dict[str, type[Source]] = {
    "ncmec": NcmecSource,
    "stopncii": StopNciiSource,
    "tat": TatSource,
    "threatexchange": ThreatExchangeSource,
}
_TEXTS = {"string_pattern_mismatch": "not of the form that is asked for (the name of a variable is in upper case)"}


def load(path: Path) -> list[Source]:
    """Read a file of sources; paths in it are relative to it.

    Raises
    ------
    SourcesError
        It cannot be read, or a key, value or type in it is wrong. The text names lines and keys, and no value.
    """
    try:
        document, lines = load_with_lines(path)
    except OSError as error:
        raise SourcesError(f"sources {path} cannot be read: {error.strerror}; check the path") from error
    except YAMLProblem as error:
        raise SourcesError(f"sources {path}: {error}") from None
    if not isinstance(document, list) or not document:
        raise SourcesError(f"sources {path}: expected a list of sources, each beginning with '- id: NAME'")
    sources: list[Source] = []
    for number, item in enumerate(document):
        source = _source(item, path, {where[1:]: line for where, line in lines.items() if where[:1] == (number,)})
        if source.id in {other.id for other in sources}:
            raise SourcesError(f"sources {path}: two sources have the id {source.id}; give one of them another")
        sources.append(_resolved(source, path.parent))
    return sources


def _source(item: object, path: Path, lines: dict[Location, int]) -> Source:
    kind = item.get("kind") if isinstance(item, dict) else None
    model = _KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise SourcesError(f"sources {path}: line {lines[()]}: key kind: expected one of {', '.join(_KINDS)}")
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise SourcesError(f"sources {path}: {'; '.join(describe_errors(error, lines, _TEXTS))}") from None


def _resolved(source: Source, folder: Path) -> Source:
    moved = {
        name: secret.model_copy(update={"file": folder / secret.file.expanduser()})
        for name, secret in source.__dict__.items()
        if isinstance(secret, Secret) and secret.file is not None
    }
    return source.model_copy(update=moved)
