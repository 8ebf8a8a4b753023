"""CRM's reports: each is one statement, narrowed to what its caller sees, so that none shows more than a list would."""
