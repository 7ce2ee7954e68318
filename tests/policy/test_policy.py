from __future__ import annotations

import os
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard import Policy, PolicyError
from ingest_guard._yaml import MAX_BYTES, YAMLProblem, load_with_lines

SETTINGS = Path(__file__).parents[2] / "settings"
_ENCODER = {"file": "a", "output": "y", "sha256": f"'{'0' * 64}'", "similarity": "0.9", "length": "8"}


def _encoder(more: str) -> str:
    """Return the line of a policy with an encoder that is right but for one key."""
    keys = {**_ENCODER, more.partition(":")[0]: more.partition(": ")[2]}
    return f"encoders: {{a: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}}}"


DEFAULTS: dict[str, Any] = {
    "level": "default",
    "old_stores": "refuse",
    "hygiene": {"core_dumps": False, "dumpable": False, "log_filter": True},
    "allow_empty": False,
    "max_age": timedelta(days=30),
    "build": {"error_rate": 1e-9, "max_rejected": 0.01, "max_shrink": 0.2, "keep": 3, "confirm": False},
    "swap": {"interval": timedelta(seconds=60), "older": "refuse", "stale": "alarm"},
    "list_key": None,
    "signer": (),
    "state": None,
    "lists": {},
    "encoders": {},
    "detectors": {},
    "allow": {"files": (), "distances": {}},
    "flood": 100,
    "accept_false_matches": False,
    "low_quality": "compare",
    "min_quality": 50,
    "low_quality_distance": 12,
    "unscanned_types": (),
    "views": {
        "orientations": True,
        "inverse": True,
        "scale": True,
        "normalise": True,
        "trim": True,
        "quadrants": False,
        "centre": False,
    },
    "limits": {
        "bytes": 32 * 2**20,
        "pixels": 100_000_000,
        "frames": 200,
        "sample_frames": False,
        "seconds": 10.0,
        "memory": 2**30,
        "nesting": 3,
        "trailing_data": "scan",
    },
    "workers": "auto",
    "images_per_worker": 20_000,
    "in_flight": {"images": 64, "bytes": 256 * 2**20, "bodies": "auto"},
    "fairness": {"failures": 3, "failing_share": 0.01, "remembered_domains": 10_000},
    "self_test": {"interval": timedelta(minutes=10)},
    "records": {
        "hashes": (),
        "record_hashes": "native",
        "items_without_image": "drop",
        "image_url_fields": ("image_url", "url"),
        "image_urls_field": "image_urls",
        "alt_fields": ("alt", "text", "caption"),
        "page_url_field": "page_url",
        "private_addresses": "same",
        "remembered_urls": 20_000,
        "remembered_uids": 20_000_000,
        "page_items": 10_000,
    },
    "extract": {
        "places": ("elements", "meta", "json-ld", "links"),
        "texts": (
            *("alt", "title", "aria-label", "aria-labelledby", "figcaption"),
            *("og", "twitter", "json-ld", "link"),
        ),
        "choose": "largest",
        "width": 1024,
        "screen": 1920,
        "lazy": True,
        "images_per_page": 5000,
    },
    "filters": {
        "without_text": "drop",
        "trackers": True,
        "sprites": True,
        "min_text": 0,
        "max_text": 10_000,
        "blocked_words": (),
        "blocked_hosts": (),
        "languages": (),
        "unknown_language": "keep",
        "min_width": 0,
        "min_height": 0,
        "max_aspect": None,
        "declared_size": False,
    },
    "opt_outs": {
        **dict.fromkeys(("robots_txt", "noai", "noimageai", "noml", "noindex", "noimageindex"), True),
        "robots_unreachable": "forbid",
        **dict.fromkeys(("unavailable_after", "tdm_reservation", "tdm_file"), True),
        "ai_txt": False,
        **dict.fromkeys(("content_usage", "content_signal", "rsl_license", "informal_usage", "iptc", "c2pa"), True),
        "purpose": ("train-ai",),
        "agents": (),
        "tdm_wait": timedelta(seconds=30),
    },
    "dataset": {
        **dict.fromkeys(("name", "description", "license", "url", "creator", "version", "cite_as")),
        **dict.fromkeys(("published", "sign_key")),
    },
    "report": {"interval": timedelta(seconds=10), "hosts": 1000, "loop_stalls": True},
    "metrics": {"address": "127.0.0.1", "port": 0},
    "incidents": {
        "folder": Path("incidents"),
        "recipients": (),
        "signing_key": None,
        "retention": timedelta(days=366),
    },
}


