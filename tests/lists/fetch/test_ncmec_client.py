from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lists.fetch.helpers import NOW, expected, fetch, listed
from lists.fetch.services import EPOCH, Asked, Hash, Ncmec, Reply, ncmec_entry, ncmec_page, seconds, stamp

from ingest_guard.errors import ListFormatError
from ingest_guard.lists.fetch import ncmec_client
from ingest_guard.lists.fetch.errors import AnswerError, PagingError

if TYPE_CHECKING:
    from pathlib import Path

HALF_DAY = 12 * 3600


def checkpoint(folder: Path) -> dict[str, object]:
    """Return where the next fetch goes on."""
    state = json.loads((folder / "lists" / "ncmec.checkpoint").read_bytes())["state"]
    position: dict[str, object] = state["position"]
    return position


def ranges(service: Ncmec) -> list[tuple[int, int, int]]:
    """Return what was asked for: from, to, start."""
    return [(seconds(a.query["from"]), seconds(a.query["to"]), int(a.query.get("start", 0))) for a in service.asked]


def test_all_pages_arrive_with_all_digests(tmp_path: Path) -> None:
    """MD5, SHA-1 and PDQ of every image of every page are kept, with key and classification."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert listed(outcome.journal) == expected(entries, "ncmec")
    assert outcome.tally.accepted == {"md5": 35, "sha1": 35, "pdq": 35}
    assert len(service.asked) == 4
    assert checkpoint(tmp_path) == {"from": NOW - 30, "span": None, "open": None}


def test_later_fetch_asks_for_what_is_new(tmp_path: Path) -> None:
    """A second fetch begins a little before the checkpoint; changes replace, and withdrawals remove."""
    entries = [Hash.of(number, EPOCH + number) for number in range(5)]
    with Ncmec(entries) as service:
        fetch(service, "ncmec", tmp_path)
        service.entries[1] = replace(service.entries[1], time=NOW + 50, md5="ab" * 16, sha1=None)
        service.entries[2] = replace(service.entries[2], time=NOW + 60, deleted=True)
        outcome = fetch(service, "ncmec", tmp_path, now=NOW + 1000)
        assert ranges(service)[-1] == (NOW - 330, NOW + 970, 0)
        assert outcome.tally.removed == 1
        assert listed(outcome.journal) == expected(service.entries, "ncmec")
        assert len(listed(outcome.journal)) == 4


def test_checkpoint_stays_while_a_range_is_not_exhausted(tmp_path: Path) -> None:
    """Pages are in no order of time, so the checkpoint stays where it was until the last one is in."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:
        service.fail(2, Reply(status=404))
        service.faults.append(lambda _, index: Reply(status=403) if index > 2 else None)
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is not None
    position = checkpoint(tmp_path)
    assert position["from"] == 0
    assert position["open"] is not None


@pytest.mark.parametrize(("age", "start"), [(60, 20), (HALF_DAY - 60, 20), (HALF_DAY + 60, 0), (-60, 0)])
def test_page_of_an_earlier_run_is_used_while_young(tmp_path: Path, age: int, start: int) -> None:
    """A fetch goes on at the page where it stopped, within twelve hours; else, or with a clock set back, anew."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:
        service.faults.append(lambda _, index: Reply(status=403) if index == 2 else None)
        assert fetch(service, "ncmec", tmp_path).error is not None
        outcome = fetch(service, "ncmec", tmp_path, now=NOW + age)
        assert outcome.error is None
        assert ranges(service)[3][2] == start
        if start:
            # The very same range: the address of a page is good for no other.
            assert ranges(service)[3][:2] == ranges(service)[0][:2]
        assert listed(outcome.journal) == expected(entries, "ncmec")


@pytest.mark.parametrize("status", [400, 404, 410])
def test_address_that_is_gone_costs_the_range(tmp_path: Path, status: int) -> None:
    """Where a page's address is not valid any more, its range begins anew, and smaller."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:
        service.fail(2, Reply(status=status))
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert ranges(service)[3][2] == 0
    assert ranges(service)[3][1] < ranges(service)[0][1]
    assert listed(outcome.journal) == expected(entries, "ncmec")


def test_address_that_is_always_gone_stops_the_source(tmp_path: Path) -> None:
    """A service none of whose further pages can be had is given up with an error, not asked for ever."""
    with Ncmec([Hash.of(number) for number in range(35)]) as service:
        service.faults.append(lambda asked, _: Reply(status=410) if "start" in asked.query else None)
        outcome = fetch(service, "ncmec", tmp_path)
    assert "the address of a page is not valid any more, 7 times in one range of time" in (outcome.error or "")


