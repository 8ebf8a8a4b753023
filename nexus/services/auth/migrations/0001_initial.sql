-- Version 1 of auth: written by `make migration SERVICE=auth` from its declarations, never by hand.
-- expand
CREATE TABLE {s}.auth_user (
	name TEXT NOT NULL,
	email TEXT NOT NULL,
	phone TEXT,
	status VARCHAR(40) NOT NULL,
	roles JSONB NOT NULL,
	team_ids JSONB NOT NULL,
	territory_ids JSONB NOT NULL,
	language TEXT,
	time_zone TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name, email]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_auth_user PRIMARY KEY (id),
	CONSTRAINT ck_auth_user_status_known CHECK (status IN ('invited', 'active', 'suspended', 'deactivated'))
);
CREATE INDEX ix_auth_user_search ON {s}.auth_user USING gin (search);
CREATE INDEX ix_auth_user_status ON {s}.auth_user (status);
CREATE UNIQUE INDEX uq_auth_user_email ON {s}.auth_user (email) WHERE archived_at IS NULL;
CREATE TABLE {s}.auth_api_key (
	name TEXT NOT NULL,
	user_id UUID NOT NULL,
	prefix TEXT NOT NULL,
	secret_hash TEXT NOT NULL,
	scopes JSONB NOT NULL,
	expires_at TIMESTAMP WITH TIME ZONE,
	revoked_at TIMESTAMP WITH TIME ZONE,
	last_used_at TIMESTAMP WITH TIME ZONE,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_auth_api_key PRIMARY KEY (id),
	CONSTRAINT fk_auth_api_key_user_id FOREIGN KEY(user_id) REFERENCES {s}.auth_user (id)
);
CREATE INDEX ix_auth_api_key_search ON {s}.auth_api_key USING gin (search);
CREATE INDEX ix_auth_api_key_user_id ON {s}.auth_api_key (user_id);
CREATE TABLE {s}.auth_team (
	name TEXT NOT NULL,
	key TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_auth_team PRIMARY KEY (id)
);
CREATE INDEX ix_auth_team_search ON {s}.auth_team USING gin (search);
CREATE UNIQUE INDEX uq_auth_team_key ON {s}.auth_team (key) WHERE archived_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {s}.auth_user, {s}.auth_api_key, {s}.auth_team TO {s};
