"""Reports: made from the balances that posting keeps, and never by adding up all lines."""