def test_stale_address_that_leads_to_the_end(tmp_path: Path) -> None:
    """An address that has gone stale may answer with nothing; that is not believed to be the end."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:
        service.fail(2, Reply(status=403))
        fetch(service, "ncmec", tmp_path)
        service.fail(3, Reply(ncmec_page([])))
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert listed(outcome.journal) == expected(entries, "ncmec")


def test_empty_last_page_is_believed_the_second_time(tmp_path: Path) -> None:
    """A range whose last page is empty each time is exhausted: entries may have moved on while it was read."""
    entries = [Hash.of(number) for number in range(15)]
    with Ncmec(entries) as service:

        def last_is_empty(asked: Asked, index: int) -> Reply | None:
            return Reply(ncmec_page([])) if "start" in asked.query else None

        service.faults.append(last_is_empty)
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert len(listed(outcome.journal)) == 10


def test_pages_in_a_circle(tmp_path: Path) -> None:
    """A page whose next is one that was read already ends in an error after some tries, and never in a loop."""
    with Ncmec([Hash.of(number) for number in range(35)]) as service:

        def circle(asked: Asked, index: int) -> Reply | None:
            if asked.query.get("start") != "20":
                return None
            first = replace(asked, query={name: asked.query[name] for name in ("from", "to")})
            next_ = service.answer(first).body.partition(b"<next>")[2].partition(b"</next>")[0]
            return Reply(ncmec_page([Hash.of(1)], next_.decode().replace("&amp;", "&")))

        service.faults.append(circle)
        outcome = fetch(service, "ncmec", tmp_path)
    assert "run in circles" in (outcome.error or "")


def test_page_that_comes_twice(tmp_path: Path) -> None:
    """A page with the records of the one before does no harm."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:

        def again(asked: Asked, index: int) -> Reply | None:
            if asked.query.get("start") != "20":
                return None
            body = service.answer(asked).body
            doubled = service.answer(replace(asked, query={**asked.query, "start": "10"})).body
            images = doubled.partition(b"<images")[2].partition(b">")[2].partition(b"</images>")[0]
            return Reply(body.replace(b"</images>", images + b"</images>"))

        service.faults.append(again)
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert listed(outcome.journal) == expected(entries, "ncmec")


@pytest.mark.parametrize(
    "changed",
    [{"to": stamp(EPOCH - 5)}, {"from": stamp(EPOCH)}],
)
def test_next_page_for_less_than_was_asked_for(tmp_path: Path, changed: dict[str, str]) -> None:
    """A next page for a smaller range would leave entries out; so it is not followed."""
    with Ncmec([Hash.of(number) for number in range(35)]) as service:

        def next_is_narrower(asked: Asked, index: int) -> Reply | None:
            body = service.answer(asked).body.decode()
            for name, value in changed.items():
                old = asked.query[name].replace(":", "%3A")
                body = body.replace(f"{name}={old}", f"{name}={value.replace(':', '%3A')}")
            return Reply(body.encode())

        service.faults.append(next_is_narrower)
        outcome = fetch(service, "ncmec", tmp_path)
    assert "smaller range" in (outcome.error or "")
    assert all("start" not in asked.query for asked in service.asked)


def test_next_page_that_changes_its_range(tmp_path: Path) -> None:
    """A next page for another range than the one before is not followed; the range begins anew."""
    entries = [Hash.of(number, EPOCH + number) for number in range(35)]
    with Ncmec(entries) as service:

        def moved(asked: Asked, index: int) -> Reply | None:
            if index != 1:
                return None
            return Reply(service.answer(asked).body.replace(b"from=1970", b"from=1980"))

        service.faults.append(moved)
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert listed(outcome.journal) == expected(entries, "ncmec")


@pytest.mark.parametrize("next_", ["https://evil.example/v2/entries?a=1", "@evil.example/", "/v2/members?x=1"])
def test_next_page_elsewhere(tmp_path: Path, next_: str) -> None:
    """A next page that is none of the service's entries is not asked for."""
    with Ncmec() as service:
        service.faults.append(lambda *_: Reply(ncmec_page([Hash.of(1)], next_)))
        outcome = fetch(service, "ncmec", tmp_path)
    assert "none of the service's entries" in (outcome.error or "")
    assert {asked.path for asked in service.asked} == {"/v2/entries"}


def test_burst_of_one_second(tmp_path: Path) -> None:
    """A second with more entries than a range may have is exhausted all the same; the checkpoint passes over it."""
    burst = [Hash.of(number, EPOCH) for number in range(1500)]
    around = [Hash.of(5000 + number, EPOCH + (number - 4) * 500_000) for number in range(6)]
    with Ncmec(burst + around, page=300) as service:
        outcome = fetch(service, "ncmec", tmp_path, now=EPOCH + 2_000_000, range_entries=1000)
    assert outcome.error is None
    assert listed(outcome.journal) == expected(burst + around, "ncmec")
    assert any(begin < EPOCH <= end and start == 1200 for begin, end, start in ranges(service))
    assert len(service.asked) < 200
    assert checkpoint(tmp_path)["from"] == EPOCH + 2_000_000 - 30


