"""What a blocklist gained since versions that records were already compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.list_info import ListInfo
from ingest_guard.blocklist.parts.contents import of_part, stored_values
from ingest_guard.blocklist.parts.exact import ExactValues
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.blocklist.store.versions import VERSIONS, current_version, is_version_name, versions
from ingest_guard.errors import PolicyError

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that the records were compared with.

    Attributes
    ----------
    folder
        Where it lies.
    compared
        (list id, severity, algorithm) -> how near was a match then (0 for exact values), of all that counted; None
        where that is not known: all that the version holds, as near as it says itself.
    """

    folder: Path
    compared: Mapping[tuple[str, str | None, str], float] | None = None


def version_folder(store: Path, version: str) -> Path:
    """Return the folder of a version of a store.

    Raises
    ------
    PolicyError
        It is not there (any more).
    """
    folder = store / VERSIONS / version
    if is_version_name(version) and folder.is_dir():
        return folder
    # A version's own folder stands beside the other versions.
    beside = store.parent / version
    if is_version_name(version) and is_version_name(store.resolve().name) and beside.is_dir():
        return beside
    kept = ", ".join(f"{name[:_SHOWN]}..." for name in versions(store)) or "none"
    raise PolicyError(
        f"--since: {store} holds no version {version[:_SHOWN]!r} (kept are: {kept}); compare with the whole list by "
        "leaving --since out, or name the folder of that version if you have it elsewhere"
    )


def resolve(store: Path, since: str) -> Path:
    """Return the folder that ``--since`` names: a version's name, the beginning of one, or a folder.

    Raises
    ------
    PolicyError
        There is none, or several begin so.
    """
    if is_version_name(since):
        return version_folder(store, since)
    begun = [name for name in versions(store) if name.startswith(since)] if since else []
    if len(begun) == 1:
        return version_folder(store, begun[0])
    folder = Path(since)
    if not begun and (folder / "manifest.json").is_file():
        return folder
    if not begun and (folder / "current").is_file():
        return folder / VERSIONS / current_version(folder)
    raise PolicyError(
        f"--since {since[:80]!r}: neither 'manifest' nor a version of {store} nor a folder with one"
        if not begun
        else f"--since {since[:80]!r}: {len(begun)} versions of {store} begin so; write more of it"
    )


class Baseline:
    """What counted in one earlier version, open for look-ups.

    Parameters
    ----------
    earlier
        Which.
    key
        Of a keyed blocklist.

    Raises
    ------
    BlocklistError
        The version does not open.
    """

    def __init__(self, earlier: Earlier, key: bytes | None) -> None:
        self._earlier = earlier
        self._loaded: Loaded = load(earlier.folder)
        self._blocklist = Blocklist.open(earlier.folder, key=key, allow_empty=True, old_addresses=True)
        self._numbers = {(entry.id, entry.severity): n for n, entry in enumerate(self._loaded.manifest.lists)}
        self._exact: dict[tuple[str, str | None, str], ExactValues] = {
            (info.id, info.severity, name): values for info, name, values in self._blocklist.lookups.exact
        }

    @property
    def version(self) -> str:
        """Its name."""
        return self._loaded.version

    def counted(self, info: ListInfo, name: str) -> bool:
        """Tell whether an algorithm of a list was compared then, and within the same distance as now."""
        number = self._numbers.get((info.id, info.severity))
        if number is None:
            return False
        if self._earlier.compared is None:
            then = self._loaded.manifest.lists[number].thresholds.get(name, 0.0)
        else:
            then = self._earlier.compared.get((info.id, info.severity, name), -1.0)
        return info.thresholds.get(name, 0.0) <= then

    def same(self, info: ListInfo) -> bool:
        """Tell whether a list held the very same then."""
        number = self._numbers.get((info.id, info.severity))
        return number is not None and self._loaded.manifest.lists[number].version == info.version

    def holds(self, info: ListInfo, name: str, value: bytes) -> bool:
        """Tell whether a list held an exact value (in clear) then."""
        values = self._exact.get((info.id, info.severity, name))
        return values is not None and self._blocklist.lookups.sealer.seal_one(name, value) in values

    def held_near(self, info: ListInfo, name: str, values: npt.NDArray[np.uint8], now: Loaded) -> npt.NDArray[np.bool_]:
        """Tell which of a list's near values, as stored now, it held then."""
        number = self._numbers.get((info.id, info.severity))
        if number is not None and _stored_alike(self._loaded, now):
            old = stored_values(self._loaded, number, name, values.shape[1])
            if old is not None and old.base.shape[1] == values.shape[1]:
                return old.has(values)
        return np.zeros(len(values), bool)

    def url_lists(self, url: str) -> set[str]:
        """Return the lists that held an address then."""
        return set(self._blocklist.match_url(url))


def fresh_entries(
    now: Loaded, infos: Mapping[int, ListInfo], name: str, since: Sequence[Baseline]
) -> npt.NDArray[np.bool_]:
    """Tell which entries of a near algorithm at least one of some earlier versions did not hold.

    Parameters
    ----------
    now
        The version that is compared with.
    infos
        Number in its manifest -> the list, with the thresholds that count.
    name
        The algorithm.
    since
        Earlier versions.

    Returns
    -------
    bool[n], by entry number through all layers
    """
    parts = []
    for layer in now.near[name].layers:
        fresh = np.zeros(len(layer.index), bool)
        for number, info in infos.items():
            start, values = of_part(layer, number)
            if not len(values):
                continue
            known = np.ones(len(values), bool)
            for each in since:
                known &= each.held_near(info, name, values, now) if each.counted(info, name) else False
            fresh[start : start + len(values)] = ~known
        parts.append(fresh)
    return np.concatenate(parts)


def _stored_alike(one: Loaded, other: Loaded) -> bool:
    """Tell whether equal near values are stored alike: nothing is keyed, or both by the same key and salt."""
    a, b = one.manifest, other.manifest
    return a.sealed == b.sealed and (a.sealed is None or a.salt == b.salt)
