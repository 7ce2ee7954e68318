from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from incidents.samples import FULL, IDENTITY, RECIPIENT

from ingest_guard.cli.second_opinion import command
from ingest_guard.errors import IncidentError
from ingest_guard.incidents import officers_journal as journal
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.officers_journal import State
from ingest_guard.incidents.opinions import services
from ingest_guard.incidents.opinions.asking import Wanted, ask, wanted
from ingest_guard.incidents.opinions.services import Answer, Opinion, read_services
from ingest_guard.incidents.sealing import Sealer
from ingest_guard.lists.fetch.errors import SourcesError
from ingest_guard.signing.keys import write_signing_key
from ingest_guard.verdict import Grade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
HASHES = [f"{number:064x}" for number in range(1, 8)]
NEAR = replace(FULL, grade=Grade.NEAR, more_of=None)


class Services:
    """Shield and an HMA on 127.0.0.1 that answer as a test wants, and note what they were asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str, bytes], tuple[int, bytes]] = lambda _path, _body: (200, b"{}")
        self.asked: list[tuple[str, bytes, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.path, body, self.headers.get("Authorization")))
                status, said = outer.answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_POST = do_GET  # noqa: N815 - the base class looks for this name

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def remote() -> Iterator[Services]:
    """Serve."""
    running = Services()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def file(tmp_path: Path, remote: Services, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the officer's file of both services."""
    monkeypatch.setenv("SHIELD_USER", "officer")
    monkeypatch.setenv("SHIELD_PASSWORD", "secret")
    path = tmp_path / "services.yaml"
    common = f"url: '{remote.url}', attempts: 2, wait: 0"
    path.write_text(
        f"arachnid: {{{common}, batch: 3, user: {{env: SHIELD_USER}}, password: {{env: SHIELD_PASSWORD}}}}\n"
        f"bank: {{kind: hma, {common}, token: {{env: SHIELD_PASSWORD}}}}\n"
    )
    return path


def _entries(*hashes: str) -> list[Wanted]:
    return [Wanted(number, f"{number:064x}", each) for number, each in enumerate(hashes, 1)]


def _shield(**said: Any) -> bytes:
    coded = {base64.b64encode(bytes.fromhex(HASHES[int(name[1:])])).decode(): each for name, each in said.items()}
    return json.dumps({"scanned_hashes": coded}).encode()


def test_shield_is_asked_in_batches_of_hashes_alone(file: Path, remote: Services, tmp_path: Path) -> None:
    """With the credentials; what it knows and does not know goes into the journal, and is not asked again."""
    said = _shield(
        h0={"classification": "csam", "match_type": "near", "near_match_details": []},
        h1={"classification": "no-known-match"},
        h2={"classification": None},
    )
    remote.answer = lambda path, _: (200, said) if path == "/v1/pdq" else (500, b"")
    service = {"arachnid": read_services(file)["arachnid"]}
    book = tmp_path / "book"
    counts = ask(service, _entries(*HASHES[:4]), book, KEY)
    assert counts == {"arachnid": Counter({Answer.KNOWN: 1, Answer.NOT_KNOWN: 1, Answer.NONE: 2})}
    (first, second) = remote.asked
    assert first[0] == "/v1/pdq"
    assert json.loads(first[1]) == {"hashes": [base64.b64encode(bytes.fromhex(each)).decode() for each in HASHES[:3]]}
    assert first[2] == "Basic " + base64.b64encode(b"officer:secret").decode()
    assert len(json.loads(second[1])["hashes"]) == 1
    found = journal.read(book, {PUBLIC})
    assert found.problems == []
    assert found.opinions == {f"{1:064x}": ["arachnid: known csam, near"], f"{2:064x}": ["arachnid: not known"]}
    assert found.state_of(f"{1:064x}") is State.NEW
    assert ask(service, _entries(*HASHES[:4]), book, KEY)["arachnid"].total() == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"[]"),
        (200, b"null"),
        (200, b"7"),
        (200, b"<html>"),
        (200, b'{"scanned_hashes": null}'),
        (200, b'{"scanned_hashes": []}'),
        (200, b"[" * 200_000),
        (200, b"\xff\xfe"),
        (200, b"x" * (5 << 20)),
        (400, b'{"detail": "SECRET"}'),
        *[(status, b"") for status in (302, 401, 403, 404, 429, 500, 503)],
    ],
    ids=str,
)
def test_a_fault_is_no_answer_and_never_clean(
    file: Path, remote: Services, tmp_path: Path, status: int, body: bytes
) -> None:
    """Nothing is written, and the next run asks again."""
    remote.answer = lambda _path, _body: (status, body)
    counts = ask({"arachnid": read_services(file)["arachnid"]}, _entries(*HASHES[:2]), tmp_path / "book", KEY)
    assert counts["arachnid"] == Counter({Answer.NONE: 2})
    assert not (tmp_path / "book").exists()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ((200, b"{}"), Answer.NOT_KNOWN),
        ((200, b"[]"), Answer.NOT_KNOWN),
        ((200, b'{"BANK": []}'), Answer.NOT_KNOWN),
        ((200, b'["BANK"]'), Answer.KNOWN),
        ((200, b""), Answer.NONE),
        ((200, b"null"), Answer.NONE),
        ((200, b"[7]"), Answer.NONE),
        ((200, b'{"error": "broken"}'), Answer.NONE),
        ((401, b"{}"), Answer.NONE),
        ((200, b"<html>"), Answer.NONE),
        ((500, b"{}"), Answer.NONE),
        ((404, b"{}"), Answer.NONE),
    ],
)
def test_banks_that_have_a_hash(
    file: Path, remote: Services, tmp_path: Path, said: tuple[int, bytes], answer: Answer
) -> None:
    """An instance that names none says that it knows none; anything else than a list of banks is no answer."""
    remote.answer = lambda _path, _body: said
    counts = ask({"bank": read_services(file)["bank"]}, _entries(HASHES[0]), tmp_path / "book", KEY)
    assert counts == {"bank": Counter({answer: 1})}


