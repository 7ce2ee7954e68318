"""The policy: one YAML file that says which lists count, how near is a match, and what happens in doubt.

The line ``blocklist: FOLDER`` alone is a complete policy; every other key has the default that stands here. An unknown
key, a wrong type or a value out of bounds is a :class:`~ingest_guard.errors.PolicyError` that names file, line and key.
"""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ingest_guard._yaml import YAMLProblem, describe_errors, load_with_lines, to_tuples
from ingest_guard.errors import PolicyError
from ingest_guard.policy.lists import Allow, KeySource, ListPolicy, Signers, State, is_hex_key
from ingest_guard.policy.networks import DetectorPolicy, Encoder
from ingest_guard.policy.operation import Fairness, Hygiene, Incidents, Metrics, Report, SelfTest, Swap, is_recipient
from ingest_guard.policy.records import Dataset, Extract, Filters, OptOutPolicy, Records
from ingest_guard.policy.units import BinaryType, Bodies, Section, Size, Span, Workers

_NOT_FOR_WORKERS = {"max_age", "build", "swap", "signer", "list_key", "allow", "extract", "filters", "dataset"}
_NOT_FOR_WORKERS |= {"state", "fairness", "self_test", "report", "metrics", "incidents"}


class Limits(Section):
    """What one body may cost."""

    bytes: Size = 32 << 20
    pixels: int = Field(100_000_000, gt=0, le=1_000_000_000)
    frames: int = Field(200, gt=0)
    sample_frames: bool = False
    seconds: float = Field(10.0, gt=0, le=600)
    memory: Size = 1 << 30
    nesting: int = Field(3, ge=0, le=16)
    trailing_data: Literal["scan", "refuse"] = "scan"


class Views(Section):
    """Which other views of each frame are compared beside the native one."""

    orientations: bool = True
    inverse: bool = True
    scale: bool = True
    normalise: bool = True
    trim: bool = True
    quadrants: bool = False
    centre: bool = False


class InFlight(Section):
    """How much may be in memory at one time: images with the workers, and bodies that have no verdict yet."""

    images: int = Field(64, gt=0)
    bytes: Size = 256 << 20
    bodies: Bodies = "auto"


class Build(Section):
    """How ``blocklist build`` and ``update`` make a version, where their options do not say otherwise."""

    error_rate: float = Field(1e-9, gt=0, le=1e-3)
    max_rejected: float = Field(0.01, ge=0, le=1)
    max_shrink: float = Field(0.2, ge=0, le=1)
    keep: int = Field(3, ge=1)
    confirm: bool = False


