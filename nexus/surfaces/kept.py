"""Keeping what was worked out: functools.lru_cache for functions of entities, whose classes type checkers take for unhashable."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def kept(function: Callable[P, R]) -> Callable[P, R]:
    """Answer what was answered before to the same arguments; the 4,096 used last."""
    return cast(Callable[P, R], functools.lru_cache(maxsize=4096)(function))
