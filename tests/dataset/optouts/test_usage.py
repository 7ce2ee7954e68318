"""Content-Usage and Content-Signal in one line, and RSL's Link header: as specified, and as hosts write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.optouts.rsl import read_links
from ingest_guard.dataset.optouts.signals import NONE, of_usage_headers, signals
from ingest_guard.dataset.optouts.usage import INFORMAL, SIGNAL, USAGE, read_preference
from ingest_guard.policy.records import OptOutPolicy

TRAINING = ("train-ai",)
A_MEGABYTE = 1 << 20
NO, YES, UNKNOWN = (USAGE, "no"), (USAGE, "yes"), (USAGE, "unknown")
MEANT = (INFORMAL, "no")

# draft-ietf-aipref-vocab-08 (2026-09-14), sections 5 and 6, with RFC 9651 for what is a dictionary.
USAGE_LINES = {
    "train-ai=n": (NO,),
    "train-ai=y": (YES,),
    "train-ai=y, search=n": (YES,),
    "train-ai=n, search=y": (NO,),
    "search=n": (UNKNOWN,),
    "": (UNKNOWN,),
    # The last of equal labels counts (RFC 9651, 4.2.2).
    "train-ai=n, train-ai=y": (YES,),
    "train-ai=y, train-ai=n": (NO,),
    "train-ai=y, search=y, train-ai=n": (NO,),
    # Parameters are ignored; unknown labels too.
    "train-ai=n;reason=none": (NO,),
    'train-ai=y;by="x"': (YES,),
    "train-ai=n, other=(a b), another=?1, more=1.5": (NO,),
    "train-ai=n,search=y": (NO,),
    "train-ai=n ,\tsearch=y": (NO,),
    "  train-ai=n  ": (NO,),
    # Not a token of the vocabulary: unknown.
    "train-ai": (UNKNOWN,),
    "train-ai=?1": (UNKNOWN,),
    "train-ai=maybe": (UNKNOWN,),
    "train-ai=1": (UNKNOWN,),
    "train-ai=Y": (UNKNOWN,),
    "train-ai=:bg==:": (UNKNOWN,),
    # Unknown by the draft, and yet a no.
    "train-ai=no": (UNKNOWN, MEANT),
    "train-ai=N": (UNKNOWN, MEANT),
    'train-ai="n"': (UNKNOWN, MEANT),
    "train-ai=?0": (UNKNOWN, MEANT),
    "train-ai=0": (UNKNOWN, MEANT),
    "train-ai=(n)": (UNKNOWN, MEANT),
    "train-ai=disallow": (UNKNOWN, MEANT),
    # No dictionary: all is unknown (RFC 9651, 4.2).
    "Train-AI=n": (UNKNOWN, MEANT),
    "TRAIN-AI=N": (UNKNOWN, MEANT),
    "train-ai=n,": (UNKNOWN, MEANT),
    "train-ai=y,": (UNKNOWN,),
    "train-ai=n search=y": (UNKNOWN, MEANT),
    "train-ai=n; search=y": (NO,),
    "train-ai = n": (UNKNOWN, MEANT),
    "train-ai: n": (UNKNOWN, MEANT),
    "train_ai=n": (UNKNOWN, MEANT),
    "=n": (UNKNOWN,),
    "train-ai=": (UNKNOWN,),
    "train-ai=\u00fc": (UNKNOWN,),
    "*.jpg train-ai=n": (UNKNOWN, MEANT),
    "noai": (UNKNOWN,),
    # Labels of older drafts (vocab-00 to -06), and of the other header.
    "ai=n": (UNKNOWN, MEANT),
    "train-genai=n": (UNKNOWN, MEANT),
    "genai=n": (UNKNOWN, MEANT),
    "bots=n": (UNKNOWN, MEANT),
    "ai-use=n": (UNKNOWN, MEANT),
    "ai-input=n": (UNKNOWN, MEANT),
    "ai-output=n": (UNKNOWN, MEANT),
    "ai-train=n": (UNKNOWN, MEANT),
    "ai-train=no": (UNKNOWN, MEANT),
    "tdm=n": (UNKNOWN, MEANT),
    "all=n": (UNKNOWN, MEANT),
    "foundation-model-production=n": (UNKNOWN, MEANT),
    "ai=y": (UNKNOWN,),
    "bots=y, search=n": (UNKNOWN,),
    "train-ai=y, train-genai=n": (YES, MEANT),
    "train-ai=n, train-genai=y": (NO,),
    "train-ai=y, ai=n": (YES, MEANT),
    "train-ai=y, ai-use=n": (YES,),
    "train-ai=y, ai-input=n": (YES,),
    "ai=n, ai=y": (UNKNOWN,),
    "ai=y, ai=n": (UNKNOWN, MEANT),
}
# contentsignals.org and draft-romm-aipref-contentsignals-00 (2025-09), and Cloudflare's managed files of 2025 and 2026.
SIGNAL_LINES = {
    "search=yes, ai-train=no": "no",
    "search=yes,ai-train=no": "no",
    "ai-train=no, search=yes, ai-input=no": "no",
    "search=yes, ai-input=yes, ai-train=yes": "yes",
    "search=yes": "unknown",
    "search=no": "unknown",
    "ai-input=no": "unknown",
    "": "unknown",
    "search=yes,ai-train=no,use=reference": "no",
    "search=yes, ai-train=yes, use=reference": "yes",
    "use=full": "unknown",
    "AI-Train=No": "no",
    "ai-train = no": "no",
    "ai-train=yes, ai-train=no": "no",
    "ai-train=no, ai-train=yes": "no",
    "ai-train=conditional": "unknown",
    "ai-train": "unknown",
    "use=reference": "meant",
    "use=immediate": "meant",
    "ai-train=n": "meant",
    "ai-train: no": "meant",
    "ai-train=no; search=yes": "meant",
    "search=yes ai-train=no": "meant",
    "train-ai=n": "meant",
    "ai=no": "meant",
    "ai_train=false": "meant",
}


@pytest.mark.parametrize(("line", "reading"), USAGE_LINES.items())
def test_content_usage(line: str, reading: tuple[tuple[str, str], ...]) -> None:
    """A line of Content-Usage says what the draft makes of it; what it means beyond that has a name of its own."""
    assert read_preference(USAGE, line.encode("latin-1"), TRAINING) == reading


@pytest.mark.parametrize(("line", "said"), SIGNAL_LINES.items())
def test_content_signal(line: str, said: str) -> None:
    """A key that is absent says nothing; of several equal keys the more restrictive counts."""
    expected = ((SIGNAL, "unknown"), MEANT) if said == "meant" else ((SIGNAL, said),)
    assert read_preference(SIGNAL, line.encode(), TRAINING) == expected


@pytest.mark.parametrize(
    ("kind", "line", "purposes", "reading"),
    [
        (USAGE, "search=n", ("search",), (NO,)),
        (USAGE, "search=n, train-ai=y", ("search", "train-ai"), (NO,)),
        (USAGE, "search=y, train-ai=n", ("search",), (YES,)),
        (USAGE, "train-genai=n", ("search",), (UNKNOWN,)),
        (USAGE, "bots=n", ("search",), (UNKNOWN, MEANT)),
        (USAGE, "ai-use=n", ("ai-input",), (UNKNOWN, MEANT)),
        (USAGE, "train-ai=n", ("ai-input",), (UNKNOWN,)),
        (SIGNAL, "ai-input=no, ai-train=yes", ("ai-input",), ((SIGNAL, "no"),)),
        (SIGNAL, "ai-input=no, ai-train=yes", ("train-ai", "ai-input"), ((SIGNAL, "no"),)),
        (SIGNAL, "ai-input=n", ("ai-input",), ((SIGNAL, "unknown"), MEANT)),
        (SIGNAL, "ai-input=n", ("search",), ((SIGNAL, "unknown"),)),
        (SIGNAL, "use=reference", ("search",), ((SIGNAL, "unknown"),)),
        (SIGNAL, "search=no", ("search",), ((SIGNAL, "no"),)),
    ],
)
def test_a_preference_is_about_a_purpose(
    kind: str, line: str, purposes: tuple[str, ...], reading: tuple[tuple[str, str], ...]
) -> None:
    """What is said about another use keeps nothing out; of several purposes, one that is denied is enough."""
    assert read_preference(kind, line.encode(), purposes) == reading  # type: ignore[arg-type]


@given(st.sampled_from([USAGE, SIGNAL]), st.binary(max_size=60))
def test_any_bytes_are_read(kind: str, value: bytes) -> None:
    """Whatever a header holds, there is a decision under its own name."""
    (name, decision), *meant = read_preference(kind, value, TRAINING)
    assert name == kind
    assert decision in {"yes", "no", "unknown"}
    assert meant in ([], [MEANT])


@pytest.mark.parametrize("unit", [b"train-ai=n,", b"a=(", b'a="', b"a=n;", b"=", b" ", b"\xff", b"a:", b"a=%", b",,"])
@pytest.mark.parametrize("kind", [USAGE, SIGNAL])
def test_a_long_line_takes_no_time(kind: str, unit: bytes) -> None:
    """A megabyte in one line is read in a moment, whatever is in it."""
    value = unit * (A_MEGABYTE // len(unit))
    began = time.process_time()
    read_preference(kind, value, TRAINING)
    assert time.process_time() - began < 1


RSL = "application/rsl+xml"
LINKS = {
    f'<https://e.example/license.xml>; rel="license"; type="{RSL}"': True,
    f"<https://e.example/license.xml>;rel=license;type={RSL}": True,
    f'</l.xml>; type="{RSL}"; rel="license"': True,
    '</l.xml> ; REL="License" ; TYPE="Application/RSL+XML"': True,
    f'</l.xml>; rel="copyright license"; type="{RSL}"': True,
    f'</l.xml>; rel="license"; type="{RSL}; charset=utf-8"': True,
    f'</style.css>; rel=preload; as=style, </l.xml>; rel="license"; type="{RSL}"': True,
    f'</a,b>; rel=next, </l.xml>; rel="license"; type="{RSL}"; title="a, \\"b\\"; c"': True,
    f'</l.xml>; title="x; rel=y"; rel=license; type="{RSL}"': True,
    '<https://creativecommons.org/licenses/by/4.0/>; rel="license"': False,
    '</l.xml>; rel="license"; type="application/xml"': False,
    f'</feed.xml>; rel="alternate"; type="{RSL}"': False,
    f'</l.xml>; rel="next"; rel="license"; type="{RSL}"': False,
    f'</a>; rel="license", </b>; rel=next; type="{RSL}"': False,
    f'</l.xml>; rel="licenses"; type="{RSL}"': False,
    f"rel=license; type={RSL}": False,
    "": False,
}


@pytest.mark.parametrize(("value", "is_there"), LINKS.items())
def test_a_licence_in_a_link_header(value: str, is_there: bool) -> None:  # noqa: FBT001 - a column of the table
    """A link names a licence by its relation and its media type, whatever else is in the header (RFC 8288)."""
    found = list(read_links([value.encode()]))
    assert bool(found) is is_there
    assert all((each.source, each.name, each.decision) == ("header", "rsl_license", "no") for each in found)


@pytest.mark.parametrize("unit", ["<", "<a>", "<a>;", '<a>;b="', "<a>;b=c,", ";", "<a>; ;", '<a>;"\\'])
def test_a_long_link_header_takes_no_time(unit: str) -> None:
    """A megabyte is read in a moment, whatever is in it."""
    value = (unit * (A_MEGABYTE // len(unit)) + RSL).encode()
    began = time.process_time()
    assert list(read_links([value] * 3)) == []
    assert time.process_time() - began < 1


def test_several_lines_of_a_header() -> None:
    """Lines of Content-Usage are one dictionary (RFC 9651, 4.2), in which the last label counts. Others add up."""
    policy = OptOutPolicy()
    assert of_usage_headers([b"train-ai=n", b"train-ai=y"], [], [], TRAINING).reason(policy) is None
    assert of_usage_headers([b"train-ai=y", b"search=n, train-ai=n"], [], [], TRAINING).reason(policy) == USAGE
    assert of_usage_headers([], [b"ai-train=no", b"ai-train=yes"], [], TRAINING).reason(policy) == SIGNAL
    assert of_usage_headers([b"train-ai=n", b"search=y,"], [], [], TRAINING).reason(policy) == INFORMAL
    assert of_usage_headers([], [], [b"</a>; rel=next"], TRAINING) == NONE
    link = f"</l.xml>; rel=license; type={RSL}".encode()
    assert of_usage_headers([], [], [*[b"</a>; rel=preload"] * 200, link], TRAINING).reason(policy) == "rsl_license"


def test_any_no_of_several_sources_is_a_no() -> None:
    """A yes in one place does not take back a no in another (draft-ietf-aipref-vocab-08, 5.1)."""
    policy = OptOutPolicy()
    yes = of_usage_headers([b"train-ai=y"], [b"ai-train=yes"], [], TRAINING)
    no = of_usage_headers([b"train-ai=n"], [], [], TRAINING)
    assert yes.reason(policy) is None
    assert yes.and_then(no).reason(policy) == no.and_then(yes).reason(policy) == USAGE


def test_there_is_an_end_to_what_is_kept() -> None:
    """Of very many signals those that deny are kept."""
    many = of_usage_headers([], [f"x{n}=yes".encode() for n in range(32)], [], TRAINING)
    more = of_usage_headers([], [f"y{n}=yes".encode() for n in range(32)], [], TRAINING)
    last = of_usage_headers([], [f"z{n}=yes".encode() for n in range(31)] + [b"ai-train=no"], [], TRAINING)
    kept = signals(*many.said, *more.said, *last.said)
    assert len(kept.said) == 64
    assert kept.reason(OptOutPolicy()) == SIGNAL
    assert kept.weight > 64 * 300
