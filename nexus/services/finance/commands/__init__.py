"""Rules of finance when asked."""
