from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected, Removed, Unsupported, ncmec, values
from ingest_guard.lists.ncmec import MAX_VALUES, NAMESPACE, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MD5 = "00112233445566778899aabbccddeeff"
SHA1 = MD5 + "01234567"
PDQ = MD5 + MD5


def record(
    kind: str = "image",
    member: str | None = "42",
    id_: str | None = "e1",
    prints: Sequence[tuple[str, str]] = (("md5", MD5),),
    **more: str,
) -> str:
    """Write one record; `more` are further fields, as XML."""
    inner = "" if member is None else f"<member id={quoteattr(member)}>A member</member>"
    inner += "<timestamp>2020-01-01T00:00:00Z</timestamp>"
    inner += "" if id_ is None else f"<id>{escape(id_)}</id>"
    inner += "".join(f"<{name}>{text}</{name}>" for name, text in more.items())
    if prints:
        inner += "<fingerprints>" + "".join(f"<{name}>{escape(text)}</{name}>" for name, text in prints)
        inner += "</fingerprints>"
    return f"<{kind}>{inner}</{kind}>"


def answer(
    *records: str, following: str | None = None, namespace: str | None = NAMESPACE, group: str = "images"
) -> str:
    """Write one answer of these records."""
    paging = "" if following is None else f"<paging><next>{following}</next></paging>"
    attribute = "" if namespace is None else f' xmlns="{namespace}"'
    body = f'<{group} count="{len(records)}" maxTimestamp="2020-01-01T00:00:00Z">{"".join(records)}</{group}>'
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<queryResult{attribute}>{body}{paging}</queryResult>'
    )


def rows(tmp_path: Path, *documents: str) -> list[Any]:
    """Read a file of these documents."""
    path = tmp_path / "list.xml"
    path.write_text("\n".join(documents))
    return list(read(path))


def test_an_image_gives_an_entry_for_each_of_its_hashes(tmp_path: Path) -> None:
    """MD5, SHA-1, SHA-256 and PDQ of an image are entries with the record's key and severity."""
    prints = [("md5", MD5), ("sha1", f"\n {SHA1.upper()} \n"), ("sha256", PDQ), ("pdq", PDQ)]
    found = rows(tmp_path, answer(record(prints=prints, classification=" a1 ")))
    assert found == [
        Entry("md5", bytes.fromhex(MD5), 1, "42/e1", "A1"),
        Entry("sha1", bytes.fromhex(SHA1), 1, "42/e1", "A1"),
        Entry("sha256", bytes.fromhex(PDQ), 1, "42/e1", "A1"),
        Entry("pdq", bytes.fromhex(PDQ), 1, "42/e1", "A1"),
    ]


def test_withdrawals_name_the_record(tmp_path: Path) -> None:
    """Deleted images and videos take their records back."""
    found = rows(
        tmp_path,
        answer(record(), record("deletedImage", prints=())),
        answer(record("deletedVideo", "7", "v", prints=()), group="videos"),
    )
    assert found[1:] == [Removed(2, "42/e1"), Removed(3, "7/v")]


def test_what_is_not_compared_is_counted(tmp_path: Path) -> None:
    """Videos, PhotoDNA without a plug-in, NetClean, links to large fingerprints and new types are unsupported."""
    prints = [("pdna", "zz"), ("netclean", "x"), ("newtype", "x"), ("md5", MD5)]
    links = '<videntifier rel="self" href="/v2/x"/><tmk-pdqf href="/v2/x"></tmk-pdqf><md5 href="/v2/y"/>'
    linked = record().replace(f"<md5>{MD5}</md5>", links)
    found = rows(tmp_path, answer(record(prints=prints), linked), answer(record("video"), record("audio"), group="x"))
    assert found == [
        *(Unsupported(1, what) for what in ("pdna", "netclean", "other")),
        Entry("md5", bytes.fromhex(MD5), 1, "42/e1"),
        *(Unsupported(2, what) for what in ("videntifier", "tmk_pdqf", "other")),
        Unsupported(3, "video"),
        Unsupported(4, "other"),
    ]


