"""The policy's sections for a running crawl: newer lists, self-test, process, report, metrics, incidents."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ingest_guard.policy.units import Section, Span

_SHORTEST_SELF_TEST = timedelta(seconds=1)
_RECIPIENT = re.compile(r"age1[0-9a-z]{10,}")


class Swap(Section):
    """How often a running crawl looks for newer lists, and what it does when its own grow too old."""

    interval: Span = timedelta(seconds=60)
    older: Literal["refuse", "accept"] = "refuse"
    stale: Literal["alarm", "stop"] = "alarm"


class SelfTest(Section):
    """How often a running crawl tests whether it still finds the canary."""

    interval: Span = timedelta(minutes=10)

    @field_validator("interval")
    @classmethod
    def _is_long_enough(cls, value: timedelta) -> timedelta:
        if value < _SHORTEST_SELF_TEST:
            raise ValueError("expected a second or more, such as 10m")
        return value


class Fairness(Section):
    """What one registrable domain may take of the workers' time, where others want it, and where its scans fail."""

    failures: int = Field(3, ge=0, le=1000)
    failing_share: float = Field(0.01, gt=0, le=1)
    remembered_domains: int = Field(10_000, gt=0)


class Hygiene(Section):
    """What the process of the crawl may leave behind and log."""

    core_dumps: bool = False
    dumpable: bool = False
    log_filter: bool = True


class Report(Section):
    """What is noted of a crawl: seconds between samples of the time series, hosts that are counted, stalls."""

    interval: Span = timedelta(seconds=10)
    hosts: int = Field(1000, ge=0, le=10_000)
    loop_stalls: bool = True


class Metrics(Section):
    """Where Prometheus finds the metrics; with port 0, none are served."""

    address: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError("expected an IP address of this machine, such as 127.0.0.1") from None


class Incidents(Section):
    """Where a sealed entry of each match goes, who can open it, and who signs the log; off without recipients."""

    folder: Path = Field(Path("incidents"), strict=False)
    recipients: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = ()
    signing_key: Path | None = Field(None, strict=False)
    retention: Span = timedelta(days=366)

    @field_validator("recipients")
    @classmethod
    def _has_no_secret(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any("AGE-SECRET-KEY" in each.upper() for each in value):
            raise ValueError("a private key stands here, which no machine that crawls may have: name its public half")
        return value


def is_recipient(text: str) -> bool:
    """Return whether a recipient is the public key itself and not the name of a file that holds it."""
    return _RECIPIENT.fullmatch(text) is not None