def test_a_positive_beats_an_error_in_the_same_batch(file: Path, remote: Services, tmp_path: Path) -> None:
    """What one hash is answered with does not hang on the others."""
    said = _shield(h0={"classification": "csam"}, h1="broken", h2={"classification": 7})

    def answer(path: str, _: bytes) -> tuple[int, bytes]:
        if path == "/v1/pdq":
            return 200, said
        return (200, b'{"BANK": [{"distance": "3"}], "EMPTY": []}') if HASHES[1] in path else (500, b"")

    remote.answer = answer
    counts = ask(read_services(file), _entries(*HASHES[:3]), tmp_path / "book", KEY)
    assert counts["arachnid"] == Counter({Answer.KNOWN: 1, Answer.NONE: 2})
    assert counts["bank"] == Counter({Answer.KNOWN: 1, Answer.NONE: 2})
    assert journal.read(tmp_path / "book").opinions[f"{2:064x}"] == ["bank: known BANK"]
    assert remote.asked[-1][2] == "Bearer secret"


def test_what_a_service_says_is_short_and_prints(file: Path, remote: Services, tmp_path: Path) -> None:
    """No control characters, no page of text in the journal; hashes that were not asked for are not taken."""
    said = _shield(h0={"classification": "\x1b[31m" + "x" * 500}, h5={"classification": "csam"})
    remote.answer = lambda *_: (200, said)
    ask({"arachnid": read_services(file)["arachnid"]}, _entries(HASHES[0]), tmp_path / "book", KEY)
    found = journal.read(tmp_path / "book")
    ((reference,),) = found.opinions.values()
    assert reference.isprintable()
    assert len(reference) < 100


class Plugin:
    """A plug-in of somebody else's."""

    batch = 10

    def __init__(self, trouble: str = "") -> None:
        if trouble == "made":
            raise ValueError("SECRET")
        self.trouble = trouble

    def ask(self, hashes: list[str]) -> Any:
        """Answer, or not."""
        if self.trouble == "raises":
            raise ValueError("SECRET")
        if self.trouble == "junk":
            return {hashes[0]: Opinion("clean", "")}  # type: ignore[arg-type]
        return dict.fromkeys(hashes, Opinion(Answer.KNOWN, "\x07" + "x" * 500 if self.trouble else "PhotoDNA"))


