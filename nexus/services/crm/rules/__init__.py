"""What several of CRM's rules share, free of records being loaded or kept: each is a function of values."""