def load(folder: Path, text: str | bytes) -> Policy:
    """Write a policy, and read it."""
    file = folder / "policy.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Policy.load(file)


def refusal(folder: Path, text: str | bytes) -> str:
    """Return why a policy cannot be read."""
    with pytest.raises(PolicyError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert message.startswith(f"policy {folder / 'policy.yaml'}: ")
    assert "\n" not in message
    return message


def test_one_line_is_a_whole_policy(tmp_path: Path) -> None:
    """With the blocklist alone, every other key has its documented default."""
    policy = load(tmp_path, "blocklist: lists")
    assert policy.model_dump(exclude={"blocklist"}) == DEFAULTS


def test_template_tells_the_defaults(tmp_path: Path) -> None:
    """The template with every comment taken off its keys says exactly what the defaults are, and leaves none out."""
    template = files("ingest_guard").joinpath("policy_template.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(
        r"^#(?=[a-z_ ]+:)(?! )|^#(?=  [a-z_-]+:)|^#(?=    [a-z_-]+:)", "", template, flags=re.MULTILINE
    )
    assert set(yaml.safe_load(uncommented)) == {"blocklist", *DEFAULTS}
    policy = load(tmp_path, uncommented)
    told = policy.model_dump(exclude={"blocklist"})
    assert told.pop("lists") == {
        "my-list": {
            "owner": "Hotline",
            "algorithms": ("md5", "pdq", "phash"),
            "severities": ("A1", "A2", "NONE"),
            "thresholds": {"pdq": 31, "phash": 4},
            "action": "drop",
            "kind": "other",
        }
    }
    assert told == {key: value for key, value in DEFAULTS.items() if key != "lists"}
    for section in ("allow", "swap", "views", "limits", "in_flight", "fairness", "records"):
        assert set(yaml.safe_load(uncommented)[section]) == set(DEFAULTS[section])


def test_template_as_it_stands_is_a_policy(tmp_path: Path) -> None:
    """What init writes needs no change but the blocklist's folder."""
    text = files("ingest_guard").joinpath("policy_template.yaml").read_text(encoding="utf-8")
    assert load(tmp_path, text).model_dump(exclude={"blocklist"}) == DEFAULTS


@pytest.mark.parametrize(
    "file", sorted({*SETTINGS.glob("*.yaml")} - {SETTINGS / "alerts.yaml"}), ids=lambda file: file.name
)
def test_policies_to_copy_can_be_read(file: Path) -> None:
    """Each policy in settings/ is a valid one; the one called default says what the defaults are."""
    policy = Policy.load(file)
    if file.stem == "default":
        assert policy.model_dump(exclude={"blocklist"}) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("1", 1),
        ("7 B", 7),
        ("500 kB", 500_000),
        ("32 MiB", 33_554_432),
        ("1.5KiB", 1536),
        ("' 2 MB '", 2_000_000),
        ("1 GB", 10**9),
        ("1 GiB", 2**30),
    ],
)
def test_sizes(tmp_path: Path, text: str, bytes_: int) -> None:
    """Sizes are numbers of bytes, or numbers with a unit of ten or of two."""
    assert load(tmp_path, f"blocklist: b\nlimits:\n  bytes: {text}").limits.bytes == bytes_


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("1.5 d", timedelta(hours=36)),
        ("60", timedelta(minutes=1)),
        ("0.5", timedelta(seconds=0.5)),
    ],
)
def test_spans(tmp_path: Path, text: str, span: timedelta) -> None:
    """Time spans have a unit; plain numbers are seconds."""
    assert load(tmp_path, f"blocklist: b\nmax_age: {text}").max_age == span


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("max_aspect: 3:1", "max_aspect", 3.0),
        ("max_aspect: '1 : 2.5'", "max_aspect", 2.5),
        ("max_aspect: 4/3", "max_aspect", 4 / 3),
        ("languages: [en, pt-BR, yue]", "languages", ("en", "pt-BR", "yue")),
        (
            "blocked_hosts: [b\u00fccher.example, '*.wild.example', 'https://Full.example/', 'port.example:8080', com]",
            "blocked_hosts",
            ("xn--bcher-kva.example", "wild.example", "full.example", "port.example", "com"),
        ),
    ],
)
def test_what_people_write_into_filters(tmp_path: Path, line: str, key: str, value: object) -> None:
    """A ratio as two sides, which YAML alone reads as a time; hosts as a list of domains has them."""
    policy = load(tmp_path, f"blocklist: b\nfilters:\n  {line}\n")
    assert getattr(policy.filters, key) == value
    again = Policy.model_validate({"blocklist": Path("b"), "filters": policy.filters.model_dump()})
    assert again.filters == policy.filters


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max_aspect: 3:0", "key filters.max_aspect: expected a number such as 3, or two sides such as 3:1"),
        ("max_aspect: wide", "key filters.max_aspect: expected a number such as 3"),
        ("max_aspect: .inf", "key filters.max_aspect: "),
        ("max_aspect: 0.5", "key filters.max_aspect: "),
        ("languages: [en, english]", "key filters.languages.1: expected the tag of a language, such as en"),
        ("languages: [e]", "key filters.languages.0: expected the tag of a language"),
        ("blocked_words: [bad, '!!']", "key filters.blocked_words.1: expected a word or a phrase"),
        ("blocked_hosts: ['https://full.example/path']", "key filters.blocked_hosts.0: expected a host such as"),
        ("blocked_hosts: ['*']", "key filters.blocked_hosts.0: expected a host such as"),
        ("min_text: 1:30", "key filters.min_text: "),
    ],
)
def test_a_filter_that_could_never_match_is_an_error(tmp_path: Path, line: str, expected: str) -> None:
    """With its line, as for unknown keys: nothing would show that it filters nothing."""
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, f"blocklist: b\nfilters:\n  {line}\n")
    assert f"line 3: {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unscanned_types: [application/pdf]", "key unscanned_types.0: expected the short name of a type, such as PDF"),
        ("unscanned_types: [PDF, pdf]", "key unscanned_types.1: expected the short name of a type"),
        ("filters: {min_text: 20000}", "key filters: expected a max_text of at least min_text"),
        ("filters: {min_text: 20, max_text: 10}", "key filters: expected a max_text of at least min_text"),
        ("extract: {places: []}", "key extract.places: expected at least one entry"),
    ],
)
def test_a_value_of_which_nothing_comes_is_an_error(tmp_path: Path, line: str, expected: str) -> None:
    """A type under a name that no file has, and a search in no place, would be without effect or without images."""
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, f"blocklist: b\n{line}\n")
    assert f"line 2: {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("allow_empty: 1", "valid boolean"),
        ("max_age: soon", "a time span such as 30d"),
        ("max_age: true", "a time span such as 30d"),
        ("max_age: 0d", "greater than 0"),
        ("max_age: -1", "greater than 0"),
        ("max_age: 1e400d", "a time span such as 30d"),
        (f"max_age: {'9' * 400}d", "million years"),
        ("max_age: .nan", "million years"),
        ("max_age: .inf", "million years"),
        ("max_age: [1]", "a time span such as 30d"),
        ("swap: {interval: 0s}", "greater than 0"),
        ("swap: {older: keep}", "'refuse' or 'accept'"),
        ("swap: {stale: ignore}", "'alarm' or 'stop'"),
        ("lists: [a]", "expected keys and values"),
        ("lists: {a: {threshold: {pdq: 1}}}", "unknown key"),
        ("lists: {a: {thresholds: {pdq: near}}}", "integer"),
        ("lists: {a: {owner: ''}}", "at least 1 character"),
        ("lists: {a: {algorithms: []}}", "expected at least one entry"),
        ("lists: {a: {algorithms: pdq}}", "expected a list"),
        ("lists: {a: {severities: []}}", "expected at least one entry"),
        ("lists: {a: {severities: [true]}}", "string"),
        ("lists: {a: {severities: [A 1]}}", "pattern"),
        ("lists: {a: {severities: [A1234567890123456]}}", "pattern"),
        ("encoders: {a: {}}", "missing"),
        ("detectors: {a: {bound: 1.5}}", "less than or equal to 1"),
        ("detectors: {a: {bound: .nan}}", "bound"),
        ("detectors: {a: {frames: 0}}", "greater than or equal to 1"),
        ("detectors: {a: {file: x}}", "unknown key"),
        (_encoder("similarity: 1"), "less than 1"),
        (_encoder("similarity: 0.5"), "greater than 0.5"),
        (_encoder("length: 5000"), "equal to 4096"),
        (_encoder("mean: [1, 2]"), "mean"),
        (_encoder("mean: [1, 2, .nan]"), "mean"),
        (_encoder("sha256: abc"), "pattern"),
        (_encoder("layout: hwc"), "'nchw' or 'nhwc'"),
        (_encoder("input: x"), "unknown key"),
        ("lists: {a: {action: keep}}", "'drop', 'drop_page' or 'hold'"),
        ("list_key: secret", "expected keys and values"),
        ("list_key: {}", "{env: NAME} or {file: PATH}"),
        ("list_key: {env: A, file: b}", "{env: NAME} or {file: PATH}"),
        ("list_key: {env: 1A}", "pattern"),
        ("signer: [1]", "string"),
        ("signer: ['']", "at least 1 character"),
        ("allow: {files: a.txt}", "expected a list"),
        ("allow: {distances: {pdq: -1}}", "greater than or equal to 0"),
        ("allow: {distances: {pdq: near}}", "integer"),
        ("flood: -1", "greater than or equal to 0"),
        ("flood: 100001", "less than or equal to 100000"),
        ("accept_false_matches: yess", "boolean"),
        ("low_quality: ignore", "'compare' or 'drop'"),
        ("min_quality: 101", "less than or equal to 100"),
        ("min_quality: -1", "greater than or equal to 0"),
        ("low_quality_distance: 32", "less than or equal to 31"),
        ("low_quality_distance: 12.0", "integer"),
        ("unscanned_types: PDF", "expected a list"),
        ("unscanned_types: [1]", "string"),
        ("views: {orientations: 1}", "boolean"),
        ("views: [orientations]", "expected keys and values"),
        ("limits: {bytes: 0}", "greater than 0"),
        ("limits: {bytes: 32 mib}", "a size such as 32 MiB"),
        ("limits: {bytes: 1.5}", "integer"),
        ("limits: {bytes: true}", "integer"),
        (f"limits: {{bytes: {'9' * 400} GiB}}", "a size that a computer can have"),
        ("limits: {pixels: 0}", "greater than 0"),
        ("limits: {pixels: 1000000001}", "less than or equal to 1000000000"),
        ("limits: {frames: 0}", "greater than 0"),
        ("limits: {sample_frames: 'no'}", "boolean"),
        ("limits: {seconds: 0}", "greater than 0"),
        ("limits: {seconds: 601}", "less than or equal to 600"),
        ("limits: {seconds: .nan}", "less than or equal to 600"),
        ("limits: {memory: none}", "a size such as 32 MiB"),
        ("limits: {nesting: 17}", "less than or equal to 16"),
        ("limits: {nesting: -1}", "greater than or equal to 0"),
        ("limits: {trailing_data: drop}", "'scan' or 'refuse'"),
        ("workers: 0", "auto, inline, or a number"),
        ("workers: 257", "auto, inline, or a number"),
        ("workers: true", "auto, inline, or a number"),
        ("workers: many", "auto, inline, or a number"),
        ("images_per_worker: 0", "greater than 0"),
        ("in_flight: {images: 0}", "greater than 0"),
        ("in_flight: {bytes: -1}", "greater than 0"),
        ("fairness: {failing_share: 0}", "greater than 0"),
        ("in_flight: {bodies: 0}", "expected auto, or a number from 1"),
        ("self_test: {interval: 0.5s}", "expected a second or more"),
        ("records: {hashes: phash}", "expected a list"),
        ("records: {items_without_image: keep}", "'drop' or 'pass'"),
        ("records: {image_url_fields: 3}", "expected a list"),
        ("records: {image_urls_field: [a]}", "string"),
        ("records: {alt_fields: [null]}", "string"),
        ("records: {page_url_field: null}", "string"),
        ("records: {private_addresses: maybe}", "'same', 'allow' or 'refuse'"),
        ("records: {remembered_urls: 0}", "greater than 0"),
        ("records: {page_items: 0}", "greater than 0"),
        ("in-flight: {}", "unknown key"),
    ],
)
def test_wrong_values_name_line_key_and_what_was_expected(tmp_path: Path, line: str, expected: str) -> None:
    """An error names the file, the line, the key and what would be right."""
    message = refusal(tmp_path, f"# my policy\nblocklist: b\n{line}\n")
    key = re.match(r"[\w-]+", line)
    assert key is not None
    assert f"line 3: key {key[0]}" in message
    assert expected in message


