"""How a user comes and goes."""

from __future__ import annotations

from nexus.core import Flow, Move
from nexus.services.auth.entities import User
from nexus.services.auth.terms import UserStatus

user_flow = Flow(
    User.status,
    Move("activate", [UserStatus.INVITED], UserStatus.ACTIVE),
    Move("suspend", [UserStatus.INVITED, UserStatus.ACTIVE], UserStatus.SUSPENDED),
    Move("reactivate", [UserStatus.SUSPENDED], UserStatus.ACTIVE),
    Move("deactivate", [UserStatus.INVITED, UserStatus.ACTIVE, UserStatus.SUSPENDED], UserStatus.DEACTIVATED),
)
