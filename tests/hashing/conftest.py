"""Nothing but the pictures that the tests of this folder share."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.pictures import drawn, photographs


@pytest.fixture(scope="session")
def pictures() -> dict[str, Image.Image]:
    """Photographs, drawings and two patterns, as RGB; not those of which PDQ sees nothing but rounding errors."""
    made = dict(photographs())
    made |= {f"drawn {seed}": drawn(seed) for seed in range(4)}
    y, x = np.mgrid[0:240, 0:320]
    patterns = {
        "rings": np.hypot(x - 100, y - 150) * 3 % 256,
        "noise": np.random.default_rng(0).integers(0, 256, x.shape),
    }
    made |= {name: Image.fromarray(values.astype(np.uint8)).convert("RGB") for name, values in patterns.items()}
    return made
