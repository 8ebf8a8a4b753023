-- Which service is at which version for each tenant of this cell. The row is written in the transaction that makes the change, so it cannot lie.
-- Run by nexus_owner at every start, in every cell: every statement may run again.

CREATE TABLE IF NOT EXISTS nexus_cell.tenant_service (
    tenant text NOT NULL,              -- its schema
    service text NOT NULL,
    version int NOT NULL,
    part int NOT NULL DEFAULT 0,       -- how many parts of the next version are done already
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    error text,                        -- why the last attempt to go on failed
    error_at timestamptz,
    CONSTRAINT pk_tenant_service PRIMARY KEY (tenant, service)
);
CREATE INDEX IF NOT EXISTS ix_tenant_service_version ON nexus_cell.tenant_service (service, version);

REVOKE ALL ON TABLE nexus_cell.tenant_service FROM PUBLIC;
GRANT SELECT ON TABLE nexus_cell.tenant_service TO nexus_app;
