"""Hand-written reads of access."""

from nexus.core import Me, Query, Rows, Sight, answers, select
from nexus.services.auth.entities import User


class WhoAmI(Query, frozen=True, kw_only=True):
    """The user that this key acts as."""


@answers(WhoAmI, needs="auth.user:read")
def me(query: WhoAmI, sight: Sight) -> Rows:
    """One row: the caller."""
    return select(User.id, User.name, User.email, User.roles, User.team_ids, User.territory_ids, User.language, User.time_zone).where(
        User.id == Me.id, sight(User)
    )
