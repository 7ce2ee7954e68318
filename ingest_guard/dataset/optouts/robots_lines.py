"""The lines of a robots.txt: their fields, however they are spelled, and a bound for files that mean harm."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from ingest_guard.dataset.optouts.usage import SIGNAL, USAGE

EVERYBODY: Final = "*"
AGENT: Final = "agent"
ALLOW: Final = "allow"
DISALLOW: Final = "disallow"
LICENSE: Final = "license"
OF_SITE: Final = "site"
"""What concerns the whole host, and no group: the sitemap, and the name of the host."""

# As they are written, misspelled ones included: those that Scrapy's parser (protego) takes.
_FIELDS: Final = {
    **dict.fromkeys((b"user-agent", b"useragent", b"user agent"), AGENT),
    b"allow": ALLOW,
    **dict.fromkeys((b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"), DISALLOW),
    **dict.fromkeys((b"content-usage", b"contentusage", b"content usage"), USAGE),
    **dict.fromkeys((b"content-signal", b"contentsignal", b"content signal", b"content-signals"), SIGNAL),
    **dict.fromkeys((b"license", b"licence"), LICENSE),
    **dict.fromkeys((b"sitemap", b"sitemaps", b"site-map", b"host"), OF_SITE),
}
_WRITTEN: Final = {meaning: field for field, meaning in reversed(_FIELDS.items())}
_BLANKS: Final = b" \t\v\f\0"
_MOST_WORDS: Final = 2
# A rule is kept once for each name of its group: 10,000 take protego (0.7) some 15 ms.
_MOST_PAIRS: Final = 10_000
_MOST_NAMES: Final = 50
_OTHER: Final = b"User-agent: other-names"


def read_lines(body: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Yield number, field and value of each line that has one; fields that are not known are ``""``."""
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        content = line.partition(b"#")[0].strip(_BLANKS)
        if not content:
            continue
        head, colon, value = content.partition(b":")
        name = _FIELDS.get(head.rstrip(_BLANKS).lower(), "") if colon else ""
        if not name:
            # Without a colon, or with one that belongs to the value.
            words = content.split(None, _MOST_WORDS)
            for count in range(1, min(_MOST_WORDS, len(words)) + 1):
                if name := _FIELDS.get(b" ".join(words[:count]).lower(), ""):
                    value = b" ".join(words[count:])
                    break
            if not (name or colon):
                continue
        yield number, name, value.strip(_BLANKS)


def names_of(value: bytes) -> set[str]:
    """Return the names that a line of user agents means, without versions: ``mybot`` of ``MyBot/2.0 (about)``.

    Several with commas between them are none by the RFC, and are written all the same.
    """
    found = set()
    for part in value.decode("latin-1").lower().split(","):
        if words := part.split(None, 1):
            found.add(words[0].partition("/")[0].strip("*") or EVERYBODY)
    return found


def split_usage(value: bytes) -> tuple[bytes, bytes]:
    """Return path and words of a line about usage: it has a path only if its first character is a slash."""
    if not value.startswith(b"/"):
        return b"/", value
    cut = min((at for blank in (b" ", b"\t") if (at := value.find(blank)) >= 0), default=len(value))
    return value[:cut], value[cut:].strip(_BLANKS)


def _count_pairs(body: bytes) -> int:
    """Return how often a rule stands in a group, each name of the group counted."""
    pairs = names = 0
    is_in_names = False
    for _, name, _ in read_lines(body):
        if name == AGENT:
            names = names + 1 if is_in_names else 1
            is_in_names = True
        elif name not in {OF_SITE, LICENSE}:
            is_in_names = False
            pairs += names
    return pairs


def limit_names(body: bytes, sent: Collection[str]) -> bytes:
    """Return a file without the names of others, where names times rules are too many for Scrapy's parser.

    That parser keeps each rule once for each name of its group: a file of 130 KB takes it half a minute. Files as hosts
    publish them are returned as they are.

    Parameters
    ----------
    body
        Of the file.
    sent
        User-Agent headers that the crawler sends, and its names. A name that is in none of them is left out.
    """
    if body.lower().count(b"agent") * (body.count(b"\n") + body.count(b"\r") + 1) <= _MOST_PAIRS:
        return body
    if _count_pairs(body) <= _MOST_PAIRS:
        return body
    ours = [value.lower() for value in sent]
    kept: set[str] = set()
    out: list[bytes] = []
    is_in_names = False
    for _, name, line in read_lines(body):
        if name != AGENT:
            is_in_names = is_in_names and name in {OF_SITE, LICENSE}
            out.append(_WRITTEN.get(name, b"x") + b": " + line)
            continue
        if not is_in_names:
            out.append(_OTHER)
            is_in_names = True
        said = line.decode("latin-1").lower().replace("*", "") or EVERYBODY
        if said == EVERYBODY or (any(said in each for each in ours) and (said in kept or len(kept) < _MOST_NAMES)):
            kept.add(said)
            out.append(b"User-agent: " + said.encode("latin-1"))
    return b"\n".join(out)
