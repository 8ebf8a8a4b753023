"""The rules of access: who may be let in by whom, and that somebody always can."""

from __future__ import annotations

from uuid import UUID

from nexus.core import Conflict, FieldError, Forbidden, Invalid, Problem, Tx, among, handles
from nexus.core.policy import ROLES
from nexus.core.tokens import new_token
from nexus.services.auth.api import (
    AccessAssigned,
    ActivateUser,
    ApiKeyCreated,
    ApiKeyRenewed,
    ApiKeyRevoked,
    AssignRoles,
    CreateApiKey,
    DeactivateUser,
    InviteUser,
    NewApiKey,
    ReactivateUser,
    RenewApiKey,
    RevokeApiKey,
    SuspendUser,
    UserActivated,
    UserDeactivated,
    UserInvited,
    UserReactivated,
    UserSuspended,
)
from nexus.services.auth.entities import ApiKey, Team, User
from nexus.services.auth.flows import user_flow
from nexus.services.auth.policies import owner
from nexus.services.auth.terms import UserStatus


class EmailTaken(Conflict):
    """A user with this e-mail address is here already."""

    reason: str = ""


class LastOwner(Conflict):
    """{name} is the only active owner: make somebody else an owner first."""

    name: str
    reason: str = ""


class KeyRevoked(Conflict):
    """This key has been revoked already."""

    reason: str = ""


class ExpiresInThePast(Problem, status=422):
    """A key must expire in the future."""


class NotOneself(Conflict):
    """Nobody takes away their own access: ask another owner."""

    reason: str = ""


@handles(InviteUser, needs="auth.user:invite")
async def invite_user(cmd: InviteUser, tx: Tx) -> UserInvited:
    if not cmd.roles:
        raise Invalid.of(FieldError("roles", "is empty; whoever joins has at least one role"))
    email = cmd.email.lower()
    await _may_grant(cmd.roles, tx)
    await _known(cmd.roles, cmd.team_ids, tx)
    if await tx.find(User, User.email == email, lock=True):
        raise EmailTaken()
    user = tx.add(User(name=cmd.name, email=email, phone=cmd.phone, roles=sorted(set(cmd.roles))))
    user.team_ids, user.territory_ids = list(dict.fromkeys(cmd.team_ids)), list(dict.fromkeys(cmd.territory_ids))
    return tx.emit(UserInvited(user_id=user.id, roles=user.roles))


@handles(ActivateUser, needs="auth.user:activate")
async def activate_user(cmd: ActivateUser, tx: Tx) -> UserActivated:
    user = await tx.get(User, cmd.user_id, lock=True)
    user_flow.go(user, "activate")
    return tx.emit(UserActivated(user_id=user.id))


@handles(AssignRoles, needs="auth.user:assign")
async def assign_roles(cmd: AssignRoles, tx: Tx) -> AccessAssigned:
    user = await tx.get(User, cmd.user_id, lock=True)
    roles = user.roles if cmd.roles is None else sorted(set(cmd.roles))
    await _may_grant(sorted(set(roles) ^ set(user.roles)), tx)
    await _known(roles, cmd.team_ids or [], tx)
    if owner.name in user.roles and owner.name not in roles:
        await _another_owner(user, tx)
    user.roles = roles
    user.team_ids = user.team_ids if cmd.team_ids is None else list(dict.fromkeys(cmd.team_ids))
    user.territory_ids = user.territory_ids if cmd.territory_ids is None else list(dict.fromkeys(cmd.territory_ids))
    return tx.emit(AccessAssigned(user_id=user.id, roles=roles, team_ids=user.team_ids, territory_ids=user.territory_ids))


@handles(SuspendUser, needs="auth.user:suspend")
async def suspend_user(cmd: SuspendUser, tx: Tx) -> UserSuspended:
    user = await _to_stop(cmd.user_id, tx)
    user_flow.go(user, "suspend")
    return tx.emit(UserSuspended(user_id=user.id, reason=cmd.reason))


@handles(ReactivateUser, needs="auth.user:reactivate")
async def reactivate_user(cmd: ReactivateUser, tx: Tx) -> UserReactivated:
    user = await tx.get(User, cmd.user_id, lock=True)
    await _may_grant(user.roles, tx)
    user_flow.go(user, "reactivate")
    return tx.emit(UserReactivated(user_id=user.id))


@handles(DeactivateUser, needs="auth.user:deactivate")
async def deactivate_user(cmd: DeactivateUser, tx: Tx) -> UserDeactivated:
    user = await _to_stop(cmd.user_id, tx)
    user_flow.go(user, "deactivate")
    return tx.emit(UserDeactivated(user_id=user.id))


