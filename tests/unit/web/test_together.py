from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from holdfast.web.hop import Threads
from holdfast.web.together import Together


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(2)
    yield made
    made.close()


def test_what_comes_while_the_first_is_done_is_done_together_after_it(threads: Threads) -> None:
    seen: list[list[int]] = []
    loop: asyncio.AbstractEventLoop
    begun, go_on = asyncio.Event(), threading.Event()

    def act(items: Sequence[int]) -> list[int]:
        seen.append(list(items))
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        return [10 * item for item in items]

    async def main() -> list[int]:
        nonlocal loop
        loop = asyncio.get_running_loop()
        together = Together(threads, act)
        first = asyncio.create_task(together(1))
        await begun.wait()
        others = [asyncio.create_task(together(n)) for n in (2, 3, 4)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(main()) == [10, 20, 30, 40]
    assert seen == [[1], [2, 3, 4]]


def test_one_items_error_is_its_own(threads: Threads) -> None:
    def act(items: Sequence[int]) -> list[int | BaseException]:
        return [ValueError(item) if item < 0 else item for item in items]

    async def main() -> Sequence[int | BaseException]:
        together: Together[int, int] = Together(threads, act)
        return await asyncio.gather(together(1), together(-2), together(3), return_exceptions=True)

    one, two, three = asyncio.run(main())
    assert (one, three) == (1, 3)
    assert isinstance(two, ValueError)


def test_an_error_of_the_whole_is_everybodys_and_the_next_is_done_all_the_same(threads: Threads) -> None:
    broken = True

    def act(items: Sequence[int]) -> Sequence[int]:
        if broken:
            raise OSError("away")
        return items

    async def main() -> int:
        nonlocal broken
        together: Together[int, int] = Together(threads, act)
        results = await asyncio.gather(together(1), together(2), return_exceptions=True)
        assert [type(result) for result in results] == [OSError, OSError]
        broken = False
        return await together(3)

    assert asyncio.run(main()) == 3


def test_who_goes_away_keeps_nobody_waiting(threads: Threads) -> None:
    go_on = threading.Event()

    def act(items: Sequence[int]) -> Sequence[int]:
        go_on.wait(10)
        return items

    async def main() -> int:
        together: Together[int, int] = Together(threads, act)
        impatient = asyncio.create_task(together(1))
        patient = asyncio.create_task(together(2))
        await asyncio.sleep(0)
        impatient.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        return await patient

    assert asyncio.run(main()) == 2
