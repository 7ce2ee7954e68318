from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard._yaml import describe_errors, to_tuples


class Inner(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid", strict=True)
    number: int = 1


class Outer(BaseModel):
    """The whole."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = ""
    title: str
    parts: tuple[Inner, ...] = Field((), min_length=1)


LINES = {(): 1, ("name",): 2, ("parts",): 3, ("parts", 0): 4, ("parts", 0, "number"): 5, ("odd",): 6}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"title": "a", "name": 1, "odd": 2},
            ["line 2: key name: expected a valid string", "line 6: key odd: unknown key; correct or remove it"],
        ),
        ({"parts": ({"number": 1},)}, ["line 1: key title: this key is missing"]),
        ({"title": "a", "parts": ()}, ["line 3: key parts: expected at least one entry"]),
        ({"title": "a", "parts": ({"number": "secret"},)}, ["line 5: key parts.0.number: expected a valid integer"]),
        ({"title": "a", "parts": [1]}, ["line 3: key parts: expected a list, as in [a, b]"]),
    ],
)
def test_problems_name_line_and_key(document: object, expected: list[str]) -> None:
    """Each problem is told once, with its line and key, and never with the value."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document)
    assert describe_errors(caught.value, LINES) == expected


def test_texts_can_be_others() -> None:
    """A caller may say more about a kind of problem."""
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({})
    assert describe_errors(caught.value, LINES, {"missing": "name it"}) == ["line 1: key title: name it"]


def test_lists_become_tuples() -> None:
    """At any depth."""
    assert to_tuples({"a": [1, {"b": [2]}]}) == {"a": (1, {"b": (2,)})}