def test_photodna_is_read_where_a_plug_in_claims_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a hasher for it, PhotoDNA is an entry, or rejected where it has another length."""
    known = algorithms.Algorithm("pdna", 144, "bytes", "l1", 100.0)
    monkeypatch.setattr(values, "find", {"pdna": known}.get)
    monkeypatch.setattr(values, "get", {"pdna": known}.get)
    prints = [("pdna", "a1" * 144), ("pdna", "a1" * 30 + "...")]
    assert rows(tmp_path, answer(record(prints=prints))) == [
        Entry("pdna", b"\xa1" * 144, 1, "42/e1"),
        Rejected(1, "bad_length"),
    ]


def test_a_broken_plug_in_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hasher for PhotoDNA that cannot be loaded stops the import, and the error says where."""

    def fails(name: str) -> None:
        raise BlocklistError("hasher pdna cannot be loaded")

    monkeypatch.setattr(values, "find", fails)
    with pytest.raises(ListFormatError, match=r"list\.xml, record 2: hasher pdna cannot be loaded"):
        rows(tmp_path, answer(record(), record(prints=[("pdna", "00")])))


FEEDBACK = (
    '<affirmativeFeedback type="Md5"><members><member id="9">B</member></members></affirmativeFeedback>'
    '<negativeFeedback type="Sha1"><reasons><reason guid="g" name="n" type="Sha1"/>'
    f'<members><member id="8">C</member><id>f</id></members></reasons><fingerprints><md5>{SHA1}</md5></fingerprints>'
    '</negativeFeedback><negativeFeedback type="Sha1"/><negativeFeedback type="Md5"/>'
)


@pytest.mark.parametrize("first", [True, False])
def test_feedback_is_no_part_of_the_record(tmp_path: Path, first: bool) -> None:  # noqa: FBT001 - a parameter
    """Members and whatever else stands in feedback are not the record's; disputed types are counted."""
    feedback = f"<feedback>{FEEDBACK}</feedback>"
    text = record()
    text = text.replace("<image>", "<image>" + feedback) if first else text.replace("</image>", feedback + "</image>")
    assert rows(tmp_path, answer(text)) == [
        Entry("md5", bytes.fromhex(MD5), 1, "42/e1"),
        Unsupported(1, "negative_feedback"),
        Unsupported(1, "negative_feedback"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (record(member=None), [Rejected(1, "no_id"), Entry("md5", bytes.fromhex(MD5), 1)]),
        (record(id_=None), [Rejected(1, "no_id"), Entry("md5", bytes.fromhex(MD5), 1)]),
        (record(id_="x" * 600), [Rejected(1, "no_id"), Entry("md5", bytes.fromhex(MD5), 1)]),
        (record("deletedImage", id_=" ", prints=()), [Rejected(1, "no_id")]),
        (record(prints=()), [Rejected(1, "no_value")]),
        (record(prints=[("md5", " ")]), [Rejected(1, "no_value")]),
        (record(prints=[("md5", MD5[1:]), ("sha1", MD5)]), [Rejected(1, "bad_length")] * 2),
        (record(prints=[("md5", "g" * 32)]), [Rejected(1, "not_hex")]),
        (record(prints=[("md5", "0" * 70_000)]), [Rejected(1, "too_long")]),
        (record().replace(MD5, f"{MD5[:16]}<b>{MD5[16:]}</b>"), [Rejected(1, "bad_length")]),
        (record(classification="A1 or B2"), [Entry("md5", bytes.fromhex(MD5), 1, "42/e1")]),
    ],
)
def test_bad_records_are_rejected_with_a_reason(tmp_path: Path, text: str, expected: list[Any]) -> None:
    """A record that cannot be used as a whole gives what can be used, and a reason for the rest."""
    found = rows(tmp_path, answer(text, record(id_="next")))
    assert found == [*expected, Entry("md5", bytes.fromhex(MD5), 2, "42/next")]


def test_a_record_has_a_limit(tmp_path: Path) -> None:
    """Of a record with too many fingerprints some are read, and the rest is reported."""
    found = rows(tmp_path, answer(record(prints=[("md5", MD5)] * (MAX_VALUES + 5))))
    assert len(found) == MAX_VALUES + 1
    assert found[-1] == Rejected(1, "too_many_values")


@pytest.mark.parametrize("namespace", [NAMESPACE, None])
def test_several_answers_make_one_list(tmp_path: Path, namespace: str | None) -> None:
    """Pages one after another are read as one list, with or without the namespace; rows go on counting."""
    found = rows(
        tmp_path,
        answer(record(), following="/v2/entries?x", namespace=namespace),
        answer(record(id_="e2"), namespace=namespace),
    )
    assert [(row.row, row.key) for row in found] == [(1, "42/e1"), (2, "42/e2")]


def test_a_missing_next_page_is_reported(tmp_path: Path) -> None:
    """A file whose last page names another one is not the whole list; an empty name is none."""
    assert rows(tmp_path, answer(record(), following="/v2/entries?x"))[-1] == Rejected(1, "more_pages")
    assert len(rows(tmp_path, answer(record(), following=" "))) == 1


