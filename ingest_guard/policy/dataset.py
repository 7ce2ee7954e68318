"""What a policy says of the data set that a crawl makes: what only its operator knows, and who vouches for it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated

from pydantic import Field

from ingest_guard.policy.lists import Section

_Text = Annotated[str, Field(min_length=1, max_length=10_000)]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2_048)]


class Dataset(Section):
    """For ``attestation.json`` and ``croissant.json``. Relative paths count from the policy's own folder."""

    name: _Text | None = None
    description: _Text | None = None
    license: _Url | None = None
    url: _Url | None = None
    creator: _Text | None = None
    version: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$")
    cite_as: _Text | None = None
    published: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\d$")
    sign_key: Path | None = Field(None, strict=False)