class Policy(Section):
    """The whole policy. Relative paths in it count from the policy's own folder."""

    blocklist: Path = Field(strict=False)
    level: Literal["default", "strict"] = "default"
    old_stores: Literal["refuse", "accept"] = "refuse"
    allow_empty: bool = False
    max_age: Span = timedelta(days=30)
    build: Build = Build()
    swap: Swap = Swap()
    list_key: KeySource | None = None
    signer: Signers = ()
    state: State = None
    lists: dict[str, ListPolicy] = Field(default_factory=dict)
    encoders: dict[str, Encoder] = Field(default_factory=dict, max_length=8)
    detectors: dict[str, DetectorPolicy] = Field(default_factory=dict, max_length=8)
    allow: Allow = Allow()
    flood: int = Field(100, ge=0, le=100_000)
    accept_false_matches: bool = False
    low_quality: Literal["compare", "drop"] = "compare"
    min_quality: int = Field(50, ge=0, le=100)
    low_quality_distance: int = Field(12, ge=0, le=31)
    unscanned_types: tuple[BinaryType, ...] = ()
    views: Views = Views()
    limits: Limits = Limits()
    workers: Workers = "auto"
    images_per_worker: int = Field(20_000, gt=0)
    in_flight: InFlight = InFlight()
    fairness: Fairness = Fairness()
    records: Records = Records()
    extract: Extract = Extract()
    filters: Filters = Filters()
    dataset: Dataset = Dataset()
    opt_outs: OptOutPolicy = OptOutPolicy()
    hygiene: Hygiene = Hygiene()
    self_test: SelfTest = SelfTest()
    report: Report = Report()
    metrics: Metrics = Metrics()
    incidents: Incidents = Incidents()

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("expected keys and values; the shortest policy is the line 'blocklist: FOLDER'")  # noqa: TRY004 - pydantic wants it so
        return value

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a policy file.

        Raises
        ------
        PolicyError
            The file is missing or not YAML, or a key is unknown, missing, of a wrong type or out of bounds. The text
            names file, line and key, and what was expected.
        """
        file = Path(path)
        try:
            document, lines = load_with_lines(file)
        except YAMLProblem as problem:
            raise PolicyError(f"policy {file}: {problem}") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise PolicyError(
                f"policy {file}: cannot be read ({why}); name an existing file in INGEST_GUARD_POLICY, or write one "
                "with: ingest-guard init"
            ) from None
        try:
            policy = cls.model_validate(to_tuples({} if document is None else document))
        except ValidationError as error:
            raise PolicyError(f"policy {file}: {'; '.join(describe_errors(error, lines, _TEXTS))}") from None
        return policy._with_paths(file)  # noqa: SLF001 - of the same class

    def to_json(self) -> str:
        """Return the policy for a worker process of the same crawl.

        The worker needs no key that this process alone acts on: age, signers, key and allow-list are checked here.
        """
        return self.model_dump_json(exclude=_NOT_FOR_WORKERS)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls.model_validate(to_tuples(json.loads(text)))

    @property
    def drops_pages(self) -> bool:
        """Whether a match on some list costs the page's other records, too."""
        return any(entry.action == "drop_page" for entry in self.lists.values())

    @property
    def worker_count(self) -> int:
        """Number of scan workers; 0 for the inline mode."""
        if self.workers == "inline":
            return 0
        if self.workers == "auto":
            return max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1
        return self.workers

    def _with_paths(self, file: Path) -> Self:
        """Return the same policy with its paths counted from the folder of its file."""
        allowed = tuple(_resolve(file, "allow.files", each) for each in self.allow.files)
        signer = (each if is_hex_key(each) else str(_resolve(file, "signer", Path(each))) for each in self.signer)
        update: dict[str, Any] = {
            "blocklist": _resolve(file, "blocklist", self.blocklist),
            "allow": self.allow.model_copy(update={"files": allowed}),
            "signer": tuple(signer),
            "encoders": {
                name: each.model_copy(update={"file": _resolve(file, f"encoders.{name}.file", each.file)})
                for name, each in self.encoders.items()
            },
        }
        state = Path(_STATE) if self.state is None and self.signer else self.state
        if isinstance(state, Path):
            update["state"] = _resolve(file, "state", state)
        if self.dataset.sign_key:
            sign_key = _resolve(file, "dataset.sign_key", self.dataset.sign_key)
            update["dataset"] = self.dataset.model_copy(update={"sign_key": sign_key})
        if self.incidents.recipients:
            update["incidents"] = self._incidents_with_paths(file)
        if self.list_key and self.list_key.file:
            key_file = _resolve(file, "list_key.file", self.list_key.file)
            update["list_key"] = self.list_key.model_copy(update={"file": key_file})
        return self.model_copy(update=update)

    def _incidents_with_paths(self, file: Path) -> Incidents:
        named = self.incidents
        update: dict[str, Any] = {
            "folder": _resolve(file, "incidents.folder", named.folder),
            "recipients": tuple(
                each if is_recipient(each) else str(_resolve(file, "incidents.recipients", Path(each)))
                for each in named.recipients
            ),
        }
        if named.signing_key:
            update["signing_key"] = _resolve(file, "incidents.signing_key", named.signing_key)
        return named.model_copy(update=update)


_STATE = "ingest_guard_state"
_WHAT = {
    "blocklist": "a folder; name the folder that 'ingest-guard blocklist build' wrote",
    "state": "a folder",
    "incidents.folder": "a folder",
}


def _resolve(file: Path, key: str, path: Path) -> Path:
    try:
        return (file.resolve().parent / path.expanduser()).resolve()
    except (OSError, RuntimeError, ValueError):
        what = _WHAT.get(key, "a file; name one that exists")
        raise PolicyError(f"policy {file}: key {key}: {str(path)!r} cannot be the path of {what}") from None


_TEXTS = {
    "extra_forbidden": "unknown key; see docs/reference.md for the keys, or remove it",
    "missing": "this key is missing: name the folder that 'ingest-guard blocklist build' wrote",
    "time_delta_type": "expected a time span such as 30d, 12h, 90m or 45s",
}