@pytest.mark.parametrize(
    ("trouble", "answer"),
    [("", Answer.KNOWN), ("raises", Answer.NONE), ("junk", Answer.NONE), ("shouts", Answer.KNOWN)],
)
def test_a_plug_in_is_asked_as_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, answer: Answer
) -> None:
    """Whatever it raises, or says that is no answer, is none; its words are cut as those of others."""
    point = EntryPoint("photodna", f"{__name__}:Plugin", services.GROUP)
    monkeypatch.setattr(services, "entry_points", lambda **_: [point])
    path = tmp_path / "services.yaml"
    path.write_text(f"photodna: {{kind: plugin, options: {{trouble: '{trouble}'}}}}\n")
    counts = ask(read_services(path), _entries(HASHES[0]), tmp_path / "book", KEY)
    assert counts == {"photodna": Counter({answer: 1})}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "services"),
        ("{}", "at least one"),
        ("[a]", "services"),
        ("a: [", "services"),
        ("unknown: {}", "services"),
        ("x: {kind: plugin}", "no service 'x'"),
        ("bank: {kind: hma}", "missing"),
        ("hma: {url: 'http://example.org'}", "https"),
        ("hma: {url: 'https://u:p@example.org'}", "credentials"),
        ("hma: {url: 'https://example.org', token: abc}", "credentials"),
        ("hma: {url: 'https://example.org', batch: 0}", "1"),
        ("arachnid: {user: {env: U}}", "missing"),
        ("Arachnid!: {kind: hma, url: 'https://example.org'}", "services"),
    ],
)
def test_a_wrong_file_is_a_clear_error(tmp_path: Path, text: str, match: str) -> None:
    """Nothing is asked."""
    path = tmp_path / "services.yaml"
    path.write_text(text)
    with pytest.raises(IncidentError, match=match):
        read_services(path)


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, a credential, or a plug-in that cannot be made; its text is not repeated."""
    with pytest.raises(IncidentError, match="cannot be read"):
        read_services(tmp_path / "absent")
    path = tmp_path / "services.yaml"
    path.write_text("arachnid: {user: {env: NOT_SET_HERE}, password: {env: NOR_HERE}}\n")
    with pytest.raises(SourcesError, match="NOT_SET_HERE"):
        read_services(path)
    path.write_text("photodna: {kind: plugin, options: {trouble: made}}\n")
    point = EntryPoint("photodna", f"{__name__}:Plugin", services.GROUP)
    monkeypatch.setattr(services, "entry_points", lambda **_: [point])
    with pytest.raises(IncidentError, match=r"^the plug-in photodna cannot be made: ValueError$"):
        read_services(path)


def test_near_suspected_and_held_entries_with_a_hash_are_asked_about() -> None:
    """An exact match needs no opinion; without a PDQ hash there is nothing to ask with."""
    kinds = [
        NEAR,
        replace(NEAR, grade=Grade.SUSPICION),
        replace(NEAR, grade=Grade.EXACT_FILTER, action="hold"),
        replace(NEAR, grade=Grade.EXACT_CONFIRMED),
        replace(NEAR, fingerprints={}),
        replace(NEAR, fingerprints={"pdq": "4" * 63}),
    ]
    found = wanted((number, "a" * 64, each) for number, each in enumerate(kinds, 1))
    assert [each.n for each in found] == [1, 2, 3]


def test_the_command_shows_counts_alone(file: Path, remote: Services, tmp_path: Path) -> None:
    """No hash, address or number reaches the terminal; 3 says that something has no answer yet."""
    log = Log(tmp_path / "log", "r1", KEY)
    log.append([Sealer([RECIPIENT]).seal(replace(NEAR, fingerprints={"pdq": each})) for each in HASHES[:2]])
    write_signing_key(tmp_path / "sign.key")
    said = _shield(h0={"classification": "csam"}, h1={"classification": "no-known-match"})
    remote.answer = lambda path, _: (200, said) if path == "/v1/pdq" else (500, b"")
    arguments = [tmp_path / "log", "--services", file, "--journal", tmp_path / "book"]
    arguments += ["--sign-key", tmp_path / "sign.key", "--identity-env", "OFFICER"]

    def call() -> Any:
        env = {"OFFICER": str(IDENTITY)}
        return CliRunner().invoke(command, list(map(str, arguments)), standalone_mode=False, env=env)

    first = call()
    shown = "arachnid: 1 known, 1 not known, 0 no answer\nbank: 0 known, 0 not known, 2 no answer\n"
    assert (first.output, first.return_value) == (shown, 3)
    remote.answer = lambda *_: (200, b"{}")
    again = call()
    assert again.output == "arachnid: 0 known, 0 not known, 0 no answer\nbank: 0 known, 2 not known, 0 no answer\n"
    assert again.return_value == 0