def test_burst_is_resumed_at_its_page(tmp_path: Path) -> None:
    """A fetch that is stopped inside a burst goes on at its page."""
    burst = [Hash.of(number, EPOCH) for number in range(35)]
    with Ncmec(burst) as service:
        service.fail(3, Reply(status=403))
        fetch(service, "ncmec", tmp_path)
        outcome = fetch(service, "ncmec", tmp_path)
    assert ranges(service)[4] == ranges(service)[3]
    assert listed(outcome.journal) == expected(burst, "ncmec")


def test_large_ranges_are_split(tmp_path: Path) -> None:
    """A history with more entries than a range may have is fetched range by range, each exhausted in its turn."""
    entries = [Hash.of(number, EPOCH + number * 2000) for number in range(1500)]
    with Ncmec(entries, page=400) as service:
        outcome = fetch(service, "ncmec", tmp_path, now=EPOCH + 4_000_000, range_entries=1000)
        assert outcome.error is None
        assert listed(outcome.journal) == expected(entries, "ncmec")
        assert len({asked.query["to"] for asked in service.asked}) > 3
        assert len(service.asked) < 120


def test_our_clock_is_ahead(tmp_path: Path) -> None:
    """What the service writes after its own present is fetched next time, though our clock has passed it already."""
    with Ncmec([Hash.of(1)]) as service:
        service.clock = EPOCH + 1000
        fetch(service, "ncmec", tmp_path, now=EPOCH + 90_000)
        assert checkpoint(tmp_path)["from"] == EPOCH + 970
        service.entries.append(Hash.of(2, EPOCH + 2000))
        service.clock = EPOCH + 3000
        outcome = fetch(service, "ncmec", tmp_path, now=EPOCH + 92_000)
        assert listed(outcome.journal) == expected(service.entries, "ncmec")


def test_our_clock_was_set_back(tmp_path: Path) -> None:
    """With a clock far behind the checkpoint nothing would be fetched: an error says so; a little is no matter."""
    with Ncmec([Hash.of(1)]) as service:
        fetch(service, "ncmec", tmp_path)
        before = checkpoint(tmp_path)
        assert "set the clock" in (fetch(service, "ncmec", tmp_path, now=NOW - 86_400).error or "")
        assert fetch(service, "ncmec", tmp_path, now=NOW - 60).error is None
        assert checkpoint(tmp_path)["from"] == before["from"]


def test_service_without_a_clock(tmp_path: Path) -> None:
    """Where the service does not tell the time, ours is used."""
    with Ncmec([Hash.of(1)]) as service:
        service.clock = None
        assert fetch(service, "ncmec", tmp_path).error is None
    assert checkpoint(tmp_path)["from"] == NOW - 30


def test_rows_that_are_malformed_do_not_stop_it(tmp_path: Path) -> None:
    """Bad values, records without id and unknown things are counted; everything around them is kept."""
    good = [Hash.of(number) for number in range(40)]
    bad = Hash.of(99, md5="nothing", pdq=None, sha1=None)
    page = ncmec_page([*good, bad]).replace(
        b"</images>",
        b"<image><fingerprints><md5>0123456789abcdef0123456789abcdef</md5></fingerprints></image><surprise/></images>"
        b"<audios><audio/></audios>",
    )
    with Ncmec() as service:
        service.faults.append(lambda *_: Reply(page))
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error is None
    assert outcome.tally.rejected.total() >= 2
    found = listed(outcome.journal)
    assert {key: found[key] for key in found if key.startswith("42/")} == expected(good, "ncmec")
    # A value whose record has no name is kept all the same.
    assert sum(key.startswith("no-id/") for key in found) == 1


def test_format_that_changed_is_told(tmp_path: Path) -> None:
    """Where a large share of values is of no use, the fetch fails, though it goes on."""
    with Ncmec([Hash.of(number, md5="x" * 10) for number in range(10)]) as service:
        outcome = fetch(service, "ncmec", tmp_path)
    assert "33% of the values of this fetch could not be used" in (outcome.error or "")
    assert outcome.completed == NOW
    assert outcome.tally.rejected == {"bad_length": 10}


def test_feedback_and_large_fingerprints_are_no_values(tmp_path: Path) -> None:
    """Links to large fingerprints are counted as such, and nothing of them is kept."""
    link = '<videntifier rel="self" href="/v2/secret-address"/>'
    entry = ncmec_entry(Hash.of(1)).replace("</fingerprints>", f"{link}</fingerprints>")
    with Ncmec() as service:
        page = ncmec_page([Hash.of(1)]).replace(ncmec_entry(Hash.of(1)).encode(), entry.encode())
        service.faults.append(lambda *_: Reply(page))
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.tally.unsupported == {"videntifier": 1}
    assert b"secret-address" not in outcome.journal.read_bytes()


