from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.blocklists import make_blocklist
from support.pictures import drawn, encode

from ingest_guard import Guard, Policy
from ingest_guard.guard.view_hashes import MOST, ViewHash, ViewHashes, as_records, from_rows, to_rows

if TYPE_CHECKING:
    from pathlib import Path

HASHES = st.builds(
    ViewHash,
    st.from_regex(r"[a-z0-9][a-z0-9_]{0,31}", fullmatch=True),
    st.integers(0, (1 << 31) - 1),
    st.from_regex(r"[a-z0-9_:/.-]{1,128}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{1,64}", fullmatch=True),
    st.none() | st.integers(0, 100),
)


@given(hashes=st.lists(HASHES, max_size=5).map(tuple))
def test_there_and_back(hashes: tuple[ViewHash, ...]) -> None:
    """What a worker sends is what its parent reads."""
    assert from_rows(to_rows(hashes)) == hashes


@pytest.mark.parametrize(
    "row",
    [
        ["pdq", 0, "native", "ab"],
        ["pdq", 0, "native", "AB", None],
        ["pdq", 0, "native", "", None],
        ["pdq", 0, "native", "ab" * 5000, None],
        ["pdq", 0, "native", 7, None],
        ["p q", 0, "native", "ab", None],
        ["pdq", -1, "native", "ab", None],
        ["pdq", True, "native", "ab", None],
        ["pdq", 0, "a view", "ab", None],
        ["pdq", 0, "native", "ab", 101],
        ["pdq", 0, "native", "ab", True],
    ],
)
def test_a_worker_that_was_taken_over(row: list[Any]) -> None:
    """Whatever is no fingerprint is refused."""
    with pytest.raises(TypeError):
        from_rows([row])


def test_too_many_rows() -> None:
    """So are more of them than a record may have, and what is no list."""
    row = ["pdq", 0, "native", "ab", None]
    assert len(from_rows([row] * MOST)) == MOST
    for wrong in ([row] * (MOST + 1), "text", [None], {"a": 1}):
        with pytest.raises(TypeError):
            from_rows(wrong)


def test_names_of_frames_and_views() -> None:
    """Frames are numbered as they come; a view of a frame has the frame's number."""
    every = ViewHashes()
    for number, name in enumerate(
        ["native", "mirror", "black", "black/mirror", "frame:2", "frame:2/mirror", "thumbnail/frame:2", "thumbnail:2/x"]
    ):
        every.add("pdq", name, f"{number:02x}", 50)
    assert [(each.frame, each.view) for each in every.kept()] == [
        (0, "native"),
        (0, "mirror"),
        (0, "black"),
        (0, "black/mirror"),
        (1, "native"),
        (1, "mirror"),
        (2, "native"),
        (3, "x"),
    ]
    assert as_records(every.kept())[1] == {
        "algorithm": "pdq",
        "frame": 0,
        "view": "mirror",
        "value": "01",
        "quality": 50,
    }
    assert "01" not in repr(every.kept())


def test_bounded() -> None:
    """Equal values are kept once; of too many, the native views of all frames come first; so do few very long ones."""
    every = ViewHashes()
    for frame in range(2 * MOST):
        for view in ("", "/mirror", "/flip"):
            every.add("pdq", f"frame:{frame}{view}", f"{frame:06x}")
            every.add("pdq", f"frame:{frame}{view}", f"{frame:06x}")
    kept = every.kept()
    assert len(kept) == MOST
    assert {each.view for each in kept} == {"native"}
    long = ViewHashes()
    for number in range(100):
        long.add("vector", f"frame:{number}", f"{number:08192x}")
    assert 0 < sum(len(each.value) for each in long.kept()) <= 1 << 19


def test_a_scan_delivers_them_where_the_policy_says_so(tmp_path: Path) -> None:
    """All frames and views come with their quality, also where lists hold digests alone; by default none do."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", "0" * 32)]})
    frames = [drawn(seed, (128, 96)) for seed in (1, 2)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    policy = {"blocklist": store, "records": {"record_hashes": "all", "hashes": ("phash",)}}
    facts = Guard.from_policy(Policy.model_validate(policy)).check(data).image
    assert facts is not None
    by = {(each.algorithm, each.frame, each.view): each for each in facts.hashes}
    assert by["pdq", 0, "native"].value == facts.fingerprints["pdq"]
    assert by["pdq", 0, "native"].quality == facts.pdq_quality
    assert by["phash", 0, "native"].value == facts.fingerprints["phash"]
    assert {("pdq", 1, "native"), ("pdq", 0, "mirror"), ("pdq", 1, "inverse"), ("phash", 1, "native")} <= set(by)
    without = Guard.from_policy(Policy(blocklist=store)).check(data).image
    assert without is not None
    assert without.hashes == ()
