"""The pages a person opens: the start page that activates a business, the API's reference, the document behind it, and what problems mean.

answers.py     HTML responses and their security headers
documents.py   /openapi.json and /problems
reference.py   /docs
start.py       /
explorer.py    /graphql, where a browser opens it
static/        styles and scripts, served at /assets
"""

from __future__ import annotations

from nexus.gateway.pages.site import site_pages

__all__ = ["site_pages"]
