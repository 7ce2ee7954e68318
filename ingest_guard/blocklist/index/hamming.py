""":class:`HammingIndex`: the public face of the near look-up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index import bands
from ingest_guard.blocklist.index.probe import Prober, scan
from ingest_guard.blocklist.index.sorted_rows import among
from ingest_guard.blocklist.index.tables import Tables, cells, fill
from ingest_guard.blocklist.index.words import VALUE_BYTES, Bytes, as_values, as_words
from ingest_guard.errors import BlocklistError

_TABLES = {"bitmap": "<u8", "ranks": "<u4", "starts": "<u4", "entries": "<u4"}
_META = "index.json"


class HammingIndex:
    """Every entry within a Hamming distance of a query; exact, and one plain array a file.

    Make one with :meth:`build`, :meth:`open` or :meth:`from_arrays`. A search changes nothing, so threads may share an
    index; processes share the pages of an opened one.
    """

    def __init__(self, values: Bytes, max_distance: int, tables: Tables | None) -> None:
        self._values = values
        self._words = as_words(values)
        self._max_distance = max_distance
        self._tables = tables
        self._prober = None if tables is None else Prober(self._words, tables)

    @classmethod
    def build(cls, hashes: npt.NDArray[np.uint8], max_distance: int = 31, *, batches: bool = False) -> Self:
        """Make an index in memory.

        Parameters
        ----------
        hashes
            uint8[n, 8] or uint8[n, 32]; n may be 0. Row numbers are entry numbers; duplicates keep their own.
        max_distance
            Largest distance in bits that searches will ask for.
        batches
            Whether most searches will be of thousands of queries: tables then pay for fewer entries.

        Raises
        ------
        ValueError
            Another dtype or shape, or a distance below 0 or above the bits of a value.
        """
        values = as_values(hashes, "hashes")
        bits = values.shape[1] * 8
        if isinstance(max_distance, bool) or not 0 <= int(max_distance) <= bits:
            raise ValueError(f"max_distance: expected 0 to {bits}, got {max_distance}")
        widths = bands.plan(len(values), bits, int(max_distance), batches=batches)
        tables = fill(as_words(values), widths) if widths else None
        return cls(values, int(max_distance), tables)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], meta: Mapping[str, object]) -> Self:
        """Make an index of arrays that :meth:`arrays` and :attr:`meta` gave; nothing is copied.

        Raises
        ------
        BlocklistError
            Arrays and description do not belong together.
        """
        size, count, max_distance, widths = _read_meta(meta)
        expected: dict[str, tuple[str, tuple[int, ...] | None]] = {"hashes": ("|u1", (count, size))}
        if widths:
            blocks = cells(widths) // 64
            shapes = {"bitmap": (blocks,), "ranks": (blocks,), "starts": None, "entries": (count * len(widths),)}
            expected.update({name: (dtype, shapes[name]) for name, dtype in _TABLES.items()})
        if set(arrays) != set(expected):
            raise _unfit(f"expected the arrays {', '.join(sorted(expected))}; found {', '.join(sorted(arrays))}")
        for name, (dtype, shape) in expected.items():
            array = arrays[name]
            if array.dtype != np.dtype(dtype) or (array.shape != shape if shape else array.ndim != 1):
                raise _unfit(f"{name} has an unexpected type or shape")
        values = arrays["hashes"].astype(np.uint8, copy=False)
        if not widths:
            return cls(values, max_distance, None)
        tables = Tables(
            widths,
            arrays["bitmap"].astype("<u8", copy=False),
            *(arrays[name].astype("<u4", copy=False) for name in ("ranks", "starts", "entries")),
        )
        return cls(values, max_distance, tables)

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays that make up the index, by name, as views."""
        found: dict[str, npt.NDArray[np.generic]] = {"hashes": self._values}
        if self._tables is not None:
            found.update({name: getattr(self._tables, name) for name in _TABLES})
        return found

    @property
    def meta(self) -> dict[str, object]:
        """What :meth:`from_arrays` needs besides the arrays; plain enough for JSON."""
        return {
            "bytes": self._values.shape[1],
            "entries": len(self._values),
            "max_distance": self._max_distance,
            "widths": [] if self._tables is None else list(self._tables.widths),
        }

    @property
    def max_distance(self) -> int:
        """Largest distance that a search may ask for."""
        return self._max_distance

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays().values())

    def __len__(self) -> int:
        return len(self._values)

    def save(self, folder: str | Path) -> None:
        """Write each array as ``NAME.npy`` and the description as ``index.json`` into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self.arrays().items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        (folder / _META).write_text(json.dumps(self.meta), encoding="ascii")

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Map a saved index read-only into memory.

        Raises
        ------
        BlocklistError
            A file is missing or is not what :meth:`save` writes.
        """
        folder = Path(folder)
        try:
            meta = json.loads((folder / _META).read_text(encoding="ascii"))
            names = ["hashes", *(_TABLES if meta["widths"] else ())]
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}
        except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
            raise BlocklistError(f"{folder} holds no usable index ({type(error).__name__}); build it again") from error
        # A plain array over the map: np.memmap's own bookkeeping costs microseconds in each operation.
        return cls.from_arrays({name: array.view(np.ndarray) for name, array in arrays.items()}, meta)

    def search(
        self,
        queries: npt.NDArray[np.uint8],
        max_distance: int | npt.ArrayLike | None = None,
        *,
        without: npt.NDArray[np.int64] | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        """Find every entry within a distance of each query.

        Parameters
        ----------
        queries
            uint8[m, b] with as many bytes a value as the index; m may be 0.
        max_distance
            Largest distance in bits: one for all queries, or int[m], one each; None: the one the index was built for.
            Smaller ones are much cheaper.
        without
            int64[k], sorted: entries that count no more, as of a record that was withdrawn.

        Returns
        -------
        query int64[k], entry int64[k], distance int16[k]
            Sorted by query, distance, entry.

        Raises
        ------
        ValueError
            Another dtype or shape, or a distance below 0 or above what the index was built for.
        """
        values = as_values(queries, "queries")
        if values.shape[1] != self._values.shape[1]:
            raise ValueError(f"queries: expected {self._values.shape[1]} bytes a value, got {values.shape[1]}")
        limits = self._limits(max_distance, len(values))
        if not len(self._values) or not len(values):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16)
        words = as_words(values)
        if self._prober is None:
            query, entry, distance = scan(self._words, words, limits)
        else:
            query, entry, distance = self._prober.search(words, limits)
        if not len(query):
            return query, entry, distance
        if without is not None and len(without):
            keep = ~among(entry, without)
            query, entry, distance = query[keep], entry[keep], distance[keep]
        return _sorted(query, entry, distance)

    def _limits(self, max_distance: int | npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64]:
        if max_distance is None:
            return np.full(count, self._max_distance)
        given = np.asarray(max_distance)
        if given.dtype.kind not in "iu" and given.size:
            raise ValueError(f"max_distance: expected whole numbers, got {given.dtype}")
        if given.ndim and given.shape != (count,):
            raise ValueError(f"max_distance: expected one number or {count}, got an array of shape {given.shape}")
        if given.size and not 0 <= given.min() <= given.max() <= self._max_distance:
            raise ValueError(f"max_distance: the index was built for 0 to {self._max_distance}; rebuild it for more")
        return np.broadcast_to(given.astype(np.int64), (count,))


