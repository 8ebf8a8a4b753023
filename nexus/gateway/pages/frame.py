"""The frame of every page: head, styles and scripts by address, no line of either inside."""

from __future__ import annotations

from html import escape


def page(title: str, body: str, *, styles: tuple[str, ...], scripts: tuple[str, ...] = (), classes: str = "") -> str:
    """A whole HTML document."""
    sheets = "".join(f'<link rel="stylesheet" href="/assets/{name}">' for name in styles)
    programs = "".join(f'<script type="module" src="/assets/{name}"></script>' for name in scripts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="icon" type="image/svg+xml" href="/assets/mark.svg">{sheets}{programs}</head>'
        f'<body class="{classes}">{body}</body></html>'
    )
