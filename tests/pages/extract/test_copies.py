from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.extract.copies import Candidate, choose, parse_srcset
from ingest_guard.policy.records import Extract

LARGEST = Extract()


def test_descriptors_of_width_and_density() -> None:
    """W and x say what a copy is; without one it is the copy of density 1."""
    assert parse_srcset("a.jpg 100w, b.jpg 2.5x,c.jpg") == [
        Candidate("a.jpg", 100),
        Candidate("b.jpg", None, 2.5),
        Candidate("c.jpg"),
    ]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("a,b.jpg 1x, c,d.jpg 2x", ["a,b.jpg", "c,d.jpg"]),
        ("a.jpg, b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg,b.jpg 2x", ["a.jpg,b.jpg"]),
        (" ,, a.jpg\t1x ,\n b.jpg 2x,", ["a.jpg", "b.jpg"]),
        ("a.jpg,,, b.jpg 2x", ["a.jpg", "b.jpg"]),
        ("data:image/gif;base64,R0lGOD 1x, b.jpg 2x", ["data:image/gif;base64,R0lGOD", "b.jpg"]),
        ("", []),
        (",", []),
    ],
)
def test_commas_inside_addresses_belong_to_them(text: str, urls: list[str]) -> None:
    """A comma ends a candidate only after a blank, or at the end of an address: as the standard says."""
    assert [each.url for each in parse_srcset(text)] == urls


@pytest.mark.parametrize(
    "descriptor",
    [
        "0w",
        "-1w",
        "1.5w",
        "x",
        "w",
        "1q",
        "1w 2w",
        "1w 2x",
        "1x 2x",
        "10h",
        "10h 1x",
        "nanx",
        "infx",
        "1_0x",
        "-1x",
        "+1x",
    ],
)
def test_a_candidate_with_a_wrong_descriptor_is_left_out(descriptor: str) -> None:
    """The others stay."""
    assert [each.url for each in parse_srcset(f"bad.jpg {descriptor}, good.jpg 1x")] == ["good.jpg"]


def test_height_beside_width_is_passed_over() -> None:
    """The h descriptor is kept for the future, and valid beside a width."""
    assert parse_srcset("a.jpg 100w 50h") == [Candidate("a.jpg", 100)]


def test_commas_in_parentheses_belong_to_a_descriptor() -> None:
    """A descriptor of a standard to come is skipped whole."""
    assert [each.url for each in parse_srcset("a.jpg future(1, 2), b.jpg 1x")] == ["b.jpg"]
    assert parse_srcset("a.jpg (1, 2") == []


@given(st.text(alphabet="ab,.() \t123wxh", max_size=80))
def test_no_attribute_is_an_error(text: str) -> None:
    """Whatever stands there, candidates have an address without blanks, and no comma at its ends."""
    for each in parse_srcset(text):
        assert each.url
        assert each.url[0] != ","
        assert each.url == each.url.strip()
        assert each.width is None or each.width > 0
        assert each.density >= 0


@given(st.lists(st.tuples(st.text("abc/.", min_size=1, max_size=5), st.integers(1, 9999)), min_size=1, max_size=8))
def test_what_is_written_is_read(candidates: list[tuple[str, int]]) -> None:
    """Any list of addresses and widths survives."""
    text = ", ".join(f"{url} {width}w" for url, width in candidates)
    assert [(each.url, each.width) for each in parse_srcset(text)] == candidates


def test_an_attribute_out_of_all_proportion_is_passed_over() -> None:
    """Longer than 64 KiB, or more than 64 candidates."""
    assert parse_srcset("a 1x," * 20_000) == []
    assert len(parse_srcset("a 1x," * 1000)) == 64


def test_the_largest_is_the_widest_or_the_densest() -> None:
    """Widths count before densities: where there is one, the others are fallbacks."""
    assert choose(parse_srcset("a 100w, b 900w, c 300w"), LARGEST).url == "b"
    assert choose(parse_srcset("a, b 3x, c 2x"), LARGEST).url == "b"
    assert choose([Candidate("a", None, 9.0), Candidate("b", 10)], LARGEST).url == "b"
    assert choose(parse_srcset("a 5w, b 5w"), LARGEST).url == "a"


def test_the_nearest_is_nearest_to_the_wanted_width() -> None:
    """Densities count from the width at which the page shows the image, else the plain copy is taken."""
    policy = Extract(choose="nearest", width=400)
    assert choose(parse_srcset("a 100w, b 900w, c 300w, d 500w"), policy).url == "d"
    assert choose(parse_srcset("a 1x, b 2x, c 3x"), policy, shown_width=180).url == "b"
    assert choose(parse_srcset("a 2x, b 1x"), policy).url == "b"
