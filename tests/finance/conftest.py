"""Books to attack: as the tests of finance plant them."""

from nexus.services.finance.tests.conftest import books, finance

__all__ = ["books", "finance"]
