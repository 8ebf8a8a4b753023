"""Hand-written reads of access."""

from sqlalchemy import Text, literal, union_all

from nexus.core import Me, Query, Rows, Sight, answers, select
from nexus.core.policy import ROLES
from nexus.services.auth.entities import User


class WhoAmI(Query, frozen=True, kw_only=True):
    """The user that this key acts as."""


@answers(WhoAmI, needs="auth.user:read")
def me(query: WhoAmI, sight: Sight) -> Rows:
    """One row: the caller."""
    return select(User.id, User.name, User.email, User.roles, User.team_ids, User.territory_ids, User.language, User.time_zone).where(
        User.id == Me.id, sight(User)
    )


class Roles(Query, frozen=True, kw_only=True):
    """The roles that people can have here, by the name that an invitation takes."""


@answers(Roles, needs="auth.user:read")
def roles(query: Roles, sight: Sight) -> Rows:
    one_each = [select(literal(one.name, Text).label("name"), literal(one.title, Text).label("title")) for one in ROLES.values()]
    known = union_all(*one_each).subquery("known")
    return select(known.c.name, known.c.title).order_by(known.c.name)
