"""The one statement that a batch is: rows in, each judged by every rule, written, told, and its outcome kept, in one transaction.

    held      the import, locked, if it is still this request's and still at the row before the batch: so nothing is ever done twice
    i         the rows as the file has them
    found     whose record each row is, where it may be there
    old       those records, locked
    m         the rows as the records will be
    c, w, v   what is wrong with them; who is known already; what becomes of each
    …         the parts that write: `outcome`

Parameters: `import`, `runner`, `from` (the last row done before), `to`, `bytes`, `digest`, `records` (the place in the file), `rows` and `bad`
(JSON), `stop`, `tag`, `source`, `ignored`, `me`, `audit`, `event_created`, `event_updated`, and those of the caller's sight.
"""

from __future__ import annotations

from typing import Final

from nexus.core.problem import FieldError
from nexus.surfaces.imports import outcome
from nexus.surfaces.imports.case import Case, Texts, columns_of, key_digest
from nexus.surfaces.imports.keys import Unique, references, rules, said
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import Field
from nexus.surfaces.sql import DIALECT, Compiled
from nexus.surfaces.writes import record_type, references_seen

HELD: Final = """held AS MATERIALIZED (SELECT id FROM {s}.nexus_import
    WHERE id = :import::uuid AND runner = :runner::uuid AND state = 'running' AND done_rows = :from::bigint FOR UPDATE)"""


@kept
def batch_statement(case: Case) -> Compiled:
    """Answers: whether the import was held, whether the batch was done, and the first row that failed where `stop` kept it from being done."""
    texts = Texts()
    parts = [HELD, _rows(case)]
    if case.mode != "create":
        parts += [_found(case), _old(case)]
    parts += [_merged(case), _checked(case, texts), _firsts(case, texts), _looked_up(case, texts), _verdict(case, texts)]
    parts += outcome.writing(case)
    return texts.compiled("WITH " + ",\n".join(parts) + outcome.ANSWER)


def _rows(case: Case) -> str:
    types = ", ".join(record_type(field) for field in case.shape.initial)
    return f"i AS MATERIALIZED (SELECT * FROM json_to_recordset(:rows::json) AS x(n bigint, g varbit, lacks text, sought text, {types}))"


def _found(case: Case) -> str:
    """Records that a row may mean: two are enough to know that it is not clear."""
    first = case.match.partition(".")[0]
    if case.match == "id":
        where = f"{case.table}.id = i.sought::uuid"
    elif first == "external_refs":
        where = f"""{case.table}.external_refs <> '{{}}' AND {case.table}.external_refs @> jsonb_build_object(:source::text, i.sought)
            AND {case.table}.archived_at IS NULL"""
    else:
        type_ = case.shape.fields[case.match].column.type.compile(dialect=DIALECT)
        where = f"{case.table}.{case.match} = i.sought::{type_} AND {case.table}.archived_at IS NULL"
    return f"""found AS MATERIALIZED (SELECT i.n, CASE WHEN i.sought IS NULL THEN NULL ELSE
    (SELECT array_agg({case.table}.id) FROM {case.table} WHERE {where}{case.changeable}) END AS targets FROM i)"""


def _old(case: Case) -> str:
    lock = "" if case.dry else " FOR UPDATE"
    wanted = "ARRAY(SELECT targets[1] FROM found WHERE cardinality(targets) = 1)"
    return f"old AS MATERIALIZED (SELECT {case.table}.* FROM {case.table} WHERE {case.table}.id = ANY({wanted}){case.changeable}{lock})"


def _merged(case: Case) -> str:
    """Every column as it will be. Amounts get the decimals of their currency."""
    values = {field.name: _value(case, field) for field in case.shape.initial if field.name != "id"}
    shown: list[str] = []
    for field in case.shape.initial:
        if field.name == "id":
            continue
        value = values[field.name]
        if field.facts.currency is not None:
            value = f"nexus_cell.money({value}, {values[field.facts.currency]})"
        shown.append(f"{value} AS {field.name}")
    columns = ", ".join(shown)
    if case.mode == "create":
        return f"""m AS MATERIALIZED (SELECT i.n, i.id, NULL::uuid AS target, NULL::uuid[] AS targets, NULL::text AS lacks, NULL::text AS sought,
    ''::text AS changed, NULL::timestamptz AS archived_at, {columns} FROM i)"""
    changed = ", ".join(
        f"CASE WHEN {_given(at)} AND i.{field.name} IS DISTINCT FROM old.{field.name} THEN '{field.name}' END"
        for at, field in enumerate(case.shape.writable)
    )
    return f"""m AS MATERIALIZED (SELECT i.n, coalesce(old.id, i.id) AS id, old.id AS target, found.targets, i.lacks, i.sought,
    CASE WHEN old.id IS NULL THEN '' ELSE concat_ws(' ', {changed}) END AS changed, old.archived_at, {columns}
    FROM i JOIN found ON found.n = i.n LEFT JOIN old ON cardinality(found.targets) = 1 AND old.id = found.targets[1])"""


