"""The addresses where a broad crawl starts, from a file or as given."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingest_guard.errors import SetupError
from ingest_guard.files.text import open_text
from ingest_guard.scrapy_plugin.spider.limits import can_be_asked, host_of
from ingest_guard.urls.hosts import is_address, is_name, with_host_spelled

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# mailto:x@y is not a host with a port.
_OTHER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//|[0-9])")
_UNSEEN = " \t\r\n\f\v\xa0\u200b\u200e\u200f\u2060\ufeff\0"
"""What editors and spreadsheets leave around an address."""
_ODD = re.compile(r"[\0-\x20\x7f-\xa0\u200b\u200e\u200f\u2028\u2029\u2060\ufeff]")
_BETWEEN = re.compile(r"[\s,]+")


class Seeds:
    """The addresses to start from. A file is read line by line, and again each time: it may be larger than the memory.

    Parameters
    ----------
    source
        Path of a file with one address in each line (blank lines and lines that begin with ``#`` do not count), in
        UTF-8, or in UTF-16 or UTF-32 by its mark; or addresses, in one text with blanks or commas between them, or as
        a list. ``https://`` is the default scheme, and a host in its own letters is asked for as a browser asks for it.
    """

    def __init__(self, source: str | Path | Iterable[str]) -> None:
        self._file: Path | None = None
        self._given: tuple[str, ...] = ()
        if isinstance(source, str) and (_SCHEME.match(source.strip()) or not _is_file(source)):
            self._given = tuple(filter(None, _BETWEEN.split(source)))
        elif isinstance(source, str | Path):
            self._file = Path(source)
        else:
            self._given = tuple(source)
        self.unusable = 0

    def __iter__(self) -> Iterator[str]:
        self.unusable = 0
        for line in self._lines():
            text = line.strip(_UNSEEN)
            if not text or text.startswith("#"):
                continue
            url = with_host_spelled(text if _SCHEME.match(text) else f"https://{text}")
            is_other = _OTHER.match(text) or _ODD.search(url)
            host = host_of(url) or ""
            if is_other or not (is_name(host) or is_address(host)) or not can_be_asked(url):
                self.unusable += 1
            else:
                yield url

    def hosts(self) -> set[str]:
        """Return the hosts of all seeds.

        Raises
        ------
        SetupError
            There is no seed, or the file cannot be read.
        """
        hosts = {host for url in self if (host := host_of(url))}
        if not hosts:
            where = f"the file {self._file}" if self._file else "what was given"
            raise SetupError(
                f"ingest_guard: there is no address to start from in {where} ({self.unusable} lines are none); "
                "write one in each line, such as https://example.org/"
            )
        return hosts

    def _lines(self) -> Iterator[str]:
        if self._file is None:
            yield from self._given
            return
        try:
            with open_text(self._file) as lines:
                yield from lines
        except OSError as error:
            raise SetupError(
                f"ingest_guard: the seeds {self._file} cannot be read ({error.strerror}); name a file with one "
                "address in each line"
            ) from None


def _is_file(text: str) -> bool:
    if not text.strip():
        return False
    try:
        # A missing file with such an ending is a mistake in its path, not a host.
        return Path(text).exists() or text.strip().endswith((".txt", ".csv", ".list")) or "/" in text.strip()[:2]
    except (OSError, ValueError):
        return False
