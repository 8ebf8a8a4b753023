"""The engines: one folder per kind of infrastructure. `__init__.py` is the promise, `embedded.py` the default that needs no server."""
