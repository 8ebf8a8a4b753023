-- What lines of banks may be about: pairs are found by joins on what is equal (words of the text, amounts), and only pairs are scored.

CREATE FUNCTION {s}.finance_bare(said text) RETURNS text LANGUAGE sql IMMUTABLE RETURN regexp_replace(upper(said), '[^0-9A-Z]', '', 'g');

-- The open lines of a bank account of which nothing has been decided, and the words by which they may name something.
CREATE FUNCTION {s}.finance_open_bank_lines(bank uuid) RETURNS TABLE (line_id uuid, words text[]) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT l.id, ARRAY(SELECT DISTINCT {s}.finance_bare(w.word)
            FROM regexp_split_to_table(concat_ws(' ', l.text, l.end_to_end_id, l.bank_transaction_id), '[^0-9A-Za-z/._-]+') AS w (word)
            WHERE length({s}.finance_bare(w.word)) >= 3)
        FROM {s}.finance_bank_statement_line l WHERE l.bank_account_id = bank AND l.status IN ('unmatched', 'suggested');
END $$;

-- Open invoices, bills and notes: named by the line, or of its amount. A rule of the party lets a little be missing.
CREATE FUNCTION {s}.finance_invoice_matches(bank uuid) RETURNS TABLE (line_id uuid, score int, match jsonb) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH open_line AS MATERIALIZED (SELECT * FROM {s}.finance_open_bank_lines(bank)),
    owed AS MATERIALIZED (SELECT i.id, i.number, i.reference, i.party_id, i.party_name, i.due_on, i.currency, (CASE WHEN i.kind IN ('sales_invoice', 'credit_note')
                THEN 'customer' ELSE 'supplier' END) AS party_type, sum(j.residual) AS residual
            FROM {s}.finance_bank_account b JOIN {s}.finance_invoice i ON i.company_id = b.company_id AND i.currency = b.currency
            JOIN {s}.finance_journal_line j ON j.entry_id = i.entry_id AND j.residual <> 0
            WHERE b.id = bank AND i.status IN ('posted', 'partly_paid') GROUP BY i.id),
    named AS (SELECT o.id, {s}.finance_bare(said) AS word FROM owed o CROSS JOIN LATERAL unnest(ARRAY[o.number, o.reference]) AS said
            WHERE length({s}.finance_bare(said)) >= 3),
    pair AS (SELECT o.line_id, n.id FROM open_line o CROSS JOIN LATERAL unnest(o.words) AS w JOIN named n ON n.word = w
        UNION SELECT l.id, o.id FROM open_line p JOIN {s}.finance_bank_statement_line l ON l.id = p.line_id JOIN owed o ON o.residual = l.amount),
    known AS (SELECT DISTINCT l.counterparty_account, p.party_type, p.party_id FROM {s}.finance_bank_statement_line l
            JOIN {s}.finance_payment p ON p.id = l.payment_id WHERE l.bank_account_id = bank AND l.counterparty_account IS NOT NULL),
    told AS (SELECT l.id AS line_id, o.*, t.tolerance, ARRAY_REMOVE(ARRAY[
            CASE WHEN EXISTS (SELECT FROM named n WHERE n.id = o.id AND n.word = ANY (open_line.words)) THEN 'names ' || o.number END,
            CASE WHEN l.amount = o.residual THEN 'is what is open'
                WHEN t.tolerance > 0 AND abs(o.residual) > abs(l.amount) AND abs(o.residual) - abs(l.amount) <= t.tolerance THEN 'is nearly what is open' END,
            CASE WHEN EXISTS (SELECT FROM known k WHERE k.counterparty_account = l.counterparty_account AND k.party_type = o.party_type
                AND k.party_id = o.party_id) OR t.by_account THEN 'is from an account of the party' END,
            CASE WHEN {s}.finance_bare(l.counterparty_name) = {s}.finance_bare(o.party_name) THEN 'has the name of the party' END,
            CASE WHEN abs(l.booked_on - o.due_on) <= 7 THEN 'is of the days when it is due' END], NULL) AS reasons
        FROM pair p JOIN open_line USING (line_id) JOIN {s}.finance_bank_statement_line l ON l.id = p.line_id JOIN owed o ON o.id = p.id
        LEFT JOIN LATERAL (SELECT max(r.tolerance) AS tolerance, bool_or(r.counterparty_account IS NOT NULL) AS by_account
            FROM {s}.finance_rules_of_line(l) r WHERE r.party_id = o.party_id AND r.party_type = o.party_type) t ON true
        WHERE sign(o.residual) = sign(l.amount))
    SELECT t.line_id, points.score, jsonb_build_object('party_type', t.party_type, 'party_id', t.party_id, 'allocations',
            jsonb_build_array(jsonb_build_object('invoice_id', t.id)), 'write_off_up_to', CASE WHEN 'is nearly what is open' = ANY (t.reasons)
            THEN trim_scale(t.tolerance)::text ELSE '0' END, 'score', points.score, 'reasons', to_jsonb(t.reasons))
        FROM told t CROSS JOIN LATERAL (SELECT least(100, sum(CASE WHEN r LIKE 'names %' THEN 50 WHEN r LIKE 'is%what is open' THEN 35
            WHEN r LIKE 'is from%' THEN 20 WHEN r LIKE 'has the name%' THEN 20 ELSE 5 END))::int AS score FROM unnest(t.reasons) AS r) points;
