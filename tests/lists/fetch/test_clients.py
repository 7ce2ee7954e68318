from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lists.fetch.helpers import NOW, SECRETS, SERVICES, expected, fetch, listed
from lists.fetch.services import EPOCH, Asked, Hash, Reply, StopNcii, Tat, ThreatExchange, as_json, hexed

if TYPE_CHECKING:
    from pathlib import Path

KINDS = sorted(SERVICES)
DAY = 86_400


def checkpoint(folder: Path, kind: str) -> dict[str, Any]:
    """Return where the next fetch goes on."""
    position: dict[str, Any] = json.loads((folder / "lists" / f"{kind}.checkpoint").read_bytes())["state"]["position"]
    return position


def some(count: int = 35) -> list[Hash]:
    """Return records at times of their own."""
    return [Hash.of(number, EPOCH + number) for number in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_arrives_whatever_goes_wrong_on_the_way(tmp_path: Path, kind: str) -> None:
    """Each service is fetched to its end over faults, and its journal comes to what the service holds."""
    with SERVICES[kind](some()) as service:
        faults = [Reply(status=500), Reply(b"{", cut=0), Reply(b"<a>{"), Reply(b"x" * 100, cut=50)]
        for number, fault in enumerate(faults, start=1):
            service.fail(2 * number, fault)
        outcome = fetch(service, kind, tmp_path)
    assert outcome.error is None
    assert outcome.completed == NOW
    assert listed(outcome.journal) == expected(some(), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_changes_and_withdrawals(tmp_path: Path, kind: str) -> None:
    """A later fetch replaces what has changed and removes what was withdrawn."""
    entries = some(12)
    with SERVICES[kind](entries) as service:
        fetch(service, kind, tmp_path)
        for number in (3, 4):
            service.entries[number] = replace(entries[number], time=NOW + number, deleted=True)
        # What StopNCII calls a record is its value, so that a record with another one is another record.
        changed = replace(entries[5], time=NOW + 6, md5=hexed("new"))
        service.entries[5] = changed
        outcome = fetch(service, kind, tmp_path, now=NOW + 3600)
        assert outcome.tally.removed == 2
        assert outcome.tally.records <= 4
        assert listed(outcome.journal) == expected(service.entries, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_there(tmp_path: Path, kind: str) -> None:
    """A service without records is fetched to its end, and its journal is empty."""
    with SERVICES[kind]() as service:
        outcome = fetch(service, kind, tmp_path)
    assert outcome.error is None
    assert listed(outcome.journal) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_no_credential_and_no_address_is_kept(tmp_path: Path, kind: str) -> None:
    """Neither the journal nor the checkpoint of a fetch that stopped in its midst holds a credential."""
    with SERVICES[kind](some()) as service:
        service.faults.append(lambda _, index: Reply(status=404) if index == 3 else None)
        service.faults.append(lambda _, index: Reply(status=403) if index > 3 else None)
        outcome = fetch(service, kind, tmp_path)
    assert outcome.error is not None
    kept = b"".join(path.read_bytes() for path in (tmp_path / "lists").iterdir())
    for text in ("secret", "Bearer", "token1", SECRETS["FETCH_TOKEN"].split("|")[0]):
        assert text.encode() not in kept
        assert text not in outcome.error.replace("FETCH_SECRET", "")
    assert service.url not in outcome.error


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_never_in_an_error(tmp_path: Path, kind: str) -> None:
    """A page that is cut off inside a value ends in an error that does not quote it."""
    with SERVICES[kind](some()) as service:

        def cut(asked: Asked, index: int) -> Reply | None:
            body = service.answer(asked).body
            return Reply(body[: len(body) // 2]) if asked.method == "GET" else None

        service.faults.append(cut)
        outcome = fetch(service, kind, tmp_path, attempts=2)
    assert "cut off" in (outcome.error or "")
    for entry in some():
        assert (entry.md5 or "")[:8] not in (outcome.error or "")
        assert (entry.pdq or "")[:8] not in (outcome.error or "")


@pytest.mark.parametrize(
    ("kind", "array"), [("stopncii", "hashRecords"), ("tat", "results"), ("threatexchange", "data")]
)
def test_rows_that_are_malformed(tmp_path: Path, kind: str, array: str) -> None:
    """Rows that are no objects, or hold nothing, are counted; those around them are kept."""
    entries = some(90)
    with SERVICES[kind](entries, page=100) as service:

        def spoilt(asked: Asked, index: int) -> Reply | None:
            told = json.loads(service.answer(asked).body)
            if array in told:
                told[array][1:1] = [7, None, {}, {"id": 5, "type": 3, "algorithm": [], "signalType": {}}]
            return as_json(told)

        service.faults.append(spoilt)
        outcome = fetch(service, kind, tmp_path)
    assert outcome.error is None
    assert outcome.tally.rejected["bad_record"] == 2
    assert listed(outcome.journal) == expected(entries, kind)


@pytest.mark.parametrize(
    ("kind", "array"), [("stopncii", "hashRecords"), ("tat", "results"), ("threatexchange", "data")]
)
def test_answer_without_its_list(tmp_path: Path, kind: str, array: str) -> None:
    """An answer without the list of records is no answer."""
    with SERVICES[kind](some()) as service:

        def without(asked: Asked, index: int) -> Reply | None:
            told = json.loads(service.answer(asked).body)
            told.pop(array, None)
            return as_json(told)

        service.faults.append(without)
        outcome = fetch(service, kind, tmp_path, attempts=2)
    assert f"answer without {array}" in (outcome.error or "")


def test_stopncii_checkpoint_is_what_the_service_names(tmp_path: Path) -> None:
    """The time that the service names is the next start, once there are no more records."""
    with StopNcii(some()) as service:
        fetch(service, "stopncii", tmp_path)
        assert checkpoint(tmp_path, "stopncii") == {"from": EPOCH + 34}
        assert service.asked[0].query == {"startTimestamp": "10", "pageSize": "800"}
        fetch(service, "stopncii", tmp_path)
        assert service.asked[-1].query["startTimestamp"] == str(EPOCH + 34)


@pytest.mark.parametrize(
    ("named", "start"), [(5, 10), (EPOCH * 1000, EPOCH + 10_000_000), (None, 10), ("soon", 10), (True, 10)]
)
def test_stopncii_names_a_senseless_time(tmp_path: Path, named: object, start: int) -> None:
    """A time before ours, after the service's own present, or none at all does not lead us astray."""
    with StopNcii(some(3)) as service:

        def wrong(asked: Asked, index: int) -> Reply | None:
            return as_json({**json.loads(service.answer(asked).body), "nextSetTimestamp": named})

        service.faults.append(wrong)
        assert fetch(service, "stopncii", tmp_path).error is None
    assert checkpoint(tmp_path, "stopncii") == {"from": start}


@pytest.mark.parametrize(("age", "goes_on"), [(60, True), (7200, False), (-60, False)])
def test_stopncii_token_of_an_earlier_run(tmp_path: Path, age: int, goes_on: bool) -> None:  # noqa: FBT001 - parameters
    """A token is used while it is young; else the pages begin anew at the checkpoint."""
    with StopNcii(some()) as service:
        service.fail(2, Reply(status=403))
        fetch(service, "stopncii", tmp_path)
        outcome = fetch(service, "stopncii", tmp_path, now=NOW + age)
        assert ("nextPageToken" in service.asked[3].query) is goes_on
        assert listed(outcome.journal) == expected(some(), "stopncii")


def test_stopncii_token_that_is_void(tmp_path: Path) -> None:
    """A token that the service does not know any more costs the pages since the checkpoint, and no record."""
    with StopNcii(some()) as service:

        def renew(asked: Asked, index: int) -> None:
            service.life += index == 2

        service.faults.append(renew)
        outcome = fetch(service, "stopncii", tmp_path)
    assert outcome.error is None
    assert "nextPageToken" not in service.asked[3].query
    assert listed(outcome.journal) == expected(some(), "stopncii")


@pytest.mark.parametrize("token", [None, "", "same"])
def test_stopncii_tokens_that_lead_nowhere(tmp_path: Path, token: str | None) -> None:
    """More records, but no token, or the same one for ever, is an error after some tries."""
    with StopNcii(some()) as service:

        def stuck(asked: Asked, index: int) -> Reply | None:
            return as_json({"hasMoreRecords": True, "nextPageToken": token, "hashRecords": []})

        service.faults.append(stuck)
        outcome = fetch(service, "stopncii", tmp_path)
    assert "its tokens do not lead to them, 4 times" in (outcome.error or "")


def test_stopncii_answer_that_does_not_say_whether_there_is_more(tmp_path: Path) -> None:
    """Without hasMoreRecords nobody knows whether it was the end, so that it is none."""
    with StopNcii() as service:
        service.faults.append(lambda *_: as_json({"hashRecords": []}))
        assert "whether there are more" in (fetch(service, "stopncii", tmp_path, attempts=1).error or "")
        service.faults[:] = [lambda *_: Reply(status=404)]
        assert "status 404" in (fetch(service, "stopncii", tmp_path).error or "")


def test_tat_goes_on_after_the_mark(tmp_path: Path) -> None:
    """Each page's mark is where the next one, and the next run, begins."""
    with Tat(some()) as service:
        service.fail(3, Reply(status=404))
        assert fetch(service, "tat", tmp_path).error is not None
        mark = checkpoint(tmp_path, "tat")["after"]
        assert mark == f"{EPOCH + 19}.5,19"
        outcome = fetch(service, "tat", tmp_path)
        assert service.asked[5].query == {"order": "asc", "after": mark}
        assert listed(outcome.journal) == expected(some(), "tat")


def test_tat_token_that_runs_out(tmp_path: Path) -> None:
    """A fetch that outlives its token logs in once more; a service that refuses the new one, too, is believed."""
    with Tat(some()) as service:

        def expire(asked: Asked, index: int) -> None:
            service.logins += index == 3

        service.faults.append(expire)
        outcome = fetch(service, "tat", tmp_path)
        assert outcome.error is None
        assert listed(outcome.journal) == expected(some(), "tat")
        service.faults.append(lambda asked, _: Reply(status=403) if asked.method == "GET" else None)
        assert "FETCH_USER" in (fetch(service, "tat", tmp_path).error or "")


@pytest.mark.parametrize("change", [{"checkpoint": ""}, {"checkpoint": None}, {"results": []}])
def test_tat_pages_that_lead_nowhere(tmp_path: Path, change: dict[str, object]) -> None:
    """More records, but no way to them, is an error."""
    with Tat(some()) as service:

        def stuck(asked: Asked, index: int) -> Reply | None:
            return as_json({**json.loads(service.answer(asked).body), **change}) if index else None

        service.faults.append(stuck)
        assert "does not lead to them" in (fetch(service, "tat", tmp_path).error or "")


@pytest.mark.parametrize("token", [None, "", 7, "a\nb"])
def test_tat_login_without_a_token(tmp_path: Path, token: object) -> None:
    """A login that gives no token that could be sent is none."""
    with Tat() as service:
        service.faults.append(lambda *_: as_json({"token": token}))
        assert "answer without a token" in (fetch(service, "tat", tmp_path, attempts=2).error or "")


def test_threatexchange_token_is_not_in_the_checkpoint_but_in_each_request(tmp_path: Path) -> None:
    """The token in a next link is taken out of what is kept, and put in again when the page is asked for."""
    with ThreatExchange(some()) as service:
        service.fail(2, Reply(status=403))
        assert fetch(service, "threatexchange", tmp_path).error is not None
        kept = checkpoint(tmp_path, "threatexchange")["open"]["next"]
        assert "access_token" not in kept
        assert "after=20" in kept
        outcome = fetch(service, "threatexchange", tmp_path)
        assert service.asked[3].query["after"] == "20"
        assert all(asked.query["access_token"] == ThreatExchange.TOKEN for asked in service.asked)
        assert listed(outcome.journal) == expected(some(), "threatexchange")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("127.0.0.1", "127.0.0.2"), "not one of the group's updates"),
        (("4242", "4343"), "not one of the group's updates"),
        (("stop_time=17", "stop_time=16"), "another range of time"),
    ],
)
def test_threatexchange_next_link_elsewhere(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    """A next link to another host, group or range is not followed."""
    with ThreatExchange(some()) as service:

        def elsewhere(asked: Asked, index: int) -> Reply | None:
            told = json.loads(service.answer(asked).body)
            told["paging"]["next"] = told["paging"]["next"].replace(*change)
            return as_json(told)

        service.faults.append(elsewhere)
        outcome = fetch(service, "threatexchange", tmp_path)
    assert said in (outcome.error or "")
    assert all("after" not in asked.query for asked in service.asked)


@pytest.mark.parametrize(
    ("descriptors", "stays"),
    [
        ({"data": [{"status": "MALICIOUS"}, {"status": "NON_MALICIOUS"}]}, True),
        ({"data": [{"status": "NON_MALICIOUS"}]}, False),
        ({"data": []}, False),
        ([], False),
        ([{"status": "UNKNOWN"}], True),
    ],
)
def test_threatexchange_opinions(tmp_path: Path, descriptors: object, stays: bool) -> None:  # noqa: FBT001 - parameters
    """An update counts while somebody holds an opinion other than that it is harmless."""
    with ThreatExchange(some(1)) as service:

        def told(asked: Asked, index: int) -> Reply | None:
            return as_json({"data": [{**ThreatExchange.record(service.entries[0]), "descriptors": descriptors}]})

        service.faults.append(told)
        outcome = fetch(service, "threatexchange", tmp_path)
    assert len(listed(outcome.journal)) == stays


@pytest.mark.parametrize(("kind", "days"), [("threatexchange", 86), ("stopncii", 31)])
def test_long_pause_means_everything_anew(tmp_path: Path, kind: str, days: int) -> None:
    """After a pause in which withdrawals may have been forgotten all is fetched anew; what is gone goes."""
    with SERVICES[kind](some(12)) as service:
        fetch(service, kind, tmp_path)
        del service.entries[4:7]
        service.clock = NOW + 100 * DAY
        outcome = fetch(service, kind, tmp_path, now=NOW + (days - 2) * DAY)
        assert len(listed(outcome.journal)) == 12
        outcome = fetch(service, kind, tmp_path, now=NOW + 2 * days * DAY)
        assert outcome.compacted
        assert listed(outcome.journal) == expected(service.entries, kind)
        assert len(listed(outcome.journal)) == 9
