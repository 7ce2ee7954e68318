"""A brake for entries that match everything: which one has matched how many different images in this run.

A hash of a plain logo on a list drops half the web, without a visible reason. Its matches stay dropped; an alarm lets
the operator decide. The counts are kept by keyed digests, in memory, and are gone with the process.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable

from cachetools import LRUCache

_MOST_ENTRIES = 1 << 14
_MOST_IMAGES = 200_000
_MOST_ALARMS = 1 << 16


class FloodBreaker:
    """Count the different images that each entry matches.

    Entries that matched longest ago are forgotten when there are more than 16,384, or more than 200,000 images of all
    of them: about 25 MB.

    Parameters
    ----------
    limit
        Different images that an entry may match without an alarm; 0 counts nothing.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._secret = secrets.token_bytes(32)
        self._images: OrderedDict[bytes, set[bytes]] = OrderedDict()
        self._total = 0
        self._alarmed: LRUCache[bytes, bool] = LRUCache(_MOST_ALARMS)

    def note(self, version: str, hits: Iterable[tuple[str, str, int | str]], image: str) -> list[tuple[str, str]]:
        """Note the entries that an image has matched; return (list id, algorithm) of those that are now too many.

        Parameters
        ----------
        version
            Of the blocklist: the same number is another entry in another version.
        hits
            List id, algorithm and entry: its number, or the value itself.
        image
            SHA-256 of the image, hex.
        """
        if not self._limit:
            return []
        alarms = []
        mark = self._digest(image, 8)
        for list_id, algorithm, entry in hits:
            if self._is_over(self._digest(f"{version} {list_id} {algorithm} {entry}", 16), mark):
                alarms.append((list_id, algorithm))
        return alarms

    def _is_over(self, key: bytes, mark: bytes) -> bool:
        if self._alarmed.get(key):  # which makes it the latest
            return False
        images = self._images.setdefault(key, set())
        self._images.move_to_end(key)
        if mark not in images:
            images.add(mark)
            self._total += 1
        if len(images) > self._limit:
            self._total -= len(self._images.pop(key))
            self._alarmed[key] = True
            return True
        while len(self._images) > 1 and (len(self._images) > _MOST_ENTRIES or self._total > _MOST_IMAGES):
            self._total -= len(self._images.popitem(last=False)[1])
        return False

    def _digest(self, text: str, size: int) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=size, key=self._secret).digest()
