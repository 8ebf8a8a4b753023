"""The edge: the pages a person sees first, and what stands before the API."""