def test_what_is_said_of_a_list(tmp_path: Path) -> None:
    """Severities are upper-case whatever the source classifies by, numbers too; an action other than drop is known."""
    policy = load(tmp_path, "blocklist: b\nlists: {a: {severities: [a1, 2, none]}, b: {action: hold}}\n")
    assert policy.lists["a"].severities == ("A1", "2", "NONE")
    assert (policy.lists["a"].action, policy.lists["b"].action) == ("drop", "hold")
    assert not policy.drops_pages
    assert load(tmp_path, "blocklist: b\nlists: {a: {action: drop_page}, b: {}}\n").drops_pages


def test_every_path_counts_from_the_policys_folder(tmp_path: Path) -> None:
    """Allow-lists, key files and signers' files, too; a public key in hex is no path, one alone needs no list."""
    public = "0123456789abcdefABCDEF".ljust(64, "0")
    policy = load(
        tmp_path,
        f"blocklist: b\nallow: {{files: [mine.txt, /etc/theirs.txt]}}\nlist_key: {{file: key}}\n"
        f"signer: [{public}, signer.pub]\n",
    )
    assert policy.allow.files == (tmp_path.resolve() / "mine.txt", Path("/etc/theirs.txt"))
    assert policy.list_key is not None
    assert policy.list_key.file == tmp_path.resolve() / "key"
    assert policy.signer == (public, str(tmp_path.resolve() / "signer.pub"))
    assert load(tmp_path, f"blocklist: b\nsigner: {public}\n").signer == (public,)
    assert load(tmp_path, "blocklist: b\nstate: s\n").state == tmp_path.resolve() / "s"