def _given(at: int) -> str:
    return f"get_bit(i.g, {at}) = 1"


def _value(case: Case, field: Field) -> str:
    if case.mode == "create":
        return f"i.{field.name}"
    places = {one.name: at for at, one in enumerate(case.shape.writable)}
    new = f"old.id IS NULL OR {_given(places[field.name])}" if field.name in places else "old.id IS NULL"
    return f"CASE WHEN {new} THEN i.{field.name} ELSE old.{field.name} END"


def _broken(case: Case, texts: Texts) -> list[str]:
    """What is wrong with a row by itself: each a piece of SQL that is null where nothing is."""
    broken = [f"CASE WHEN {texts('(' + rule.holds + ')')} IS FALSE THEN {texts(rule.said)} END" for rule in rules(case.entity)]
    for one in references(case.entity):
        there = f"EXISTS (SELECT FROM {one.table} r WHERE r.id = m.{one.column})"
        if one.table == case.table:
            there = f"({there} OR EXISTS (SELECT FROM i r WHERE r.id = m.{one.column}))"
        good = " AND ".join([there, *references_seen(case.shape, case.rights, "m", [one.column])])
        new = "" if case.mode == "create" else f" AND (m.target IS NULL OR ' ' || m.changed || ' ' LIKE '% {one.column} %')"
        broken.append(f"CASE WHEN m.{one.column} IS NOT NULL{new} AND NOT ({good}) THEN {texts(one.said)} END")
    if case.mode == "create":
        return broken
    many = texts(said(FieldError(case.match, f"means more than one {case.shape.title}")))
    none = texts(said(FieldError(case.match, f"there is no {case.shape.title} with this value")))
    empty = texts(said(FieldError(case.match, "is required to tell which record this is")))
    broken = [f"CASE WHEN m.target IS NOT NULL OR m.lacks IS NULL THEN {one} END" for one in broken]
    broken.append(f"CASE WHEN cardinality(m.targets) > 1 THEN {many} END")
    if case.mode == "update":
        return [f"CASE WHEN m.target IS NOT NULL THEN {one} END" for one in broken[:-1]] + [
            broken[-1],
            f"CASE WHEN m.sought IS NULL THEN {empty} WHEN m.targets IS NULL THEN {none} END",
        ]
    broken.append(
        "CASE WHEN m.target IS NULL AND m.lacks IS NOT NULL THEN json_build_object('field', m.lacks, 'message', 'is required')::text END"
    )
    return broken


def _checked(case: Case, texts: Texts) -> str:
    wrong = ",\n        ".join(_broken(case, texts))
    columns = ["m.n", "m.id", "m.target", "m.changed", f"array_remove(ARRAY[{wrong}]::text[], NULL) AS errors"]
    columns += [f"{texts('(' + sql + ')')}::text AS d{at}" for at, (_, sql) in enumerate(case.keys)]
    columns += [f"{_unique_key(one, texts)} AS u{at}" for at, one in enumerate(case.uniques)]
    if case.mode != "create":
        columns.append("coalesce(m.target::text, '=' || m.sought) AS t0")
    return f"c AS MATERIALIZED (SELECT {', '.join(columns)} FROM m)"


def _unique_key(one: Unique, texts: Texts) -> str:
    """The values that must be taken by no other row, as an array; null where the rule says nothing of the row."""
    values = [texts(f"({sql})") for sql in one.expressions]
    conditions = [f"{value} IS NOT NULL" for value in values] + ([texts(f"({one.where})")] if one.where else [])
    return f"CASE WHEN {' AND '.join(conditions)} THEN ARRAY[{', '.join(f'{value}::text' for value in values)}] END"


def _firsts(case: Case, texts: Texts) -> str:
    """For each key of a row, the first row of the batch that has it."""
    windows = [
        f"CASE WHEN c.{one} IS NOT NULL THEN min(c.n) OVER (PARTITION BY c.{one}, c.errors = '{{}}') END AS f_{one}"
        for one in columns_of(case)
    ]
    return f"f AS MATERIALIZED (SELECT {', '.join(['c.*', *windows])} FROM c)"


