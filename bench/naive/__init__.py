"""The naive peer: what a good team writes in the usual way with FastAPI, SQLAlchemy's ORM and pydantic, at its best setting.

The same endpoints on the same columns, with permission row, audit, outbox and idempotency in one transaction, and the tenant by
search_path. It does less than NEXUS: no role is switched, no token is checked, no field is hidden, no audit is chained.
"""