def test_one_answer_is_parsed_without_a_file() -> None:
    """An answer that is in memory gives the same rows, and what its next page is."""
    data = answer(record(), following="/v2/entries?x").encode()
    assert ncmec.parse_answer(data) == ((Entry("md5", bytes.fromhex(MD5), 1, "42/e1"),), "/v2/entries?x")
    with pytest.raises(ListFormatError, match=r"\(answer\), line 2: it is cut off"):
        ncmec.parse_answer(data[:-9])


def test_prefixes_and_other_namespaces(tmp_path: Path) -> None:
    """A prefix for the namespace is the same; what is of another namespace is not looked at."""
    text = answer(record().replace("<md5>", '<md5 xmlns="urn:other">').replace("<id>", "<id xmlns=''>"))
    assert rows(tmp_path, text) == [Unsupported(1, "other")]
    prefixed = f'<n:queryResult xmlns:n="{NAMESPACE}"><n:images><n:image><n:fingerprints><n:md5>{MD5}</n:md5>'
    prefixed += "</n:fingerprints></n:image></n:images></n:queryResult>"
    assert rows(tmp_path, prefixed)[1] == Entry("md5", bytes.fromhex(MD5), 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<status/>", "no <queryResult> at its root"),
        (answer(record(), namespace="https://example.org/v3"), "another XML namespace"),
        (answer(record())[:-5], r"list\.xml, line 2: it is cut off"),
        (answer(record())[:200], r"list\.xml, line 2: it is cut off"),
        ('<!DOCTYPE a [<!ENTITY a "b">]>' + answer(record()).split("?>")[1], "document type"),
    ],
)
def test_what_is_no_such_list_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    """Another document, a cut-off one and one with a document type are refused."""
    with pytest.raises(ListFormatError, match=message) as caught:
        rows(tmp_path, text)
    assert MD5 not in str(caught.value)


def test_rows_come_while_the_file_is_read(tmp_path: Path) -> None:
    """The first rows are there long before the end, which may be broken."""
    path = tmp_path / "list.xml"
    path.write_text(answer(*(record(id_=str(number)) for number in range(2000)))[:-20])
    found = read(path)
    assert next(found) == Entry("md5", bytes.fromhex(MD5), 1, "42/0")
    with pytest.raises(ListFormatError, match="cut off"):
        list(found)


hashes = {"md5": 32, "sha1": 40, "sha256": 64, "pdq": 64}
good = st.lists(
    st.tuples(
        st.text("abcXYZ019-", min_size=1, max_size=8),
        st.sampled_from([None, "A1", "A2", "B1", "B2"]),
        st.lists(
            st.sampled_from(sorted(hashes)).flatmap(
                lambda name: st.tuples(
                    st.just(name), st.text("0123456789abcdef", min_size=hashes[name], max_size=hashes[name])
                )
            ),
            min_size=1,
            max_size=4,
        ),
        st.booleans(),
    ),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(records=good, pages=st.integers(1, 3))
def test_sound_answers_give_what_was_written(tmp_path: Path, records: list[Any], pages: int) -> None:
    """Whatever sound records are written, their values come back, with keys and severities, and nothing else."""
    texts, expected = [], []
    for number, (id_, severity, prints, deleted) in enumerate(records * pages, 1):
        if deleted:
            texts.append(record("deletedImage", id_=id_, prints=()))
            expected.append(Removed(number, f"42/{id_}"))
            continue
        texts.append(record(id_=id_, prints=prints, **({"classification": severity} if severity else {})))
        expected += [Entry(name, bytes.fromhex(text), number, f"42/{id_}", severity) for name, text in prints]
    size = len(records)
    found = rows(tmp_path, *(answer(*texts[page * size : (page + 1) * size]) for page in range(pages)))
    assert found == expected
    assert not any(text in repr(found) for _, _, prints, _ in records for _, text in prints)


pieces = st.sampled_from(
    [
        "<queryResult>",
        "</queryResult>",
        "<images>",
        "</images>",
        "<image>",
        "</image>",
        "<id>",
        "</id>",
        "<member id='1'>",
        "</member>",
        "<fingerprints>",
        "</fingerprints>",
        "<md5>",
        "</md5>",
        MD5,
        "<pdna/>",
        "<next>x</next>",
        "<paging>",
        "\0",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=20).map(lambda parts: "".join(parts).encode())))
def test_no_bytes_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    """Whatever a file holds, rows come of it or a list error, and neither shows anything of it."""
    path = tmp_path / "list.xml"
    path.write_bytes(data)
    try:
        shown = repr(list(ncmec.read(path)))
    except ListFormatError as error:
        shown = str(error)
    assert MD5 not in shown