def test_the_folder_of_the_newest_version(tmp_path: Path) -> None:
    """A demand for a signer brings a folder beside the policy; none is a word, and ./none a folder."""
    signer = f"blocklist: b\nsigner: {'a' * 64}\n"
    assert load(tmp_path, "blocklist: b\n").state is None
    assert load(tmp_path, signer).state == tmp_path.resolve() / "ingest_guard_state"
    assert load(tmp_path, f"{signer}state: none\n").state == "none"
    assert load(tmp_path, f"{signer}state: ./none\n").state == tmp_path.resolve() / "none"
    with pytest.raises(PolicyError, match="state"):
        load(tmp_path, f"{signer}state: [x]\n")


@pytest.mark.parametrize(
    "line",
    [
        "allow: {files: ['a\\0b']}",
        "list_key: {file: 'a\\0b'}",
        "signer: ['a\\0b']",
        "blocklist: 'a\\0b'",
        "state: 'a\\0b'",
    ],
)
def test_what_cannot_be_a_path(tmp_path: Path, line: str) -> None:
    """A path that no system takes is an error that names the key."""
    text = line.replace("'a\\0b'", '"a\\0b"')
    prefix = "" if line.startswith("blocklist") else "blocklist: b\n"
    assert f"key {line.partition(':')[0]}" in refusal(tmp_path, prefix + text + "\n")