@handles(CreateApiKey, needs="auth.api_key:create")
async def create_api_key(cmd: CreateApiKey, tx: Tx) -> NewApiKey:
    if cmd.expires_at is not None and cmd.expires_at <= tx.now:
        raise ExpiresInThePast()
    user_id = cmd.user_id or tx.actor.id
    if user_id is None:
        raise Invalid.of(FieldError("user_id", "is required"))
    if user_id != tx.actor.id:
        await _as_owner(tx)
    if wider := [
        FieldError(f"scopes[{n}]", "is more than this credential may do itself") for n, one in enumerate(cmd.scopes) if not tx.holds(one)
    ]:
        raise Invalid.of(*wider)
    user = await tx.get(User, user_id)
    key = tx.add(
        ApiKey(name=cmd.name, user_id=user.id, prefix="", secret_hash="", scopes=sorted(set(cmd.scopes)), expires_at=cmd.expires_at)
    )
    tx.emit(ApiKeyCreated(api_key_id=key.id, user_id=user.id, name=key.name, scopes=key.scopes))
    return _with_secret(key, tx)


@handles(RenewApiKey, needs="auth.api_key:renew")
async def renew_api_key(cmd: RenewApiKey, tx: Tx) -> NewApiKey:
    key = await tx.get(ApiKey, cmd.api_key_id, lock=True)
    if key.user_id != tx.actor.id:
        await _as_owner(tx)
    for scope in key.scopes:  # its new secret is told to whoever asks
        if not tx.holds(scope):
            raise Forbidden(permission=scope)
    if key.revoked_at is not None:
        raise KeyRevoked()
    tx.emit(ApiKeyRenewed(api_key_id=key.id, user_id=key.user_id))
    return _with_secret(key, tx)


@handles(RevokeApiKey, needs="auth.api_key:revoke")
async def revoke_api_key(cmd: RevokeApiKey, tx: Tx) -> ApiKeyRevoked:
    key = await tx.get(ApiKey, cmd.api_key_id, lock=True)
    if key.user_id != tx.actor.id:
        await _may_grant((await tx.get(User, key.user_id)).roles, tx)
    if key.revoked_at is not None:
        raise KeyRevoked()
    key.revoked_at = tx.now
    return tx.emit(ApiKeyRevoked(api_key_id=key.id, user_id=key.user_id))


def _with_secret(key: ApiKey, tx: Tx) -> NewApiKey:
    token = new_token(tx.tenant.id, key.id)
    key.prefix, key.secret_hash = token.prefix, token.hash
    return NewApiKey(id=key.id, name=key.name, token=str(token), scopes=key.scopes, expires_at=key.expires_at)


async def _to_stop(user_id: UUID, tx: Tx) -> User:
    """The user to suspend or deactivate: not oneself, not an owner unless by an owner, not the last owner."""
    if user_id == tx.actor.id:
        raise NotOneself()
    user = await tx.get(User, user_id, lock=True)
    await _may_grant(user.roles, tx)
    if owner.name in user.roles and user.status is UserStatus.ACTIVE:
        await _another_owner(user, tx)
    return user


async def _another_owner(user: User, tx: Tx) -> None:
    """The other owners are locked, so that two owners cannot remove each other at the same moment."""
    owners = await tx.list(User, User.status == UserStatus.ACTIVE, User.roles.contains([owner.name]), lock=True)
    if all(one.id == user.id for one in owners):
        raise LastOwner(name=user.name)


async def _as_owner(tx: Tx) -> None:
    """Forbidden (403) unless the caller is an owner, or the system itself."""
    if tx.actor.id is None:
        return
    me = await tx.find(User, User.id == tx.actor.id)
    if me is None or owner.name not in me.roles:
        raise Forbidden(permission=owner.name)


async def _may_grant(roles: list[str], tx: Tx) -> None:
    """Only an owner makes, changes or stops an owner; otherwise an administrator could become one."""
    if owner.name in roles:
        await _as_owner(tx)


async def _known(roles: list[str], team_ids: list[UUID], tx: Tx) -> None:
    """Invalid (422) for a role that no service declares and a team that is not there."""
    for index, name in enumerate(roles):
        if name not in ROLES:
            raise Invalid.of(FieldError(f"roles[{index}]", f"is not a role; there are {', '.join(sorted(ROLES))}"))
    if not team_ids:
        return
    found = {team.id for team in await tx.list(Team, among(Team.id, team_ids))}
    for index, id in enumerate(team_ids):
        if id not in found:
            raise Invalid.of(FieldError(f"team_ids[{index}]", "there is no team with this id"))
