"""CRM's rules when told. Each settles one matter by the facts as they are, so that news may come late, twice or out of order."""