def test_what_the_crawl_alone_decides_is_not_handed_over(tmp_path: Path) -> None:
    """Where the key is, who must sign, and which files allow what: another process is not told."""
    policy = load(
        tmp_path,
        "blocklist: b\nlist_key: {env: SECRET_VARIABLE}\nsigner: [SECRET.pub]\nallow: {files: [SECRET.txt]}\n"
        "lists: {a: {severities: [A1], action: hold}}\nflood: 7\n",
    )
    assert "SECRET" not in policy.to_json()
    assert Policy.from_json(policy.to_json()).lists == policy.lists
    assert Policy.from_json(policy.to_json()).flood == 7


def test_every_key_is_tried_above() -> None:
    """The defaults that these tests know are all the keys that there are: a new key needs a test."""
    assert set(DEFAULTS) == set(Policy.model_fields) - {"blocklist"}


def test_error_in_a_section_names_its_own_line(tmp_path: Path) -> None:
    """The line is that of the inner key, not of the section."""
    message = refusal(tmp_path, "blocklist: b\nlimits:\n  bytes: 1 MiB\n  pixels: many\n")
    assert "line 4: key limits.pixels: " in message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes are two problems in one message."""
    message = refusal(tmp_path, "blocklist: b\nworker: 2\nmin_quality: 200\n")
    assert "line 2: key worker: unknown key" in message
    assert "line 3: key min_quality: " in message


@pytest.mark.parametrize("text", ["", "# nothing\n", "allow_empty: true\n"])
def test_missing_blocklist_is_named(tmp_path: Path, text: str) -> None:
    """Without the one key that is needed, the error says which and what it is."""
    assert "key blocklist: this key is missing: name the folder" in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["- blocklist\n", "blocklist\n", "3\n", "2001-01-01"])
def test_not_a_mapping(tmp_path: Path, text: str) -> None:
    """A file that is YAML but no keys and values says what the shortest policy is."""
    assert "line 1: expected keys and values; the shortest policy" in refusal(tmp_path, text)


def test_key_that_stands_twice(tmp_path: Path) -> None:
    """YAML would silently take the last one; here the two lines are named."""
    message = refusal(tmp_path, "blocklist: a\nallow_empty: false\nallow_empty: true\n")
    assert "line 3: key 'allow_empty' stands here and in line 2; keep one of them" in message


def test_key_that_stands_twice_in_a_section(tmp_path: Path) -> None:
    """So it is inside of a section, in a list too."""
    assert "line 3: key 'bytes'" in refusal(tmp_path, "limits:\n  bytes: 1\n  bytes: 2\n")
    assert "line 2: key 'a'" in refusal(tmp_path, "unscanned_types:\n  - {a: 1, a: 2}\n")


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is told as that."""
    assert "not UTF-8 (byte 11)" in refusal(tmp_path, b"blocklist: \xe4\n")


