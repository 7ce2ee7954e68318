from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from support.course import write_course

from ingest_guard.dataset.report.page import build_report, content_policy
from ingest_guard.errors import DatasetError
from ingest_guard.scrapy_plugin.core.meter import Meter

if TYPE_CHECKING:
    from pathlib import Path

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{{7*7}}"


class _Reader(HTMLParser):
    """Collects what a page is made of, and complains about tags that do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def read(page: str) -> _Reader:
    """Read a page; its tags must fit."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def write(folder: Path, *lines: dict[str, Any]) -> None:
    """Write a telemetry of one run."""
    text = "".join(
        json.dumps({"run": "a", "elapsed": 0.0, "time": "2026-01-02T03:04:05Z", **line}) + "\n" for line in lines
    )
    (folder / "telemetry.jsonl").write_text(text, encoding="utf-8")


def sample(elapsed: float = 10.0, **counts: int) -> dict[str, Any]:
    """Return a sample with some counts."""
    return {"kind": "sample", "elapsed": elapsed, "counts": counts, **Meter(1).to_json()}


def test_the_page_tells_the_course(tmp_path: Path) -> None:
    """Every section is there with its headings in order, each chart has a title, a description and its numbers."""
    write_course(tmp_path, hours=2, hosts=60)
    page = build_report(tmp_path, name="A crawl")
    reader = read(page)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    plots = [attributes for attributes in reader.of("svg") if attributes.get("role") == "img"]
    assert len(plots) >= 10
    for plot in plots:
        assert all(part in ids for part in str(plot["aria-labelledby"]).split())
    assert len(reader.of("details")) >= len(plots)
    links = {str(attributes["href"]).removeprefix("#") for attributes in reader.of("a")}
    assert links <= set(ids)
    for word in ("A crawl", "Finished", "2 h", "robots_noai", "hotline-a", "About" if "About" in page else "in all"):
        assert word in reader.text
    assert "The crawl was resumed" not in reader.text


