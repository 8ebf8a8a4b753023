-- The control plane: which tenants there are, where each lives, and how each came to be. One database holds it; a tenant's role reaches none of it.
-- Run by nexus_owner at every start: every statement may run again.

CREATE SCHEMA IF NOT EXISTS nexus_control;

CREATE TABLE IF NOT EXISTS nexus_control.cell (
    name text CONSTRAINT pk_cell PRIMARY KEY,
    capacity int NOT NULL CONSTRAINT ck_cell_capacity CHECK (capacity > 0),
    open boolean NOT NULL DEFAULT true  -- takes new tenants
);

CREATE TABLE IF NOT EXISTS nexus_control.tenant (
    id uuid CONSTRAINT pk_tenant PRIMARY KEY,
    slug text NOT NULL,
    name text NOT NULL,
    state text NOT NULL CONSTRAINT ck_tenant_state CHECK (state IN ('activating', 'active', 'suspended', 'moving', 'archived', 'purging', 'purged')),
    reason text,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),  -- of the state
    hold_until timestamptz,                                -- of an archived tenant: no purge before it
    cell text NOT NULL CONSTRAINT fk_tenant_cell REFERENCES nexus_control.cell (name),
    country text NOT NULL,
    currency text NOT NULL,
    time_zone text NOT NULL,
    language text NOT NULL,
    preset jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A purged tenant leaves its row as the record that it was, and gives its slug back.
CREATE UNIQUE INDEX IF NOT EXISTS uq_tenant_slug ON nexus_control.tenant (slug) WHERE state <> 'purged';
CREATE INDEX IF NOT EXISTS ix_tenant_cell ON nexus_control.tenant (cell) WHERE state <> 'purged';

CREATE TABLE IF NOT EXISTS nexus_control.tenant_change (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_tenant_change PRIMARY KEY,
    tenant_id uuid NOT NULL CONSTRAINT fk_tenant_change_tenant REFERENCES nexus_control.tenant (id) ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    command text NOT NULL,
    was jsonb NOT NULL,
    became jsonb NOT NULL,
    reason text
);
CREATE INDEX IF NOT EXISTS ix_tenant_change_tenant ON nexus_control.tenant_change (tenant_id);