END $$;

-- The rules whose every condition a line meets.
CREATE FUNCTION {s}.finance_rules_of_line(l {s}.finance_bank_statement_line) RETURNS SETOF {s}.finance_reconcile_rule LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT r.* FROM {s}.finance_bank_account b JOIN {s}.finance_reconcile_rule r ON r.company_id = b.company_id AND r.archived_at IS NULL
        WHERE b.id = l.bank_account_id
        AND (r.label_contains IS NULL OR strpos(lower(concat_ws(' ', l.counterparty_name, l.text)), lower(r.label_contains)) > 0)
        AND (r.counterparty_account IS NULL OR {s}.finance_bare(r.counterparty_account) = {s}.finance_bare(l.counterparty_account))
        AND (r.amount_from IS NULL OR l.amount >= r.amount_from) AND (r.amount_to IS NULL OR l.amount <= r.amount_to);
END $$;

-- Lines of the books that no bank line is reconciled with yet: of the same amount, and of about the same days.
CREATE FUNCTION {s}.finance_booked_matches(bank uuid) RETURNS TABLE (line_id uuid, score int, match jsonb) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH open_line AS MATERIALIZED (SELECT * FROM {s}.finance_open_bank_lines(bank)),
    span AS (SELECT min(l.booked_on) - 10 AS low, max(l.booked_on) + 10 AS high FROM open_line o JOIN {s}.finance_bank_statement_line l ON l.id = o.line_id),
    booked AS MATERIALIZED (SELECT j.id, j.amount, j.date, e.number, e.reference FROM {s}.finance_bank_account b CROSS JOIN span
            JOIN {s}.finance_journal_line j ON j.account_id = b.account_id AND j.currency = b.currency AND j.date BETWEEN span.low AND span.high
            JOIN {s}.finance_journal_entry e ON e.id = j.entry_id AND e.status = 'posted' AND e.reversal_of_id IS NULL
            WHERE b.id = bank AND NOT EXISTS (SELECT FROM {s}.finance_bank_reconciliation r WHERE r.journal_line_id = j.id AND r.status = 'made')),
    told AS (SELECT o.line_id, j.id, ARRAY_REMOVE(ARRAY['is in the books as ' || j.number,
            CASE WHEN {s}.finance_bare(j.reference) = ANY (o.words) OR {s}.finance_bare(j.number) = ANY (o.words) THEN 'names it' END,
            CASE WHEN abs(l.booked_on - j.date) <= 3 THEN 'is of about its day' END], NULL) AS reasons
        FROM open_line o JOIN {s}.finance_bank_statement_line l ON l.id = o.line_id JOIN booked j ON j.amount = l.amount AND abs(l.booked_on - j.date) <= 10)
    SELECT t.line_id, points.score, jsonb_build_object('journal_line_ids', jsonb_build_array(t.id), 'score', points.score, 'reasons', to_jsonb(t.reasons))
        FROM told t CROSS JOIN LATERAL (SELECT sum(CASE WHEN r LIKE 'is in%' THEN 60 WHEN r = 'names it' THEN 30 ELSE 10 END)::int AS score
            FROM unnest(t.reasons) AS r) points;
