"""`docs/api/` says what the declarations say today."""

from __future__ import annotations

from pathlib import Path

from tools import api_docs


def test_the_pages_are_up_to_date() -> None:
    assert api_docs.stale() == [], "run python -m tools.api_docs"


def test_what_is_stale_is_named(tmp_path: Path) -> None:
    for name, text in api_docs.pages().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert api_docs.stale(tmp_path) == []
    (tmp_path / "crm.md").write_text("old", encoding="utf-8")
    (tmp_path / "gone.md").write_text("old", encoding="utf-8")
    assert api_docs.stale(tmp_path) == ["crm.md", "gone.md"]
