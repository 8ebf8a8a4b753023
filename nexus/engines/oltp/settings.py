"""How the pool behaves, and what it counts."""

from dataclasses import dataclass

__all__ = ["Settings", "Stats"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the connections of a pool behave; times in seconds."""

    statements: int = 2_000
    """Prepared statements kept per connection (about 14 kB each on the server)."""
    tenants: int = 250
    """Different tenants after which a connection is replaced: the caches a server process keeps never shrink."""
    depth: int = 64
    """Requests in flight per connection; more wait."""
    spill: int = 8
    """How much busier than another the tenant's own connection must be before the other one is taken."""
    patience: float = 10.0
    """How long a call waits for a connection before it gets Unavailable."""
    grace: float = 0.05
    """How long an abandoned statement may still run before a cancel request is sent."""
    fast_limit: float = 10.0
    """statement_timeout of the fast lane."""
    slow_limit: float = 120.0
    """statement_timeout of the slow lane."""
    transaction_limit: float = 30.0
    """statement_timeout within transactions; one that idles twice as long is ended by the server."""


@dataclass(slots=True)
class Stats:
    """Counters since start, for the metrics; `in_flight` and `connections` are gauges."""

    round_trips: int = 0
    statements: int = 0
    prepared: int = 0
    connects: int = 0
    lost: int = 0
    retries: int = 0
    cancels: int = 0
    timeouts: int = 0
    in_flight: int = 0
    connections: int = 0
