"""The exact values of one algorithm in one list: Bloom filters, what confirms their hits, and what is gone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.sorted_rows import row_of
from ingest_guard.blocklist.parts.bloom import Filter

NOTHING_GONE: npt.NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Layer:
    """A filter, and the sorted table of its values, uint8[n, size], where the operator keeps it."""

    filter: Filter
    table: npt.NDArray[np.uint8] | None

    def __len__(self) -> int:
        return self.filter.count


@dataclass(frozen=True, slots=True)
class ExactValues:
    """What look-ups need; answers ``value in values``.

    Attributes
    ----------
    layers
        The oldest first; no value is in two of them.
    gone
        int64[k], sorted: rows of the first layer's table that count no more.
    """

    layers: tuple[Layer, ...]
    gone: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return sum(len(layer) for layer in self.layers) - len(self.gone)

    def __contains__(self, value: bytes) -> bool:
        """Tell whether a stored value is listed; where no table is kept, a filter's hit is a hit."""
        key = value.hex()
        # The newest first.
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            if key not in layer.filter:
                continue
            if layer.table is None:
                return True
            row = row_of(layer.table, value)
            if row >= 0:
                return bool(number or not len(self.gone) or self.gone[_at(self.gone, row)] != row)
        return False


def _at(ordered: npt.NDArray[np.int64], number: int) -> int:
    return min(int(np.searchsorted(ordered, number)), len(ordered) - 1)