def _sorted(
    query: npt.NDArray[np.int64], entry: npt.NDArray[np.int64], distance: npt.NDArray[np.int16]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    """Sort by query, distance, entry, and drop what several bands found."""
    order = np.lexsort((entry, distance, query))
    query, entry, distance = query[order], entry[order], distance[order]
    keep = np.ones(len(query), bool)
    keep[1:] = (query[1:] != query[:-1]) | (entry[1:] != entry[:-1])
    return query[keep], entry[keep], distance[keep]


def _read_meta(meta: Mapping[str, object]) -> tuple[int, int, int, tuple[int, ...]]:
    numbers = [meta.get(key) for key in ("bytes", "entries", "max_distance")]
    widths = meta.get("widths")
    if not isinstance(widths, list) or not all(type(number) is int and number >= 0 for number in [*numbers, *widths]):
        raise _unfit("its description is malformed")
    size, count, max_distance = (int(str(number)) for number in numbers)
    if size not in VALUE_BYTES or max_distance > size * 8:
        raise _unfit("its description is malformed")
    if widths and (sum(widths) != size * 8 or not 0 < min(widths) <= max(widths) <= bands.MAX_BAND_BITS):
        raise _unfit("its bands do not add up to a value")
    if widths != sorted(widths, reverse=True):
        raise _unfit("its bands are out of order")
    return size, count, max_distance, tuple(widths)


def _unfit(why: str) -> BlocklistError:
    return BlocklistError(f"these arrays are no index: {why}; build the blocklist again")
