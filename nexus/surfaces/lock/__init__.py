"""The lock of shapes: what every surface of a service has promised, checked in beside it as `surfaces.lock`, with the numbers of gRPC's fields.

model.py       the shapes: operations, topics, messages, enums
spelling.py    how a type is written in it, free of any protocol
declared.py    the shapes of a service as its declarations have them now
merging.py     a lock brought up to them: numbers stay, what goes keeps its number for ever
breaches.py    what would break a caller that relies on the lock
places.py      the file and line of a declaration
file.py        reading and writing it
"""

from __future__ import annotations

from nexus.surfaces.lock.breaches import Breach, breaches
from nexus.surfaces.lock.declared import declared
from nexus.surfaces.lock.file import lock_file, promised, read, written
from nexus.surfaces.lock.merging import merged
from nexus.surfaces.lock.model import Lock, Member, Message, Operation, Topic, Words

__all__ = [
    "Breach",
    "Lock",
    "Member",
    "Message",
    "Operation",
    "Topic",
    "Words",
    "breaches",
    "declared",
    "lock_file",
    "merged",
    "promised",
    "read",
    "written",
]
