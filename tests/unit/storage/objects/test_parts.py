from __future__ import annotations

from holdfast.storage.objects.parts import MAX_PARTS, PART, part_size

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40


def memory_for(size: int) -> int:
    """The longest part of an object of ``size`` bytes."""
    number = 0
    while size > 0:
        number += 1
        size -= part_size(number)
    return part_size(number)


def test_ten_thousand_parts_hold_the_largest_object_of_s3() -> None:
    assert sum(part_size(number) for number in range(1, MAX_PARTS + 1)) >= 5 * TIB


def test_no_part_is_longer_than_s3_takes_and_none_shorter_than_the_one_before() -> None:
    sizes = [part_size(number) for number in range(1, MAX_PARTS + 1)]

    assert sizes == sorted(sizes)
    assert sizes[-1] <= 5 * GIB


def test_an_upload_of_5_gib_costs_the_memory_of_one_of_5_mib() -> None:
    assert memory_for(5 * GIB) == memory_for(5 * MIB) == PART


def test_memory_grows_far_slower_than_the_object() -> None:
    assert memory_for(100 * GIB) <= 84 * MIB
    assert memory_for(1 * TIB) <= 512 * MIB
    assert memory_for(5 * TIB) <= 1600 * MIB