def test_wrong_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the environment variables, and is not tried again; what they hold is not said."""
    monkeypatch.setenv("FETCH_SECRET", "wrongpassword")
    with Ncmec() as service:
        outcome = fetch(service, "ncmec", tmp_path)
    assert outcome.error == (
        "127.0.0.1 does not accept the credentials (401); check the environment variable FETCH_USER and the "
        "environment variable FETCH_SECRET"
    )
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Log in</body></html>",
        b"<queryResult>",
        b"not XML",
        b'<!DOCTYPE x [<!ENTITY a "b">]><queryResult>&a;</queryResult>',
    ],
)
def test_answer_that_is_none(body: bytes) -> None:
    """An answer that is cut off, of something else, or with a document type is no answer."""
    with pytest.raises(AnswerError):
        ncmec_client._parse_page(body)


def test_two_answers_in_one_are_none() -> None:
    """An answer has one document: of a second one the next page could be another."""
    with pytest.raises(AnswerError):
        ncmec_client._parse_page(b"<queryResult/><queryResult/>")


@pytest.mark.parametrize("length", [1 << 15, 1 << 20])
def test_an_address_that_is_too_long_is_no_answer(length: int) -> None:
    """An address is followed whole or not at all, blanks around it included."""
    for next_ in (b"/v2/entries?" + b"x" * length, b" " * length + b"/v2/entries?x"):
        with pytest.raises(AnswerError):
            ncmec_client._parse_page(b"<queryResult><paging><next>" + next_ + b"</next></paging></queryResult>")


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_answer_error(body: bytes) -> None:
    """Whatever comes, the only errors are the one that leads to another try, and one for another namespace."""
    for data in (body, b"<queryResult>" + body + b"</queryResult>"):
        with contextlib.suppress(AnswerError, PagingError, ListFormatError):
            ncmec_client._parse_page(data)


def test_next_is_that_of_paging_only() -> None:
    """An element next elsewhere does not lead anywhere."""
    images = b"<queryResult><images><next>/v2/entries?a</next></images></queryResult>"
    paging = b"<queryResult><paging><next> /v2/entries?b&amp;c </next></paging></queryResult>"
    assert ncmec_client._parse_page(images).next is None
    assert ncmec_client._parse_page(paging).next == "/v2/entries?b&c"


@pytest.mark.parametrize(
    ("next_", "count"),
    [
        (None, 7),
        ("/v2/entries?start=2001&size=1000&max=9000", 7006),
        ("/v2/entries?start=9000&max=2001", 7),
        ("/v2/entries?start=many&max=9000", 8),
        ("/v2/entries", 8),
        (f"/v2/entries?start=1&max={'9' * 50}", 8),
    ],
)
def test_estimate_of_a_range(next_: str | None, count: int) -> None:
    """The next page's address says how far the range goes; one that does not leaves what was seen, and one more."""
    assert ncmec_client._estimate(next_, 7) == count


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2017-10-20T00:00:00.000Z", 1508457600),
        ("2017-10-20T00:00:00Z", 1508457600),
        ("2017-10-20T00:00:00+02:00", None),
        ("2017-13-20T00:00:00Z", None),
        ("", None),
    ],
)
def test_times_in_addresses(text: str, value: int | None) -> None:
    """Times in UTC are read; of others nothing is said."""
    assert ncmec_client._seconds(text) == value


def test_range_that_is_too_much_for_the_service(tmp_path: Path) -> None:
    """A service that cannot answer for long ranges is asked for shorter ones, run by run, down to an hour."""
    entries = [Hash.of(number, EPOCH + number) for number in range(15)]
    with Ncmec(entries) as service:

        def overwhelmed(asked: Asked, _: int) -> Reply | None:
            return Reply(status=504) if seconds(asked.query["to"]) - seconds(asked.query["from"]) > 5 * 10**7 else None

        service.faults.append(overwhelmed)
        errors = [fetch(service, "ncmec", tmp_path, attempts=1).error for _ in range(4)]
        assert ["status 504" in (error or "") for error in errors] == [True, True, True, False]
        assert listed(tmp_path / "lists" / "ncmec.journal") == expected(entries, "ncmec")
        # Once it lives, a longer range is tried now and then, and costs nothing but that.
        spans = [end - begin for begin, end, _ in ranges(service)]
        assert sum(span > 5 * 10**7 for span in spans) > 3
        service.faults[:] = [lambda *_: Reply(status=503)]
        for hours in range(1, 9):
            fetch(service, "ncmec", tmp_path, now=NOW + hours * 5000, attempts=1)
        assert checkpoint(tmp_path)["span"] == 3600
        assert checkpoint(tmp_path)["from"] == NOW - 30
