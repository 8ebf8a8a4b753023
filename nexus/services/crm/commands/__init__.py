"""CRM's rules when asked: one file per family."""
