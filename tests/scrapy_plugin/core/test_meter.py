from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.scrapy_plugin.core.meter import Histogram, HostCounts, Meter, may_show_dropped
from ingest_guard.verdict import ImageFacts, Match, Outcome, Reason, Verdict

_PASSED = Verdict(Outcome.NO_KNOWN_MATCH, image=ImageFacts("JPEG", 640, 480, 1))
_MATCHED = Verdict(Outcome.MATCH, matches=(Match("a", "md5", 0, "bytes"),), image=ImageFacts("JPEG", 640, 480, 1))
_DOUBTFUL = Verdict(Outcome.NOT_SCANNABLE, reason=Reason.CORRUPT)


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    """Every value is in the first bucket whose bound it does not pass; the last takes the rest."""
    histogram = Histogram((1, 10, 50))
    for value in values:
        histogram.add(value)
    wanted = [sum(low < v <= high for v in values) for low, high in ((-1, 1), (1, 10), (10, 50), (50, 1000))]
    assert histogram.counts == wanted
    assert histogram.to_json()["sum"] == pytest.approx(sum(values), abs=1e-5)


def test_verdicts_are_counted_by_format_and_host() -> None:
    """What passed and what was dropped are told apart; pages count nowhere."""
    meter = Meter(10)
    for verdict in (_PASSED, _MATCHED, _DOUBTFUL, Verdict(Outcome.NOT_AN_IMAGE)):
        meter.note_verdict("https://images.example/a/b.jpg?c", verdict, 2500)
    assert meter.to_json()["formats"] == {"JPEG": [1, 1], "unknown": [0, 1]}
    assert meter.hosts.to_json(with_dropped=True)["hosts"] == [["images.example", 1, 2500, 2]]
    assert sum(meter.bodies.counts) == 1


@pytest.mark.parametrize("url", ["", "http://[broken", "data:,x", "http://" + "a" * 5000, "\0"])
def test_an_odd_address_is_counted_all_the_same(url: str) -> None:
    """Whatever a URL is, counting it raises nothing and keeps a bounded name."""
    meter = Meter(10)
    meter.note_verdict(url, _PASSED, 1)
    [[host, *_]] = meter.hosts.to_json(with_dropped=True)["hosts"]
    assert len(host) <= 253


def test_formats_are_bounded() -> None:
    """However many formats somebody invents, the meter keeps a few and adds up the others."""
    meter = Meter(0)
    for number in range(100):
        meter.note_verdict("http://a/", Verdict(Outcome.NO_KNOWN_MATCH, image=ImageFacts(f"F{number}", 1, 1, 1)), 1)
    formats = meter.to_json()["formats"]
    assert len(formats) == 41
    assert formats["others"] == [60, 0]
    assert meter.hosts.to_json(with_dropped=True)["hosts"] == []


def test_records_are_measured() -> None:
    """A record's longer side and the length of its text are counted; what is no record is not."""
    meter = Meter(1)
    meter.note_record({"width": 30, "height": 900, "alt": "a cat"})
    meter.note_record({"width": 10, "height": 10, "alt": None})
    for other in ({"name": "an item of somebody's"}, object(), None):
        meter.note_record(other)
    assert sum(meter.sides.counts) == sum(meter.texts.counts) == 2
    assert meter.texts.counts[0] == 1


def test_the_largest_hosts_stay_and_no_count_is_lost() -> None:
    """Of many more hosts than are wanted, the large ones are told exactly, and the sum of all is right."""
    counts = HostCounts(5)
    for number in range(3000):
        counts.add(f"host{number}", passed=True, size=10)
        counts.add("large", passed=number % 2 == 0, size=10)
    told = counts.to_json(with_dropped=True)
    assert told["hosts"][0] == ["large", 1500, 15000, 1500]
    assert len(told["hosts"]) == 5
    assert sum(row[1] for row in told["hosts"]) + told["others"][0] == 4500
    assert told["distinct"] == pytest.approx(3001, rel=0.02)
    json.dumps(told)


def test_without_drops_nothing_tells_of_a_host_that_had_nothing_else() -> None:
    """A host of which nothing passed is not there, and the order is that of what passed."""
    counts = HostCounts(5)
    for passed, host in ((True, "a"), (True, "b"), (True, "b"), (False, "a"), (False, "a"), (False, "only-drops")):
        counts.add(host, passed=passed, size=1)
    told = counts.to_json(with_dropped=False)
    assert told["hosts"] == [["b", 2, 2, None], ["a", 1, 1, None]]
    assert told["others"] == [0, 0, None]
    assert "only-drops" in json.dumps(counts.to_json(with_dropped=True))


@pytest.mark.parametrize(
    ("matched", "doubtful", "told"), [(0, 0, True), (0, 9, True), (1, 9, False), (1, 10, True), (3, 29, False)]
)
def test_when_drops_are_told(matched: int, doubtful: int, told: object) -> None:
    """Drops of single hosts are told where hardly one of them was a match, or none at all."""
    assert may_show_dropped(matched, doubtful) is told