def test_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    assert load(tmp_path, b"\xef\xbb\xbfblocklist: b\n").blocklist == tmp_path / "b"


def test_too_long(tmp_path: Path) -> None:
    """A file that cannot be a policy is not parsed."""
    assert f"more than the {MAX_BYTES}" in refusal(tmp_path, b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("blocklist: [\n", "line 2, column 1: "),
        ("blocklist: a: b\n", "line 1, column 13: "),
        ("blocklist: \x01\n", "not YAML: "),
        ("a: *b\n", "line 1, column 4: "),
        ("? [a, b]\n: c\n", "line 1, column 3: "),
        ("blocklist: b\n---\nblocklist: c\n", "line 2, column 1: "),
        ("blocklist: !!python/name:os.system\n", "line 1, column 12: "),
        ("max_age: 2001-99-99\n", "in quotes"),
        ("a: !!int x\n", "in quotes"),
        ("a: !!bool x\n", "in quotes"),
        ("a: &x [*x]\n", "nested too deeply"),
        ("a: " + "[" * 1200 + "]" * 1200, "nested too deeply"),
    ],
)
def test_not_yaml(tmp_path: Path, text: str, where: str) -> None:
    """What is no YAML is told with its place, and no tag runs anything."""
    assert where in refusal(tmp_path, text)