CREATE TABLE IF NOT EXISTS nexus_control.tenant_host (
    host text CONSTRAINT pk_tenant_host PRIMARY KEY,
    tenant_id uuid NOT NULL CONSTRAINT fk_tenant_host_tenant REFERENCES nexus_control.tenant (id) ON DELETE CASCADE,
    purpose text NOT NULL,
    dns text NOT NULL,  -- recorded | not configured | in force
    tls text NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_tenant_host_tenant ON nexus_control.tenant_host (tenant_id);

CREATE TABLE IF NOT EXISTS nexus_control.tenant_feature (
    tenant_id uuid NOT NULL CONSTRAINT fk_tenant_feature_tenant REFERENCES nexus_control.tenant (id) ON DELETE CASCADE,
    kind text NOT NULL,  -- copilot | integration
    name text NOT NULL,
    state text NOT NULL CONSTRAINT ck_tenant_feature_state CHECK (state IN ('configured', 'not configured')),
    detail text NOT NULL,
    CONSTRAINT pk_tenant_feature PRIMARY KEY (tenant_id, kind, name)
);

-- What a tenant may ask where that differs from the installation's settings; NULL is as there, 0 without a limit.
CREATE TABLE IF NOT EXISTS nexus_control.tenant_limit (
    tenant_id uuid CONSTRAINT pk_tenant_limit PRIMARY KEY CONSTRAINT fk_tenant_limit_tenant REFERENCES nexus_control.tenant (id) ON DELETE CASCADE,
    per_second double precision CONSTRAINT ck_tenant_limit_per_second CHECK (per_second >= 0),
    key_per_second double precision CONSTRAINT ck_tenant_limit_key_per_second CHECK (key_per_second >= 0),
    per_day bigint CONSTRAINT ck_tenant_limit_per_day CHECK (per_day >= 0),
    key_per_day bigint CONSTRAINT ck_tenant_limit_key_per_day CHECK (key_per_day >= 0)
);

-- Requests of a day (UTC), by key and, with the key of zeros, of the whole tenant. Told every few seconds, not for each request.
CREATE TABLE IF NOT EXISTS nexus_control.usage (
    day date NOT NULL,
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    requests bigint NOT NULL,
    CONSTRAINT pk_usage PRIMARY KEY (day, tenant_id, key_id)
);

-- Tenants made in advance: schema, role and tables are there, no row is. Claiming one deletes its row here and writes the tenant's.
CREATE TABLE IF NOT EXISTS nexus_control.standby (
    tenant_id uuid CONSTRAINT pk_standby PRIMARY KEY,
    cell text NOT NULL CONSTRAINT fk_standby_cell REFERENCES nexus_control.cell (name),
    versions text NOT NULL,  -- which services at which versions
    state text NOT NULL CONSTRAINT ck_standby_state CHECK (state IN ('building', 'ready', 'dropping')),
    owner text NOT NULL,     -- the process that builds or drops it
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS ix_standby_ready ON nexus_control.standby (cell, versions, at) WHERE state = 'ready';

CREATE TABLE IF NOT EXISTS nexus_control.activation (
    id uuid CONSTRAINT pk_activation PRIMARY KEY,
    key text,
    request_hash bytea NOT NULL,
    slug text NOT NULL,
    request jsonb NOT NULL,  -- as it was sent
    state text NOT NULL CONSTRAINT ck_activation_state CHECK (state IN ('running', 'undoing', 'active', 'rolled_back', 'stuck')),
    tenant_id uuid NOT NULL,
    failed_step text,
    reason text,
    cancel boolean NOT NULL DEFAULT false,
    key_given boolean NOT NULL DEFAULT false,  -- the owner's credential has been handed out
    owner text NOT NULL,
    lease_until timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS uq_activation_key ON nexus_control.activation (key);
CREATE UNIQUE INDEX IF NOT EXISTS uq_activation_slug ON nexus_control.activation (slug) WHERE state IN ('running', 'undoing', 'stuck');
CREATE INDEX IF NOT EXISTS ix_activation_open ON nexus_control.activation (lease_until) WHERE state IN ('running', 'undoing');
CREATE INDEX IF NOT EXISTS ix_activation_tenant ON nexus_control.activation (tenant_id);

CREATE TABLE IF NOT EXISTS nexus_control.activation_step (
    activation_id uuid NOT NULL CONSTRAINT fk_activation_step_activation REFERENCES nexus_control.activation (id) ON DELETE CASCADE,
    n smallint NOT NULL,
    name text NOT NULL,
    state text NOT NULL CONSTRAINT ck_activation_step_state CHECK (state IN ('waiting', 'running', 'done', 'failed', 'undoing', 'undone', 'undo failed')),
    attempts int NOT NULL DEFAULT 0,
    started_at timestamptz,
    ms double precision,
    output jsonb,  -- what the step leaves to later ones; never a secret
    error text,
    undone_at timestamptz,
    undo_ms double precision,
    CONSTRAINT pk_activation_step PRIMARY KEY (activation_id, n)
);

-- A copy of a tenant on its way into a cell. Whoever does it holds an advisory lock for as long as it lives; what nobody holds is undone, or
-- completed once the tenant has been switched.
CREATE TABLE IF NOT EXISTS nexus_control.relocation (
    tenant_id uuid CONSTRAINT pk_relocation PRIMARY KEY,
    kind text NOT NULL CONSTRAINT ck_relocation_kind CHECK (kind IN ('restore', 'move')),
    source text,             -- the cell it leaves
    target text NOT NULL CONSTRAINT fk_relocation_target REFERENCES nexus_control.cell (name),
    phase text NOT NULL,
    was text,                -- the state of the tenant before
    audit_seq bigint,        -- how far its audit chain has been copied
    switched_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS nexus_control.operator (
    key_hash bytea CONSTRAINT pk_operator PRIMARY KEY,
    kept_in text NOT NULL DEFAULT '',  -- host and file; a new key in a file takes the place of the old one
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE nexus_control.operator ADD COLUMN IF NOT EXISTS kept_in text NOT NULL DEFAULT '';  -- of an installation from before it was there

ALTER TABLE nexus_control.operator ADD COLUMN IF NOT EXISTS kept_in text NOT NULL DEFAULT '';

-- Processes that speak for callers to each other: a statement of one is believed under the key that is kept here, until then.
CREATE TABLE IF NOT EXISTS nexus_control.process (
    id uuid CONSTRAINT pk_process PRIMARY KEY,
    name text NOT NULL,
    public_key bytea NOT NULL,  -- Ed25519
    believed_until timestamptz NOT NULL
);

-- The runtime's login role reads and writes rows; it neither owns nor alters anything.
REVOKE ALL ON SCHEMA nexus_control FROM PUBLIC;
GRANT USAGE ON SCHEMA nexus_control TO nexus_app;
GRANT SELECT ON TABLE nexus_control.cell, nexus_control.operator, nexus_control.process, nexus_control.relocation TO nexus_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE nexus_control.tenant, nexus_control.tenant_host, nexus_control.tenant_feature,
    nexus_control.standby, nexus_control.tenant_limit, nexus_control.usage TO nexus_app;
GRANT SELECT, INSERT ON TABLE nexus_control.tenant_change TO nexus_app;
GRANT SELECT, INSERT, UPDATE ON TABLE nexus_control.activation, nexus_control.activation_step TO nexus_app;
