"""What a new business begins with: its owner, the owner's key, and its teams."""

from __future__ import annotations

from typing import Any

from nexus.core import Tx
from nexus.services.auth.api import CreateApiKey
from nexus.services.auth.entities import Team, User
from nexus.services.auth.flows import user_flow
from nexus.services.auth.policies import owner


async def plant(seeds: dict[str, Any], tx: Tx) -> dict[str, Any]:
    """Plant `{"owner": {"name", "email", "phone", "language"}, "teams": [{"key", "name"}]}`.

    Answers `owner_id`, `key_id`, the one-time `token`, and `teams` (ids by key). The owner is in every team.
    """
    teams = {team["key"]: tx.add(Team(name=team["name"], key=team["key"])) for team in seeds.get("teams", ())}
    given = seeds["owner"]
    person = tx.add(User(name=given["name"], email=given["email"].lower(), phone=given.get("phone"), language=given.get("language")))
    person.roles, person.team_ids = [owner.name], [team.id for team in teams.values()]
    user_flow.go(person, "activate")
    key = await tx.call(CreateApiKey(name="The owner's first key", user_id=person.id))
    return {
        "owner_id": str(person.id),
        "key_id": str(key.id),
        "token": key.token,
        "teams": {name: str(team.id) for name, team in teams.items()},
    }
