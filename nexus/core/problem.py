"""Refusals: everything NEXUS answers when it will not do what was asked, as RFC 9457 problems.

    Problem                       a refusal the caller can act on
    ├── Malformed            400  the request cannot be read at all
    ├── Unauthenticated      401  no credential, or none that is in force
    ├── Forbidden            403  the credential does not allow it
    ├── NotFound             404  there is no such thing, or the caller may not know of it
    ├── Conflict             409  it contradicts what is already so
    │   ├── AlreadyExists         … a value that must be unique is taken
    │   ├── StillReferred         … something else still points at it
    │   ├── KeyReused             … the idempotency key was used for something else
    │   ├── Merged                … the record is part of another one now (in `surfaces.redirects`)
    │   └── IllegalMove           … the state machine has no such move (in `core.flow`)
    ├── PreconditionFailed   412  the record changed since it was read
    ├── TooLarge             413  more bytes or rows than the limit
    ├── Invalid              422  fields are missing, unknown or wrong; each is named
    ├── PreconditionRequired 428  a write without `If-Match`
    ├── TooManyRequests      429  a rate or a quota is used up; it says which and for how long
    ├── Unavailable          503  an engine is away; trying again later may help
    ├── ServiceUnavailable   503  the process of a service is away; it says which
    ├── TookTooLong          504  no answer within the time limit
    └── ServiceTooSlow       504  a service that was asked has not answered in time; it says which

A service adds its own by subclassing. Anything else that is raised is a bug: a 500 with a trace id and no detail.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import msgspec
from typing_extensions import dataclass_transform

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field: `field` is a path such as `owner.email` or `rows[3].amount`."""

    field: str
    message: str


@dataclass_transform(kw_only_default=True)
class Problem(Exception):
    """A refusal. The class's docstring is the sentence shown, with the facts filled in."""

    status: ClassVar[int] = 400
    foreign: ClassVar[bool] = False
    """Stands for what another process refused, and is no kind of its own."""

    def __init_subclass__(cls, status: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if status is not None:
            cls.status = status

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        for name, value in facts.items():
            setattr(self, name, value)
        super().__init__(self.detail)

    @property
    def detail(self) -> str:
        """One sentence for a person: what was refused and, where it can be said, what to change."""
        sentence = (type(self).__doc__ or self.title()).strip().split("\n\n")[0]
        return " ".join(sentence.format(**self.facts).split())

    @classmethod
    def title(cls) -> str:
        """The class name as words: `WorthNothing` is "Worth nothing"."""
        return _WORD.sub(" ", cls.__name__).capitalize()

    @classmethod
    def code(cls) -> str:
        """The class name in kebab case, the last part of the problem's `type`."""
        return _WORD.sub("-", cls.__name__).lower()

    def body(self) -> dict[str, Any]:
        """The RFC 9457 members, with the facts as extension members."""
        facts = {name: value for name, value in self.facts.items() if name not in _RESERVED}
        return {"type": f"/problems/{self.code()}", "title": self.title(), "status": self.status, "detail": self.detail, **facts}


_RESERVED = {"type", "title", "status", "detail", "instance", "reason", "summary"}
"""Members of RFC 9457 itself, and facts that the detail says already."""


class Malformed(Problem, status=400):
    """{reason}"""

    reason: str


class Unauthenticated(Problem, status=401):
    """{reason}"""

    reason: str


class Forbidden(Problem, status=403):
    """This credential does not allow {permission}."""

    permission: str


class NotFound(Problem, status=404):
    """There is no {kind} {id} here."""

    kind: str
    id: str


class Conflict(Problem, status=409):
    """{reason}"""

    reason: str


class AlreadyExists(Conflict):
    """Another {kind} has this {field} already."""

    kind: str
    field: str
    reason: str = ""


class StillReferred(Conflict):
    """This {kind} cannot go: {by} still refers to it."""

    kind: str
    by: str
    reason: str = ""


class KeyReused(Conflict):
    """Idempotency-Key {key} was used before with another request; use a new key for a new request."""

    key: str
    reason: str = ""


class PreconditionFailed(Problem, status=412):
    """The {kind} is at version {now}, not {expected}: read it again and repeat the change on what it says."""

    kind: str
    now: int
    expected: str


class TooLarge(Problem, status=413):
    """{what} is larger than the limit of {limit}."""

    what: str
    limit: str


class Invalid(Problem, status=422):
    """{summary}"""

    summary: str
    errors: list[FieldError]

    @classmethod
    def of(cls, *errors: FieldError) -> Invalid:
        """The usual way to raise it: the summary names the first field and counts the rest."""
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return cls(summary=f"{first.field}: {first.message}{more}" if first.field else first.message + more, errors=list(errors))


class PreconditionRequired(Problem, status=428):
    """Send If-Match with the ETag of the {kind} you read, or If-Match: * to overwrite whatever is there."""

    kind: str


class Unavailable(Problem, status=503):
    """{what} is not available right now; try again shortly."""

    what: str


class TooManyRequests(Problem, status=429):
    """{who} may send {most}; try again in {retry_after} s."""

    limit: str
    """Which one it was, as `RateLimit-Policy` names it."""
    who: str
    most: str
    retry_after: int


class TookTooLong(Problem, status=504):
    """No answer within {seconds} s, so the request was given up; a write may have happened: repeat it with its Idempotency-Key."""

    seconds: float


class ServiceUnavailable(Problem, status=503):
    """The service {service} does not answer at the moment: {reason}"""

    service: str
    reason: str


class ServiceTooSlow(Problem, status=504):
    """The service {service} has not answered within {seconds} seconds; a write may have happened."""

    service: str
    seconds: float