def _looked_up(case: Case, texts: Texts) -> str:
    """For each key of a row, the record that has it already; asked once per key. In a dry run, the row before the batch that has it."""
    looked = ["f.*"]
    for at, (name, sql) in enumerate(case.keys):
        hit = f"SELECT (array_agg({case.table}.id))[1] FROM {case.table} WHERE {texts('(' + sql + ')')} = f.d{at} AND {case.table}.archived_at IS NULL"
        looked.append(f"CASE WHEN f.target IS NULL AND f.f_d{at} = f.n THEN ({hit}{case.seen}{case.shows(name)}) END AS b_d{at}")
    for at, one in enumerate(case.uniques):
        same = " AND ".join(
            f"{texts('(' + sql + ')')} = f.u{at}[{place + 1}]::{_type(case, sql)}" for place, sql in enumerate(one.expressions)
        )
        where = f" AND {texts('(' + one.where + ')')}" if one.where else ""
        other = "f.target IS NULL" if one.expressions == ("id",) else f"f.u{at} IS NOT NULL"
        own = "" if one.expressions == ("id",) else f" AND {case.table}.id <> f.id"
        looked.append(f"CASE WHEN {other} AND EXISTS (SELECT FROM {case.table} WHERE {same}{where}{own}) THEN 1 END AS b_u{at}")
    if case.mode != "create":
        done = "SELECT row_no FROM {s}.nexus_import_row WHERE record_id = f.target AND import_id = :import::uuid LIMIT 1"
        looked.append(f"CASE WHEN f.target IS NOT NULL THEN ({done}) END AS b_t0")
    if case.dry:
        looked += [f"({_seen_before(one)}) AS s_{one}" for one in columns_of(case)]
    else:
        looked += [f"NULL::bigint AS s_{one}" for one in columns_of(case)]
    return f"w AS MATERIALIZED (SELECT {', '.join(looked)} FROM f)"


def _type(case: Case, sql: str) -> str:
    field = case.shape.fields.get(sql)
    return "text" if field is None else field.column.type.compile(dialect=DIALECT)


def _seen_before(column: str) -> str:
    return f"SELECT row_no FROM {{s}}.nexus_import_key WHERE import_id = :import::uuid AND key = {key_digest(column, 'f')}"


def _verdict(case: Case, texts: Texts) -> str:
    """What becomes of each row."""
    taken = [
        f"CASE WHEN w.b_u{at} IS NOT NULL OR w.f_u{at} < w.n OR w.s_u{at} IS NOT NULL THEN {texts(one.said)} END"
        for at, one in enumerate(case.uniques)
    ]
    hits = [(name, at, f"(w.b_d{at} IS NOT NULL OR w.f_d{at} < w.n OR w.s_d{at} IS NOT NULL)") for at, (name, _) in enumerate(case.keys)]
    skipped = " OR ".join(hit for name, _, hit in hits if name in case.dedupe) or "false"
    repeated = "(w.b_t0 IS NOT NULL OR w.f_t0 < w.n OR w.s_t0 IS NOT NULL)" if case.mode != "create" else "false"
    keyed = " ".join(f"WHEN {hit} THEN '{name}'" for name, _, hit in hits)
    again = f"WHEN {repeated} THEN '{case.match}'"
    first_of = " ".join(f"WHEN {hit} THEN coalesce(w.s_d{at}, CASE WHEN w.f_d{at} < w.n THEN w.f_d{at} END)" for _, at, hit in hits)
    again_row = f"WHEN {repeated} THEN coalesce(w.b_t0, w.s_t0, w.f_t0)" if case.mode != "create" else "WHEN false THEN NULL::bigint"
    base = " ".join(f"WHEN {hit} THEN w.b_d{at}" for _, at, hit in hits)
    return f"""j AS MATERIALIZED (SELECT w.n, w.id, w.target, w.changed, w.errors || array_remove(ARRAY[{", ".join(taken)}]::text[], NULL) AS errors,
    {repeated} AS repeated, w.target IS NULL AND ({skipped}) AS skipped, {"".join(f"w.{one}, " for one in columns_of(case))}
    CASE {again} {"WHEN w.target IS NULL THEN CASE " + keyed + " END" if keyed else ""} END AS same_key,
    CASE {again_row} {"WHEN w.target IS NULL THEN CASE " + first_of + " END" if first_of else ""} END AS same_row,
    CASE WHEN {repeated} THEN w.target {"WHEN w.target IS NULL THEN CASE " + base + " END" if base else ""} END AS same_as FROM w),
v AS MATERIALIZED (SELECT j.*, CASE WHEN j.errors <> '{{}}' AND NOT (j.repeated AND j.target IS NOT NULL) THEN 'failed'
    WHEN j.repeated OR j.skipped THEN 'duplicate' WHEN j.target IS NULL THEN 'created' WHEN j.changed = '' THEN 'unchanged' ELSE 'updated' END AS outcome
    FROM j)"""
