"""What the policy says of watching a crawl: the time series for the report, and the metrics for Prometheus."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from pydantic import Field, field_validator

from ingest_guard.policy.lists import Section
from ingest_guard.policy.units import Span  # noqa: TC001 - pydantic reads the annotations


class Report(Section):
    """What is noted for the report, beside the records."""

    interval: Span = timedelta(seconds=10)
    hosts: int = Field(1000, ge=0, le=10_000)


class Metrics(Section):
    """Where Prometheus finds the metrics; port 0 is nowhere."""

    address: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError("expected an IP address of this machine, such as 127.0.0.1") from None
