"""The one way to the network: bounded answers, patience with faults, and credentials that go to one host only.

Python's own ``urllib`` and nothing else: it honours the proxies of the environment and verifies certificates with the
system's store. Redirects are followed within the host that the operator named; the credentials, and the trust in what
comes back, do not extend to any other.
"""

import http.client
import random
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from ingest_guard._version import __version__
from ingest_guard.lists.fetch.errors import AnswerError, FetchError, RefusedError, StatusError, UnansweredError

T = TypeVar("T")

_OK = 200
_REFUSED = (401, 403)
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)
_SERVER_FAULTS = range(500, 600)
_MOST_REDIRECTS = 3
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes
    ----------
    timeout
        Seconds without a byte after which an answer is given up; a whole answer may take ten times that.
    attempts
        Tries in all.
    wait
        Seconds before the second try; doubled before each further one.
    longest_wait
        Most seconds between two tries, also where the service asks for more.
    most_bytes
        Longest answer.
    """

    timeout: float = 60
    attempts: int = 6
    wait: float = 1
    longest_wait: float = 300
    most_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Message
    body: bytes = field(repr=False)


class _Passing(Exception):  # noqa: N818 - never leaves this module
    """Another try may help."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nothing: we look at each redirect ourselves."""


class Http:
    """Ask one service.

    Parameters
    ----------
    base
        The service's address, without a slash at the end.
    headers
        Sent with every request; they may hold credentials.
    check
        What the operator should look at if the credentials are refused.
    sleep
        Waits between tries.

    Attributes
    ----------
    server_time
        Seconds since 1970 by the service's clock as of the last answer; None if its answers have no date.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        check: str = "the credentials",
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base = base.rstrip("/")
        self.host = urlsplit(self.base).hostname or ""
        self.headers = {"User-Agent": f"ingest-guard/{__version__}", **(headers or {})}
        self.server_time: float | None = None
        self._check = check
        self._patience = patience or Patience()
        self._sleep = sleep
        self._opener = urllib.request.build_opener(
            _NoRedirects(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
        )

    def get(self, path: str, query: Mapping[str, str], parse: Callable[[bytes], T]) -> T:
        """Fetch ``base + path`` and parse it; see :meth:`ask`."""
        return self.ask(self.base + path + ("?" + urlencode(query) if query else ""), parse)

    def ask(self, url: str, parse: Callable[[bytes], T], body: bytes | None = None) -> T:
        """Fetch an address of the service and parse the answer, with as many tries as it takes.

        Parameters
        ----------
        url
            In full; of the service's own scheme, host and port.
        parse
            Makes something of the bytes; an :class:`AnswerError` of it (a cut-off document) leads to another try.
        body
            Posted, if given; posts must do no harm if they arrive twice.

        Raises
        ------
        RefusedError
            401 or 403.
        StatusError
            Any other status that does not pass.
        UnansweredError
            The tries are used up.
        FetchError
            An address or an answer that is not to be had at all.
        """
        if not same_origin(url, self.base):
            raise FetchError(f"{self.host} sends us on to another host, which is not asked; check the source's url")
        tries = self._patience.attempts
        for attempt in range(1, tries + 1):
            try:
                return parse(self._open(url, body).body)
            except (_Passing, AnswerError) as error:
                wait = error.wait if isinstance(error, _Passing) else None
                if attempt == tries or (wait is not None and wait > self._patience.longest_wait):
                    later = "" if wait is None else f" (it asks for {wait:.0f} s of patience)"
                    raise UnansweredError(
                        f"{self.host}: {error}, at try {attempt} of {tries}{later}; fetch again later, it goes on "
                        "from the checkpoint"
                    ) from None
                if wait is None:
                    # Spread, so that many clients that met the same fault do not come back together.
                    spread = random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
                    wait = spread * min(self._patience.wait * 2.0 ** (attempt - 1), self._patience.longest_wait)
                self._sleep(wait)
        raise AssertionError

    def _open(self, url: str, body: bytes | None) -> Answer:
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._once(url, body)
            if answer.status == _OK:
                return answer
            if answer.status not in _REDIRECTS:
                raise self._problem(answer)
            url = urljoin(url, answer.headers.get("Location", ""))
            if body is not None or not same_origin(url, self.base):
                raise StatusError(
                    f"{self.host} redirects to another host, which does not get the credentials and is not asked; "
                    "check the source's url",
                    answer.status,
                )
        raise StatusError(f"{self.host} redirects without end; check the source's url", answer.status)

    def _problem(self, answer: Answer) -> Exception:
        if answer.status in _REFUSED:
            return RefusedError(f"{self.host} does not accept the credentials ({answer.status}); check {self._check}")
        if answer.status in _PASSING or answer.status in _SERVER_FAULTS:
            return _Passing(f"status {answer.status}", _retry_after(answer.headers))
        return StatusError(
            f"{self.host} answers with status {answer.status}; check the source's url and settings", answer.status
        )

    def _once(self, url: str, body: bytes | None) -> Answer:
        request = urllib.request.Request(url, data=body, headers=self.headers)  # noqa: S310 - same_origin has looked
        deadline = time.monotonic() + 10 * self._patience.timeout
        try:
            try:
                response = self._opener.open(request, timeout=self._patience.timeout)
            except urllib.error.HTTPError as error:
                # The body of an error is not read: it may repeat what we sent.
                with error:
                    return Answer(error.code, error.headers, b"")
            with response:
                answer = Answer(response.status, response.headers, self._read(response, deadline))
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise FetchError(
                    f"{self.host}: its certificate cannot be verified; check the url and the CA store"
                ) from None
            raise _Passing(_network_fault(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(_network_fault(error)) from None
        self.server_time = _http_time(answer.headers.get("Date", ""))
        return answer

    def _read(self, response: http.client.HTTPResponse, deadline: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise AnswerError("answer in an encoding that was not asked for")
        parts, length = [], 0
        while block := response.read1(_BLOCK):
            parts.append(block)
            length += len(block)
            if length > self._patience.most_bytes:
                raise FetchError(
                    f"{self.host}: an answer of more than {self._patience.most_bytes} bytes; ask for smaller pages, or "
                    "raise most_bytes"
                )
            if time.monotonic() > deadline:
                raise _Passing("answer that trickles")
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) != length:
            raise AnswerError("cut-off answer")
        return b"".join(parts)


def same_origin(url: str, base: str) -> bool:
    """Return whether an address has the scheme, host and port of another, and no credentials of its own."""
    try:
        one, other = urlsplit(url), urlsplit(base)
        return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())
    except ValueError:
        return False


def _network_fault(reason: object) -> str:
    return "no answer in time" if isinstance(reason, TimeoutError) else f"no answer ({type(reason).__name__})"


def _retry_after(headers: Message) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    when = _http_time(text)
    return None if when is None else max(0.0, when - time.time())


def _http_time(text: str) -> float | None:
    """Read a date of a header; None for what is none."""
    try:
        # One without a zone is in UTC, too, and not in this machine's.
        return parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
