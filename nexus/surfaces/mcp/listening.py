"""Listening: a client is told that a record or a list it has read has changed, and that it may use other tools than before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import mcp_types as types
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY, ResourceUpdated, ServerEvent, ToolsListChanged, event_to_notification

from nexus.core.problem import Problem
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.live import Live, LiveEvent
from nexus.surfaces.live.subscription import Subscription
from nexus.surfaces.mcp.resources import Resources
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.shapes import shape_of

Tell = Callable[[types.ServerNotification], Awaitable[None]]
Renew = Callable[[], Awaitable[Caller]]

LOOK: Final = 15.0
"""Seconds between looks at what the caller may do."""
MOST: Final = 50
"""Addresses that one stream follows."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One address that is followed: all records of a kind, or one of them."""

    uri: str
    noun: str
    """`crm.lead`"""
    id: UUID | None

    @property
    def topics(self) -> str:
        service, _, rest = self.noun.partition(".")
        return f"nexus.{service}.*.{rest}.>"

    def is_meant(self, event: LiveEvent) -> bool:
        return event.type.rpartition(".")[0] == self.noun and self.id in (None, event.subject)


class Listening:
    """Serves `subscriptions/listen` and the stream that older clients open beside their requests."""

    def __init__(self, live: Live, resources: Resources) -> None:
        self._live = live
        self._resources = resources

    async def listen(
        self, session: Session, renew: Renew, wanted: types.SubscriptionFilter, id: types.RequestId, tell: Tell
    ) -> types.SubscriptionsListenResult:
        """Tell until the client goes, the process stops, or the caller may no longer know. What nobody here can tell is left out of the acknowledgement."""
        followed = list(self._followed(session, wanted.resource_subscriptions or ()))
        meta = {SUBSCRIPTION_ID_META_KEY: id}
        honoured = types.SubscriptionFilter(
            tools_list_changed=wanted.tools_list_changed or None, resource_subscriptions=[one.uri for one in followed] or None
        )
        subscription = None
        if followed:
            subscription = await self._live.subscribe(session.caller, list(dict.fromkeys(one.topics for one in followed)), renew=renew)
        params = types.SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
        await tell(types.SubscriptionsAcknowledgedNotification(params=params))

        async def say(event: ServerEvent) -> None:
            await tell(event_to_notification(event, meta))

        await self._until_the_end(session, renew, subscription, followed, say if wanted.tools_list_changed else None, say)
        return types.SubscriptionsListenResult(_meta=meta)

    async def beside(self, session: Session, renew: Renew, tell: Tell) -> None:
        """What an older client is told beside its requests: that its tools are others now."""

        async def say(event: ServerEvent) -> None:
            await tell(event_to_notification(event, {}))

        await self._until_the_end(session, renew, None, [], say, say)

    def _followed(self, session: Session, uris: Iterable[str]) -> Iterable[Followed]:
        """Those addresses that are records or lists the caller may read."""
        for uri in dict.fromkeys(list(uris)[:MOST]):
            tool, id = self._resources.found(uri) or (None, None)
            if tool is None or tool.operation.kind not in ("get", "list") or tool.operation.entity is None or not session.admits(tool):
                continue
            yield Followed(uri, shape_of(tool.operation.entity).name, id)

    async def _until_the_end(
        self,
        session: Session,
        renew: Renew,
        subscription: Subscription | None,
        followed: list[Followed],
        tools: Callable[[ServerEvent], Awaitable[None]] | None,
        say: Callable[[ServerEvent], Awaitable[None]],
    ) -> None:
        rights = session.caller.rights
        before = None if rights is None else (rights.roles, rights.scopes)
        try:
            while not self._live.going_away.is_set():
                caller = await self._next(subscription, followed, renew, say)
                after = None if caller.rights is None else (caller.rights.roles, caller.rights.scopes)
                if before != after and tools is not None:
                    await tools(ToolsListChanged())
                before = after
        except (Problem, Unavailable, Timeout):
            return  # its client asks again, and is told then what is amiss
        finally:
            if subscription is not None:
                subscription.close()

    async def _next(
        self,
        subscription: Subscription | None,
        followed: list[Followed],
        renew: Renew,
        say: Callable[[ServerEvent], Awaitable[None]],
    ) -> Caller:
        """Wait, tell what has come, and say who the caller is now."""
        if subscription is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._live.going_away.wait()
            return await renew()
        events = await subscription.take(LOOK)
        for one in followed:
            if any(one.is_meant(event) for event in events):
                await say(ResourceUpdated(one.uri))
        return subscription.caller
