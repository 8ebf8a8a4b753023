"""Slugs: the name of a tenant in addresses, `ade-bakery` in `https://ade-bakery.example.com`. A slug is one DNS label."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_RESERVED = """
about account accounts activate admin administrator api app apps assets auth billing blog cdn cell cells console control dashboard
demo dev developer developers docs download email events example files ftp gateway graphql grpc health healthz help home hooks host
hostmaster imap internal invite kubernetes localhost login logout mail mcp media metrics mobile news nexus noc none null ns ns1 ns2
oauth openapi operator operators ops partner partners payments pop postmaster pricing prod production public readyz root sales
security settings shop signin signup smtp sso stage staging static status store support system tenant tenants test undefined upload
uploads web webhook webhooks webmaster wss www
"""
RESERVED = frozenset(_RESERVED.split())
"""Names the platform keeps for itself, or that would mislead."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-))*[a-z0-9]")
_SHORTEST, _LONGEST, _MADE = 3, 63, 48
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "œ": "oe", "þ": "th", "ð": "d", "ə": "e", "ħ": "h"}
)
_APOSTROPHES = re.compile(r"['\u2019\u02bc\u2018`]")


def plain(text: str) -> str:
    """The text in lower case without accents: `Café Ọ̀ṣun` → `cafe osun`. Letters of other scripts stay as they are."""
    split = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return unicodedata.normalize("NFC", "".join(letter for letter in split if not unicodedata.combining(letter)))


def slug_of(name: str) -> str:
    """A valid slug for a business name, always the same one. A name without Latin letters gets `business-` and four digits of its hash."""
    words = re.findall(r"[a-z0-9]+", plain(_APOSTROPHES.sub("", name)))
    slug = ""
    for word in words:
        longer = f"{slug}-{word}" if slug else word
        if len(longer) > _MADE:
            break
        slug = longer
    slug = slug or "".join(words)[:_MADE]
    if len(slug) < _SHORTEST or slug in RESERVED:
        slug = f"{slug or 'business'}-{hashlib.sha256(name.encode()).hexdigest()[:4]}"
    return slug


def slug_fault(slug: str) -> str | None:
    """What is wrong with a slug somebody asked for, and what to change; None where nothing is."""
    if slug in RESERVED:
        return f"{slug!r} is reserved: take another, for example '{slug}-business'"
    if _SHORTEST <= len(slug) <= _LONGEST and _SLUG.fullmatch(slug):
        return None
    rule = f"{_SHORTEST} to {_LONGEST} of a-z, 0-9 and single hyphens, with a letter or digit at both ends"
    return f"{slug!r} is no slug: use {rule}, for example {slug_of(slug)!r}"
