-- A timer knows the trace that it was scheduled in, as traceparent.
alter table nexus_cell.timer add column trace text;
grant insert (trace) on nexus_cell.timer to public;
insert into nexus_cell.version (number) values (2);
