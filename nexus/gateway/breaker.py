"""Circuit breaking: a process that does not answer is left in peace for a moment, and who wants it is told at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
"""In a row: then the circuit opens."""
FIRST: Final = 0.25
LONGEST: Final = 1.0
"""Seconds for which it stays open: twice as long after each attempt that failed as well."""


class Breaker:
    """Closed: everybody is let through. Open: nobody. Afterwards one is let through, and how that goes decides for all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._until = 0.0
        self._pause = FIRST
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether nobody, or only one who tries, is let through."""
        return self.failures >= FAILURES

    def admit(self) -> bool:
        """Whether a request may be tried. Who is let through says `succeeded`, `failed` or `given_up`."""
        if not self.open:
            return True
        if self._trying or self._clock() < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It has answered, whatever it said."""
        self.failures, self._pause, self._trying = 0, FIRST, False

    def failed(self) -> None:
        """It could not be reached, or broke off."""
        self.failures += 1
        self._trying = False
        if self.open:
            self._until = self._clock() + self._pause
            self._pause = min(self._pause * 2, LONGEST)

    def given_up(self) -> None:
        """Nobody waited for the answer: nothing is known."""
        self._trying = False
