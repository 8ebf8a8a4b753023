"""Live events: what happens, told to whoever may know of it, over any protocol.

topics.py         the topics that there are, and the patterns that pick them
checks.py         what of an event a caller may see: one statement for all who have the same rights
subscription.py   one subscriber: its queue, its limits, why it ended
tail.py           the one reader of a cell's log
hub.py            who subscribes, from where, and for how long they may
problems.py       why a subscription does not begin, and why one ends
sse.py            /api/v1/stream
sockets.py        /ws
messages.py       what is said over it
schemas.py        every version of every event as JSON Schema
asyncapi.py       the AsyncAPI document
"""

from __future__ import annotations

from nexus.surfaces.live.checks import LiveEvent
from nexus.surfaces.live.hub import Live
from nexus.surfaces.live.problems import Gap, GoingAway, Relocated, TooSlow
from nexus.surfaces.live.subscription import Subscription
from nexus.surfaces.live.topics import Topic

__all__ = ["Gap", "GoingAway", "Live", "LiveEvent", "Relocated", "Subscription", "TooSlow", "Topic"]
