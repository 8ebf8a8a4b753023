-- nexus_cell: what one database keeps for all tenants in it: the journal, the event log, the audit chains.
--
-- journal     one row per command, written in the command's own transaction. Its seq must be taken while the locks of the records are
--             held, so that seq order is commit order for each record: the insert is the last statement of the transaction, or selects
--             from the statement that locks them. (In `with u as (update …) insert into journal values (…)` the insert runs FIRST.)
-- event       the log: contiguous positions in final order, given by the relay
-- audit       a hash chain per tenant, given by the relay: hash = sha256(prev_hash || entry), the first prev_hash is 32 zero bytes
-- Applied by nexus_owner through runtime/cell_schema.py, in one transaction.

create schema nexus_cell;
grant usage on schema nexus_cell to public;

create table nexus_cell.version (number integer primary key, at timestamptz not null default now());
insert into nexus_cell.version (number) values (1);

create table nexus_cell.journal (
    -- before seq: the transaction has its id before it takes a number, which is what makes the relay's floor safe
    xid xid8 not null default pg_current_xact_id(),
    -- cache 1: a session that keeps numbers back would break the order
    seq bigint generated always as identity (cache 1) primary key,
    tenant text not null default current_user,
    at timestamptz not null default clock_timestamp(),
    audit text,
    events text
) with (
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_threshold = 1000000000, autovacuum_vacuum_cost_delay = 0
);
grant insert (audit, events) on nexus_cell.journal to public;
grant select, delete on nexus_cell.journal to nexus_app;
grant select on sequence nexus_cell.journal_seq_seq to nexus_app;

create table nexus_cell.log_head (
    id boolean primary key default true check (id),
    position bigint not null default 0,
    at timestamptz not null default '-infinity'
) with (fillfactor = 10);
insert into nexus_cell.log_head default values;
grant select, update on nexus_cell.log_head to nexus_app;

create table nexus_cell.event (
    position bigint primary key,
    tenant text not null,
    topic text collate "C" not null,
    subject uuid not null,
    -- when it entered the log; never decreases with position
    at timestamptz not null,
    envelope text not null
);
create index event_tenant on nexus_cell.event (tenant, position);
grant select, insert, delete on nexus_cell.event to nexus_app;

create table nexus_cell.audit (
    tenant text not null,
    seq bigint not null,
    at timestamptz not null,
    entry text not null,
    prev_hash bytea not null,
    hash bytea not null,
    primary key (tenant, seq)
);
-- No update and no delete: the running system itself cannot change what it has written.
grant select, insert on nexus_cell.audit to nexus_app;

create table nexus_cell.audit_head (
    tenant text primary key,
    seq bigint not null,
    hash bytea not null
) with (fillfactor = 50);
grant select, insert, update on nexus_cell.audit_head to nexus_app;

create table nexus_cell.consumer (
    consumer_group text primary key,
    position bigint not null,
    owner text,
    lease_until timestamptz,
    -- rises with every claim and seek: who saves under an old one has lost the group
    epoch bigint not null default 0,
    saved_at timestamptz not null default now()
) with (fillfactor = 50);
grant select, insert, update, delete on nexus_cell.consumer to nexus_app;

create table nexus_cell.dead_letter (
    id uuid primary key,
    consumer_group text not null,
    reaction text not null,
    position bigint,
    tenant text not null,
    topic text not null,
    reason text not null,
    attempts integer not null,
    envelope text not null,
    at timestamptz not null default now(),
    redriven_at timestamptz
);
-- What is handled again after a crash dies once.
create unique index dead_letter_once on nexus_cell.dead_letter (consumer_group, reaction, position) where position is not null;
create index dead_letter_waiting on nexus_cell.dead_letter (consumer_group, id) where redriven_at is null;
grant select, insert, update, delete on nexus_cell.dead_letter to nexus_app;

-- Commands to be run at their time; the one who runs it holds a lease, and the tenant's inbox knows what was run.
create table nexus_cell.timer (
    id uuid primary key,
    tenant text not null default current_user,
    command text not null,
    arguments text not null,
    correlation text not null,
    due_at timestamptz not null,
    attempts integer not null default 0,
    lease_until timestamptz,
    error text  -- why it was given up; then it is due at infinity
) with (fillfactor = 80);
create index timer_due on nexus_cell.timer (due_at);
create index timer_tenant on nexus_cell.timer (tenant);
grant insert (id, command, arguments, correlation, due_at) on nexus_cell.timer to public;
grant select, update, delete on nexus_cell.timer to nexus_app;

-- A tenant's role reads its own events and its own audit, and nothing else of this schema.
alter table nexus_cell.event enable row level security, force row level security;
alter table nexus_cell.audit enable row level security, force row level security;
create policy own on nexus_cell.event for select to public using (tenant = current_user::text);
create policy own on nexus_cell.audit for select to public using (tenant = current_user::text);
create policy platform on nexus_cell.event to nexus_app, nexus_owner using (true) with check (true);
create policy platform on nexus_cell.audit to nexus_app, nexus_owner using (true) with check (true);
grant select on nexus_cell.event, nexus_cell.audit to public;