def test_a_crawl_of_one_sample_has_lines_to_look_at(tmp_path: Path) -> None:
    """A path of one point draws nothing: the rate of a short crawl holds from its start."""
    write(tmp_path, {"kind": "start", "format": 1}, sample(0.0), sample(10.0, checked=50, no_known_match=50))
    paths = [str(path["d"]) for path in read(build_report(tmp_path)).of("path") if path.get("d")]
    assert any(path.startswith("M0.0 ") for path in paths)
    assert all("L" in path for path in paths)


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    """No script, no image, no address of anything outside, no inline style; the policy allows its own style alone."""
    write_course(tmp_path, hours=1, hosts=10)
    page = build_report(tmp_path)
    reader = read(page)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in reader.tags}
    assert not any(
        "style" in attributes or any(name.startswith("on") for name in attributes) for _, attributes in reader.tags
    )
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [policy] = [a["content"] for a in reader.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == content_policy(style)
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Names of hosts, formats, lists, spiders and reasons are shown as they are, and are never markup."""
    write(
        tmp_path,
        {"kind": "start", "spider": _EVIL, "guard": _EVIL, "bounds": Meter(1).bounds()},
        {"kind": "lists", "lists": [{"id": _EVIL, "version": _EVIL, "severity": _EVIL, "entries": _EVIL}]},
        sample(1.0),
        {
            **sample(9.0, **{"checked": 2, "no_known_match": 1, "matched": 1, f"matched/{_EVIL}": 1}),
            "formats": {_EVIL: [1, 1]},
        },
        {"kind": "hosts", "hosts": [[_EVIL, 1, 1, 1]], "others": [1, 1, 1], "distinct": 2},
        {"kind": "end", "reason": _EVIL},
    )
    reader = read(build_report(tmp_path, name=_EVIL))
    assert not {"script", "img"} & {tag for tag, _ in reader.tags}
    assert reader.text.count("<script>alert(1)</script>") >= 6
    assert "{{7*7}}" in reader.text


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "nonsense",
        '{"run": "a", "kind": "sample", "counts": [], "queues": 3, "scan": {"counts": ["x"]}, "elapsed": -1}',
        '{"run": "a", "kind": "sample", "counts": {"checked": -5, "records": 1e400}, "elapsed": 1e999}',
        '{"run": "a", "kind": "hosts", "hosts": [3, [], ["a"], ["b", "x", null, {}]], "others": ["x"]}',
        '{"run": "a", "kind": "lists", "lists": "none"}',
        '{"run": "a", "kind": "start", "bounds": {"scan": [3, 1], "text": "x"}}',
        '{"run": ["a"]}',
        "[" * 10000,
    ],
)
def test_a_line_that_is_odd_costs_nothing(tmp_path: Path, line: str) -> None:
    """Whatever stands in the file, the page is made of what can be understood."""
    write(tmp_path, sample(1.0, checked=1), sample(5.0, checked=7, no_known_match=7))
    with (tmp_path / "telemetry.jsonl").open("a") as file:
        file.write(f"{line}\n")
    assert "Images checked" in read(build_report(tmp_path)).text


def test_a_crawl_of_a_million_is_a_small_page(tmp_path: Path) -> None:
    """Three days, a million images, a hundred thousand hosts: under a megabyte."""
    write_course(tmp_path, hours=72, hosts=100_000, rate=5, step=600)
    page = build_report(tmp_path)
    assert len(page.encode()) < 1_000_000
    assert re.search(r"About [\d.]+ k hosts in all", page)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"reason": "finished"}, "Finished"),
        ({"reason": "shutdown"}, "Stopped before its end (shutdown)"),
        ({"reason": "closespider_itemcount"}, "Ended at its own bound (closespider_itemcount)"),
        ({"reason": "ingest_guard_failed", "failed": True}, "The guard failed; do not use the records"),
        (None, "Still at work, or ended without a word"),
    ],
)
def test_the_page_says_how_it_ended(tmp_path: Path, end: dict[str, Any] | None, words: str) -> None:
    """The state stands at the top, and nothing is called finished that is not."""
    write(tmp_path, sample(1.0, checked=1), *([{"kind": "end", **end}] if end else []))
    assert words in build_report(tmp_path)


def test_records_are_counted_in_the_files(tmp_path: Path) -> None:
    """Without a telemetry, the shards still tell how many records there are, and the page says what it lacks."""
    (tmp_path / "records-00000.jsonl").write_text('{"uid": "a"}\n' * 1234)
    (tmp_path / "records-00001.jsonl").write_text('{"uid": "b"}\n')
    text = read(build_report(tmp_path)).text
    assert "1,235" in text
    assert "in 2 files" in text
    assert "There is no telemetry.jsonl" in text
    assert "There is no attestation.json" in text


def test_a_shard_that_cannot_be_counted_is_no_number(tmp_path: Path) -> None:
    """A damaged file is not counted as empty."""
    (tmp_path / "records-00000.parquet").write_bytes(b"PAR1 and then nothing")
    reader = read(build_report(tmp_path))
    assert not any(
        "tile" in str(attributes.get("class")) and "tiles" not in str(attributes.get("class"))
        for _, attributes in reader.tags
    )


def test_a_manifest_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A broken attestation is no attestation; the rest of the page is there."""
    write(tmp_path, sample(1.0, checked=1))
    (tmp_path / "attestation.json").write_text('{"format": 99}')
    assert "The attestation cannot be read" in read(build_report(tmp_path)).text


def test_a_folder_without_a_crawl_is_an_error(tmp_path: Path) -> None:
    """Nothing to tell of is not an empty page."""
    with pytest.raises(DatasetError, match="holds neither"):
        build_report(tmp_path)
    with pytest.raises(DatasetError, match="is no folder"):
        build_report(tmp_path / "missing")
    (tmp_path / "telemetry.jsonl").mkdir()
    with pytest.raises(DatasetError, match="cannot be read"):
        build_report(tmp_path)


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme: int) -> None:
    """Words have a contrast of 4.5 at least, lines and bars of 3, on every ground that they stand on."""
    style = files("ingest_guard.dataset.report").joinpath("page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style.split("@media (prefers-color-scheme: dark)")[scheme]))

    def contrast(one: str, other: str) -> float:
        low, high = sorted((_luminance(colours[one]), _luminance(colours[other])))
        return (high + 0.05) / (low + 0.05)

    for ground in ("paper", "card"):
        assert all(contrast(word, ground) >= 4.5 for word in ("ink", "soft", "link", "warn", "good", "bad"))
    assert contrast("ink", "warn-paper") >= 4.5
    assert contrast("link", "warn-paper") >= 4.5
    assert all(contrast(mark, "card") >= 3 for mark in ("passed", "doubt", "match", "held", "other", "dropped"))


def test_when_a_match_came_is_not_told(tmp_path: Path) -> None:
    """With the times of the records it might lead to its host: an unscannable image in its place looks the same."""
    write_course(tmp_path)
    file = tmp_path / "telemetry.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    before = build_report(tmp_path, name="x")
    for line in lines[: len(lines) // 3]:
        if line["kind"] == "sample" and line["counts"].get("matched"):
            line["counts"]["matched"] -= 1
            line["counts"]["not_scannable"] += 1
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert build_report(tmp_path, name="x") == before
    assert "Dropped so far" in before


@pytest.mark.parametrize(("since", "said"), [("2026-09-14", "wait since 2026-09-14"), (_EVIL, "wait"), (None, "wait")])
def test_incidents_that_wait_have_a_tile(since: str | None, said: str, tmp_path: Path) -> None:
    """How many wait in the folder and since when, as the last run saw it; not a sum over the runs."""
    file = write_course(tmp_path)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert "Incidents" not in read(build_report(tmp_path)).text
    for line in lines:
        if line["kind"] == "sample":
            line["counts"]["incidents/waiting"] = 17
            line["incidents_since"] = since
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    text = " ".join(read(build_report(tmp_path)).text.split())
    assert re.search(rf"Incidents ?17 {said}(?! since)", text)
