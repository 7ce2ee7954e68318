from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.records import seen as seen_module
from ingest_guard.dataset.records.seen import Keys, Seen, _Table


def uid(number: int) -> str:
    """Return a uid like those of records."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


@given(st.lists(st.integers(0, 40), max_size=120))
def test_seen_is_a_set(numbers: list[int]) -> None:
    """Each uid is new once, whatever the order."""
    seen, known = Seen(1000), set()
    for number in numbers:
        assert (uid(number) in seen) == (number in known)
        assert seen.add(uid(number)) == (number not in known)
        known.add(number)
        assert len(seen) == len(known)
    assert seen.forgotten == 0


@given(st.lists(st.one_of(st.just(0), st.integers(1, 2**64 - 1)), max_size=300))
def test_a_table_is_a_set_of_numbers(numbers: list[int]) -> None:
    """Zero too, which marks an empty place; and through every growth."""
    table, known = _Table(), set()
    for number in numbers:
        assert (number in table) == (number in known)
        assert table.add(number) == (number not in known)
        known.add(number)
    assert len(table) == len(known)
    assert all(number in table for number in known)


def test_no_record_is_doubled_up_to_the_bound_and_the_oldest_go_first_beyond_it() -> None:
    """Exactly as many as were asked for are remembered; then half of them, the older half, are forgotten."""
    seen = Seen(1000)
    assert all(seen.add(uid(number)) for number in range(1000))
    assert not any(seen.add(uid(number)) for number in range(1000))
    assert (len(seen), seen.forgotten) == (1000, 0)
    assert seen.add(uid(1000))
    assert (len(seen), seen.forgotten) == (501, 500)
    assert not any(seen.add(uid(number)) for number in range(500, 1001))
    assert seen.add(uid(0))


def test_memory_is_bounded() -> None:
    """However many uids come, the tables do not take more than they do for as many as are remembered."""
    seen = Seen(20_000)
    sizes = []
    for number in range(100_000):
        seen.add(uid(number))
        if number % 5_000 == 4_999:
            sizes.append(seen.nbytes)
    assert max(sizes) <= 20_000 * 20 + 2 * seen_module._SEGMENTS * 8 * seen_module._SMALLEST
    assert len(seen) <= 20_000
    assert seen.forgotten + len(seen) == 100_000


def test_a_record_costs_few_bytes() -> None:
    """Of many, 10 to 15 bytes each, growth included."""
    seen = Seen(10**6)
    for number in range(200_000):
        seen.add(uid(number))
    assert 8 < seen.nbytes / len(seen) < 20


def test_none_can_be_remembered() -> None:
    """With 0, everything is new."""
    seen = Seen(0)
    assert seen.add(uid(1))
    assert seen.add(uid(1))
    assert uid(1) not in seen
    assert (len(seen), seen.nbytes) == (0, 0)


def test_keys_know_what_was_there_before() -> None:
    """And nothing else; two of them make one."""
    keys = Keys(uid(number) for number in range(0, 1000, 2))
    assert len(keys) == 500
    assert all((uid(number) in keys) == (number % 2 == 0) for number in range(1000))
    both = keys | Keys([uid(1), uid(2)])
    assert len(both) == 501
    assert uid(1) in both
    assert uid(1) not in keys
    assert uid(7) not in Keys()
    assert "f" * 32 not in keys
