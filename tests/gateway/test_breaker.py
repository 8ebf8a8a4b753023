"""Circuit breaking: closed, open, one who tries."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.gateway.breaker import FAILURES, LONGEST, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_opens_after_failures_in_a_row_and_lets_one_try_after_a_while() -> None:
    clock = Clock()
    breaker = opened(clock)

    assert not breaker.admit()
    clock.now += LONGEST
    assert breaker.admit()
    assert not breaker.admit(), "one is enough"
    breaker.succeeded()
    assert breaker.admit()
    assert breaker.admit()


def test_one_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker()

    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()

    assert breaker.admit()


def test_who_gives_up_while_trying_leaves_the_place_to_another() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += LONGEST

    assert breaker.admit()
    breaker.given_up()

    assert breaker.admit()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "well", "ill", "leave"]), st.floats(0, 2))))
def test_however_it_goes_somebody_may_try_again_in_time(steps: list[tuple[str, float]]) -> None:
    """Each who is let through says how it went; then, after the longest pause, the next is let through."""
    clock = Clock()
    breaker = Breaker(clock)

    for how, later in steps:
        clock.now += later
        if breaker.admit():
            {"well": breaker.succeeded, "ill": breaker.failed}.get(how, breaker.given_up)()

    clock.now += LONGEST
    assert breaker.admit()
