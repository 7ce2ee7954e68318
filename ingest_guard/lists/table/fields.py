"""The kinds of values that a table's description is made of, and the algorithms that its columns may be of."""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ingest_guard.hashing.algorithms import Algorithm, find
from ingest_guard.lists.entries import severity_of

PHOTODNA = ("photodna", "pdna")
"""What hasher plug-ins for PhotoDNA may be called; without one its values are not compared."""

_PUNCTUATION = re.compile(r"[\s_-]+")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
_WORD = "expected a word; what YAML reads as something else (yes, no, true, a date) needs quotes"


def is_known(name: str) -> bool:
    """Return whether a description may name an algorithm.

    Raises
    ------
    BlocklistError
        It is that of a hasher plug-in which is broken.
    """
    return name in PHOTODNA or find(name) is not None


def find_target(name: str) -> Algorithm | None:
    """Return the algorithm of that name; None for PhotoDNA where no hasher plug-in makes it.

    Raises
    ------
    BlocklistError
        The hasher plug-in is broken.
    """
    if name not in PHOTODNA:
        return find(name)
    return next((found for known in (name, *PHOTODNA) if (found := find(known))), None)


@lru_cache(maxsize=1024)
def parse_name(cell: str) -> str | None:
    """Return the algorithm that a cell of a table names: ``SHA-1`` is sha1; None if it is no known one."""
    plain = _PUNCTUATION.sub("", cell.strip().lower())
    return plain if len(plain) <= 64 and is_known(plain) else None  # noqa: PLR2004 - no name is as long


def _column(value: Any) -> Any:
    good = (type(value) is int and value > 0) or (isinstance(value, str) and value.strip())
    if not good:
        raise ValueError("expected a column: its name, or its number from 1")
    return value


def _word(value: Any) -> Any:
    """Take a whole number for the word that it is in the file; how other values were written is unknown."""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise ValueError(_WORD)  # noqa: TRY004 - pydantic wants it so
    return value


def as_tuple(value: Any) -> Any:
    """Take one word for a list of one."""
    return value if isinstance(value, tuple) else (value,)


def worded(value: Any) -> Any:
    """Make words of the keys; they are compared without regard to case and spaces around them."""
    if not isinstance(value, dict):
        raise ValueError("expected keys and values")  # noqa: TRY004 - pydantic wants it so
    return {folded(_word(key)): inner for key, inner in value.items()}


def _severity(value: Any) -> Any:
    found = severity_of(value)
    if found is None:
        raise ValueError("expected a severity: 1 to 16 letters, digits, dots, dashes and underscores")
    return found


def _algorithm(value: Any) -> Any:
    if not isinstance(value, str) or not is_known(value):
        raise ValueError(
            "not an algorithm that lists may hold (md5, sha1, sha256, pdq, photodna, url, domain ...): what is not to "
            "be compared goes under 'unsupported' or 'skip'"
        )
    return value


def constant(value: Any) -> Any:
    """Take a name alone for the algorithm of all rows."""
    return {"constant": value} if isinstance(value, str) else value


def _kind(value: Any) -> Any:
    if not isinstance(value, str) or not _KIND.fullmatch(value):
        raise ValueError("expected one lower-case word, such as video")
    return value


def _character(value: Any) -> Any:
    if not isinstance(value, str) or len(value) != 1 or value in '\r\n"':
        raise ValueError("expected one character, in quotes")
    return value


def folded(text: str) -> str:
    """Return a word as it is compared."""
    return text.strip().casefold()


Column = Annotated[int | str, BeforeValidator(_column)]
Word = Annotated[str, BeforeValidator(_word)]
Words = Annotated[tuple[Word, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Name = Annotated[str, BeforeValidator(_algorithm)]
Kind = Annotated[str, BeforeValidator(_kind)]
SeverityName = Annotated[str, BeforeValidator(_severity)]
Encoding = Literal["hex", "base64", "base32", "bytes"]
TextEncoding = Literal["utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "ascii"]
Character = Annotated[str, BeforeValidator(_character)]