END $$;

CREATE FUNCTION {s}.finance_rule_matches(bank uuid) RETURNS TABLE (line_id uuid, score int, match jsonb) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT DISTINCT ON (l.id) l.id, 45, jsonb_build_object('rule_id', r.id, 'account_id', r.account_id, 'party_type', r.party_type,
            'party_id', r.party_id, 'memo', CASE WHEN r.account_id IS NOT NULL THEN r.name END, 'score', 45, 'reasons', jsonb_build_array('is what the rule ' || r.name || ' says'))
        FROM {s}.finance_bank_statement_line l CROSS JOIN LATERAL {s}.finance_rules_of_line(l) r
        WHERE l.bank_account_id = bank AND l.status IN ('unmatched', 'suggested') ORDER BY l.id, r.position, r.id;
END $$;

-- Write down the best match of each open line of which nothing has been decided: where it scores enough, no other one scores as much, and it is not
-- the best of another line too. What somebody has dismissed of a line is not looked at again.
CREATE FUNCTION {s}.finance_suggest_matches(bank uuid) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    suggested int;
BEGIN
    WITH found AS (SELECT * FROM {s}.finance_invoice_matches(bank) UNION ALL SELECT * FROM {s}.finance_booked_matches(bank)
            UNION ALL SELECT * FROM {s}.finance_rule_matches(bank)),
    best AS (SELECT f.line_id, f.score, f.match, f.match #- '{score}' #- '{reasons}' AS what, rank() OVER mine AS place, count(*) OVER equal AS alike
        FROM found f JOIN {s}.finance_bank_statement_line l ON l.id = f.line_id WHERE f.score >= 45 AND NOT l.dismissed ?|
            ARRAY[f.match ->> 'rule_id', f.match #>> '{journal_line_ids,0}', f.match #>> '{allocations,0,invoice_id}'] WINDOW mine AS (PARTITION BY f.line_id ORDER BY f.score DESC), equal AS (PARTITION BY f.line_id, f.score)),
    alone AS (SELECT b.line_id, b.match, rank() OVER (PARTITION BY b.what ORDER BY b.score DESC) AS place, count(*) OVER (PARTITION BY b.what, b.score) AS alike,
            b.match ? 'rule_id' AS by_rule FROM best b WHERE b.place = 1 AND b.alike = 1),
    chosen AS (SELECT l.id, a.match FROM {s}.finance_bank_statement_line l LEFT JOIN alone a ON a.line_id = l.id AND (a.by_rule OR a.place = 1 AND a.alike = 1)
        WHERE l.bank_account_id = bank AND l.status IN ('unmatched', 'suggested'))
    UPDATE {s}.finance_bank_statement_line l SET match = c.match, status = CASE WHEN c.match IS NULL THEN 'unmatched' ELSE 'suggested' END,
            version = l.version + 1, updated_at = now() FROM chosen c WHERE c.id = l.id AND l.match IS DISTINCT FROM c.match;
    SELECT count(*) INTO suggested FROM {s}.finance_bank_statement_line l WHERE l.bank_account_id = bank AND l.status = 'suggested';
    RETURN suggested;
END $$;
