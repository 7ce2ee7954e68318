"""What a policy says of the self-test."""

from __future__ import annotations

from datetime import timedelta

from pydantic import field_validator

from ingest_guard.policy.lists import Section
from ingest_guard.policy.units import Span  # noqa: TC001 - pydantic reads the annotations

_SHORTEST = timedelta(seconds=1)


class SelfTest(Section):
    """How often a running crawl is asked whether it still knows the canary."""

    interval: Span = timedelta(minutes=10)

    @field_validator("interval")
    @classmethod
    def _is_long_enough(cls, value: timedelta) -> timedelta:
        if value < _SHORTEST:
            raise ValueError("expected a second or more, such as 10m")
        return value