def test_short_file_with_a_large_document(tmp_path: Path) -> None:
    """Aliases of aliases are counted before they are unfolded."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    assert "more than 100000 keys and entries" in refusal(tmp_path, laughs)


def test_missing_file(tmp_path: Path) -> None:
    """The error says what to set, and how to write a policy."""
    with pytest.raises(PolicyError, match=r"cannot be read \(No such file.*INGEST_GUARD_POLICY.*ingest-guard init"):
        Policy.load(tmp_path / "absent.yaml")
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load(tmp_path)
    with pytest.raises(PolicyError, match="cannot be read"):
        Policy.load("a\0b")


def test_relative_blocklist_counts_from_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the working folder; absolute paths and ~ are taken as they are."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(tmp_path, "blocklist: lists/now").blocklist == tmp_path / "lists" / "now"
    assert load(tmp_path, "blocklist: ../lists").blocklist == tmp_path.parent / "lists"
    assert load(tmp_path, "blocklist: /srv/lists").blocklist == Path("/srv/lists")
    assert load(tmp_path, "blocklist: ~/lists").blocklist == tmp_path / "home" / "lists"
    (tmp_path / "sub" / "p.yaml").symlink_to(tmp_path / "policy.yaml")
    assert Policy.load("p.yaml").blocklist == tmp_path / "home" / "lists"


@pytest.mark.parametrize("folder", ['"a\\0b"', "~nobody-of-this-name/lists"])
def test_blocklist_that_cannot_be_a_path(tmp_path: Path, folder: str) -> None:
    """A name that no file system knows is an error of the policy."""
    assert "key blocklist: " in refusal(tmp_path, f"blocklist: {folder}\n")


@pytest.mark.parametrize("folder", ["3", "[a]", "null", "true"])
def test_blocklist_of_a_wrong_type(tmp_path: Path, folder: str) -> None:
    """The folder is a text."""
    assert "line 1: key blocklist: " in refusal(tmp_path, f"blocklist: {folder}\n")


def test_worker_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Auto leaves one core to the crawl, and is one at least; inline is none."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)), raising=False)
    assert Policy(blocklist="b").worker_count == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert Policy(blocklist="b").worker_count == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert Policy(blocklist="b").worker_count == 1
    assert Policy(blocklist="b", workers=7).worker_count == 7
    assert Policy(blocklist="b", workers="inline").worker_count == 0


def test_policy_cannot_be_changed() -> None:
    """A policy that is in use stays as it was checked."""
    with pytest.raises(ValueError, match="frozen"):
        Policy(blocklist="b").allow_empty = True  # type: ignore[misc]


def test_json_goes_to_another_process_and_back(tmp_path: Path) -> None:
    """A worker gets the same policy; the age of the list is the parent's business."""
    policy = load(
        tmp_path,
        "blocklist: b\nworkers: 3\nlists: {a: {thresholds: {pdq: 9}}}\nrecords: {hashes: [phash]}\n"
        "limits: {seconds: 0.25, bytes: 2 MiB}\nunscanned_types: [PDF]\n",
    )
    assert Policy.from_json(policy.to_json()) == policy
    assert "max_age" not in policy.to_json()


KEYS = st.sampled_from([*DEFAULTS, "blocklist", "bytes", "pixels", "thresholds", "hashes", "<<", "", "~", "1"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from(["30d", "1 GiB", "auto", "~x/y", "0x", "1e9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers(), inner, max_size=3),
    max_leaves=8,
)
FRAGMENTS = st.lists(
    st.sampled_from(["blocklist", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "!!", "int", "float "])
    | st.sampled_from(["set ", "bool ", "!!timestamp ", "!!omap ", "!!binary ", "<<", "|", ">", '"', "'", "\\x", "---"])
    | st.sampled_from(
        ["2001-13-41", "0b", "1:99", "%", "~", "?", "#", "\t", "é", "limits", "bytes", "=", "0o9", "_", "."]
    ),
    max_size=25,
).map("".join)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for many policies, one after the other."""
    return tmp_path_factory.mktemp("scratch")


@settings(max_examples=250, deadline=None)
@given(text=FRAGMENTS | st.text(max_size=40) | st.binary(max_size=40) | VALUES.map(yaml.safe_dump))
def test_no_text_raises_anything_but_a_policy_error(scratch: Path, text: str | bytes) -> None:
    """Whatever stands in the file, it is a policy or a PolicyError of one line."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (scratch / "policy.yaml").write_bytes(data)
    try:
        policy = Policy.load(scratch / "policy.yaml")
    except PolicyError:
        return
    assert policy.blocklist.is_absolute()


def test_lines_of_keys_and_entries(tmp_path: Path) -> None:
    """Each key and each entry of a list has its line."""
    file = tmp_path / "f.yaml"
    file.write_text("a:\n  b: 1\nc:\n- 1\n- d: 2\n")
    document, lines = load_with_lines(file)
    assert document == {"a": {"b": 1}, "c": [1, {"d": 2}]}
    assert lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("c",): 3, ("c", 0): 4, ("c", 1): 5, ("c", 1, "d"): 5}
    file.write_text("a: [")
    with pytest.raises(YAMLProblem):
        load_with_lines(file)
