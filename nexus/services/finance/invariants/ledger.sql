-- What always holds in the ledger, whoever writes: an entry is posted whole and balanced or not at all, and nothing of it changes afterwards.
--
-- An entry is posted by its row becoming `posted`: the triggers below check it, write its lines, take its number and its place in the journal's
-- chain, and add the lines to the balances. Only they write the tables of lines, balances, heads and series.
-- One lock per journal: its row in finance_journal_head, taken last before the number. Closing and locking take those of the whole company first.

CREATE FUNCTION {s}.finance_refuse(problem text, facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'NX000', MESSAGE = problem, CONSTRAINT = 'finance.' || problem, DETAIL = facts::text;
END $$;

-- What only the triggers of an entry write
CREATE FUNCTION {s}.finance_written_by_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        PERFORM {s}.finance_refuse('WrittenByPosting', jsonb_build_object('what', replace(TG_TABLE_NAME, 'finance_', '')));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER written_by_posting BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_journal_line
    FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_written_by_posting();
CREATE TRIGGER written_by_posting BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_account_balance
    FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_written_by_posting();
CREATE TRIGGER written_by_posting BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_journal_head
    FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_written_by_posting();
CREATE TRIGGER written_by_posting BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_journal_series
    FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_written_by_posting();

CREATE FUNCTION {s}.finance_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {s}.finance_refuse('PostedIsFinal', '{}');
    RETURN NULL;
END $$;
CREATE TRIGGER final BEFORE DELETE ON {s}.finance_journal_line FOR EACH ROW EXECUTE FUNCTION {s}.finance_final();
CREATE TRIGGER final_but_for_residuals BEFORE UPDATE ON {s}.finance_journal_line FOR EACH ROW
    WHEN (to_jsonb(OLD) - '{residual,residual_base}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{residual,residual_base}'::text[]) EXECUTE FUNCTION {s}.finance_final();

CREATE FUNCTION {s}.finance_journal_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {s}.finance_journal_head (id, journal_id, company_id, position, hash, tags, external_refs, custom)
        VALUES (NEW.id, NEW.id, NEW.company_id, 0, repeat('0', 64), '[]', '{}', '{}');
    RETURN NULL;
END $$;
CREATE TRIGGER begins AFTER INSERT ON {s}.finance_journal FOR EACH ROW EXECUTE FUNCTION {s}.finance_journal_begins();

-- The lines of an entry as they are kept: amounts with the decimals of their currencies, the second currency filled in.
CREATE FUNCTION {s}.finance_entry_lines(lines jsonb, base text) RETURNS TABLE (
    n bigint, account_id uuid, debit numeric, credit numeric, currency text, amount numeric, rate numeric, party_type text, party_id uuid,
    due_date date, cost_center_id uuid, project_id uuid, dimensions jsonb, memo text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT l.n, l.account_id, nexus_cell.money(l.debit, base), nexus_cell.money(l.credit, base), l.currency, nexus_cell.money(l.amount, l.currency),
        coalesce(trim_scale(l.rate), CASE WHEN l.currency = base OR l.amount = 0 THEN 1
            ELSE trim_scale(round(abs((l.debit - l.credit) / l.amount), 10)) END),
        l.party_type, l.party_id, l.due_date, l.cost_center_id, l.project_id, l.dimensions, l.memo
    FROM (SELECT r.n, r.account_id, coalesce(r.debit, 0) AS debit, coalesce(r.credit, 0) AS credit, coalesce(r.currency, base) AS currency,
            CASE WHEN coalesce(r.currency, base) = base THEN coalesce(r.amount, coalesce(r.debit, 0) - coalesce(r.credit, 0))
                ELSE r.amount END AS amount, r.rate, r.party_type, r.party_id,
            r.due_date, r.cost_center_id, r.project_id, coalesce(r.dimensions, '{}') AS dimensions, r.memo
        FROM ROWS FROM (jsonb_to_recordset(lines) AS (account_id uuid, debit numeric, credit numeric, currency text, amount numeric, rate numeric,
            party_type text, party_id uuid, due_date date, cost_center_id uuid, project_id uuid, dimensions jsonb, memo text))
            WITH ORDINALITY AS r (account_id, debit, credit, currency, amount, rate, party_type, party_id, due_date, cost_center_id, project_id,
                dimensions, memo, n)) l;
END $$;

-- The first rule that lines break, with the lines that break it: {problem, lines, errors}; NULL where they keep all. What closes a year empties
-- accounts that take nothing else any more, and belongs to nobody.
CREATE FUNCTION {s}.finance_faults(lines jsonb, company uuid, base text, closes boolean) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('problem', f.problem, 'lines', string_agg(l.n::text, ', ' ORDER BY l.n), 'errors',
        jsonb_agg(jsonb_build_object('field', format('lines[%s].%s', l.n - 1, f.field), 'message', f.message) ORDER BY l.n))
    FROM {s}.finance_entry_lines(lines, base) l LEFT JOIN {s}.finance_account a ON a.id = l.account_id AND a.company_id = company
    CROSS JOIN LATERAL (SELECT * FROM (VALUES
        (1, a.id IS NULL, 'UnknownAccount', 'account_id', 'is no account of this company'),
        (2, a.is_group, 'GroupAccount', 'account_id', format('%s %s is a group', a.code, a.name)),
        (3, (a.archived_at IS NOT NULL OR a.frozen) AND NOT closes, 'FrozenAccount', 'account_id', format('%s %s is frozen or archived', a.code, a.name)),
        (4, l.debit < 0 OR l.credit < 0 OR l.debit > 0 AND l.credit > 0, 'BothSides', 'credit', 'is one side of a line, and the debit is another'),
        (5, l.debit = 0 AND l.credit = 0, 'NeitherSide', 'debit', 'is zero, and so is the credit'),
        (6, nexus_cell.currency_scale(l.currency) IS NULL, 'Unconverted', 'currency', 'is not an ISO 4217 currency code'),
        (7, a.currency <> l.currency, 'WrongCurrency', 'currency', format('%s %s takes %s only', a.code, a.name, a.currency)),
        (8, l.debit <> round(l.debit, nexus_cell.currency_scale(base)) OR l.credit <> round(l.credit, nexus_cell.currency_scale(base)),
            'TooManyDecimals', CASE WHEN l.debit > 0 THEN 'debit' ELSE 'credit' END, format('has more decimals than %s has', base)),
        (9, l.amount <> round(l.amount, nexus_cell.currency_scale(l.currency)), 'TooManyDecimals', 'amount', format('has more decimals than %s has', l.currency)),
        (10, l.debit >= 1e20 OR l.credit >= 1e20 OR abs(l.amount) >= 1e20 OR l.rate >= 1e10, 'Unconverted', 'amount', 'is too large'),
        (11, l.amount IS NULL, 'Unconverted', 'amount', format('is missing: how much it is in %s', l.currency)),
        (12, l.rate <= 0, 'Unconverted', 'rate', 'is not more than zero'),
        (13, (l.debit - l.credit) * l.amount < 0 OR l.currency = base AND l.amount <> l.debit - l.credit, 'Unconverted', 'amount',
            'contradicts the debit and the credit'),
        (14, a.must_have_party AND l.party_id IS NULL AND NOT closes, 'PartyMissing', 'party_id', format('is needed on %s %s', a.code, a.name)),
        (15, (l.party_id IS NULL) <> (l.party_type IS NULL), 'PartyMissing', 'party_type', 'goes with party_id')
        ) AS rule (at, broken, problem, field, message) WHERE broken ORDER BY at LIMIT 1) f
    GROUP BY f.at, f.problem ORDER BY f.at LIMIT 1);
END $$;

-- What the chain covers of a posted entry: its own values and each line's, a JSON array of texts each, one below the other.
CREATE FUNCTION {s}.finance_canonical(e {s}.finance_journal_entry) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT json_build_array(e.id::text, e.journal_id::text, e.position::text, e.number, to_char(e.date, 'YYYY-MM-DD'), e.reference, e.memo,
            e.source_entity, e.source_id::text, e.reversal_of_id::text, e.posted_by::text,
            to_char(e.posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
        || E'\n' || string_agg(json_build_array(l.position::text, l.account_id::text, l.debit::text, l.credit::text, l.base_currency, l.currency,
            l.amount::text, l.rate::text, l.party_type, l.party_id::text, to_char(l.due_date, 'YYYY-MM-DD'), l.cost_center_id::text,
            l.project_id::text, l.dimensions::text, l.memo)::text, E'\n' ORDER BY l.position)
    FROM {s}.finance_journal_line l WHERE l.entry_id = e.id);
END $$;
CREATE FUNCTION {s}.finance_chained(prev text, canonical text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN encode(sha256(convert_to(prev || canonical, 'UTF8')), 'hex');

-- Drafts change and go; a posted entry is written once more, by the posting of the entry that reverses it.
CREATE FUNCTION {s}.finance_entry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status <> 'draft' THEN
            PERFORM {s}.finance_refuse('PostedIsFinal', '{}');
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status <> 'draft' THEN
        IF pg_trigger_depth() < 2 OR OLD.status <> 'posted' OR NEW.status <> 'reversed' THEN
            PERFORM {s}.finance_refuse('PostedIsFinal', '{}');
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.status <> 'draft' OR NEW.status = 'reversed'
            OR num_nonnulls(NEW.number, NEW.sequence, NEW.position, NEW.prev_hash, NEW.hash, NEW.period_id, NEW.posted_at, NEW.reversed_by_id) > 0 THEN
        PERFORM {s}.finance_refuse('WrittenByPosting', jsonb_build_object('what', 'numbers, periods and hashes'));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_guard BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_journal_entry FOR EACH ROW EXECUTE FUNCTION {s}.finance_entry_guard();

-- Refuse lines that break a rule of their own, or do not balance: in the base currency, and in their own where they all have the same.
CREATE FUNCTION {s}.finance_check_lines(lines jsonb, company uuid, base text, closes boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fault jsonb;
    b record;
BEGIN
    fault := {s}.finance_faults(lines, company, base, closes);
    IF fault IS NOT NULL THEN
        PERFORM {s}.finance_refuse(fault ->> 'problem', fault - 'problem');
    END IF;
    SELECT count(*) AS n, sum(l.debit - l.credit) AS off, sum(l.amount) AS off_own, min(l.currency) AS low, max(l.currency) AS high INTO b
        FROM {s}.finance_entry_lines(lines, base) l;
    IF b.n < 2 THEN
        PERFORM {s}.finance_refuse('TooFewLines', '{}');
    ELSIF b.off <> 0 THEN
        PERFORM {s}.finance_refuse('Unbalanced', jsonb_build_object('difference', b.off::text, 'currency', base));
    ELSIF b.low = b.high AND b.off_own <> 0 THEN
        PERFORM {s}.finance_refuse('Unbalanced', jsonb_build_object('difference', b.off_own::text, 'currency', b.low));
    END IF;
END $$;

-- The period that takes a day's entries of a journal, or a refusal. Called under the journal's lock, so that nobody closes or locks meanwhile.
CREATE FUNCTION {s}.finance_open_period(e {s}.finance_journal_entry, journal_type text) RETURNS {s}.finance_accounting_period
    LANGUAGE plpgsql AS $$
DECLARE
    p {s}.finance_accounting_period;
    lock record;
BEGIN
    SELECT * INTO p FROM {s}.finance_accounting_period WHERE company_id = e.company_id AND starts_on <= e.date ORDER BY starts_on DESC LIMIT 1;
    IF p.id IS NULL OR p.ends_on < e.date THEN
        PERFORM {s}.finance_refuse('OutsideFiscalYears', jsonb_build_object('date', e.date::text));
    ELSIF {s}.finance_closes(e) THEN
        RETURN p;
    ELSIF p.status <> 'open' THEN
        PERFORM {s}.finance_refuse('PeriodIsClosed', jsonb_build_object('period', p.name, 'date', e.date::text));
    END IF;
    FOR lock IN SELECT l.scope, l.until FROM {s}.finance_company c CROSS JOIN LATERAL (VALUES ('all', c.lock_date),
            ('sale', CASE WHEN journal_type = 'sale' THEN c.sale_lock_date END),
            ('purchase', CASE WHEN journal_type = 'purchase' THEN c.purchase_lock_date END),
            ('tax', CASE WHEN c.tax_lock_date IS NOT NULL AND EXISTS (SELECT FROM {s}.finance_journal_line l JOIN {s}.finance_account a ON a.id = l.account_id
                WHERE l.entry_id = e.id AND a.account_type = 'tax') THEN c.tax_lock_date END)) AS l (scope, until)
        WHERE c.id = e.company_id AND l.until >= e.date
    LOOP
        IF NOT EXISTS (SELECT FROM {s}.finance_lock_exception x WHERE x.user_id = e.updated_by AND x.company_id = e.company_id
                AND x.scope IN (lock.scope, 'all') AND x.revoked_at IS NULL AND x.expires_at > clock_timestamp()) THEN
            PERFORM {s}.finance_refuse('PeriodIsLocked', jsonb_build_object('scope', lock.scope, 'until', lock.until::text, 'date', e.date::text));
        END IF;
    END LOOP;
    RETURN p;
END $$;

-- A reversal takes back exactly what a posted entry did, and once.
CREATE FUNCTION {s}.finance_check_reversal(e {s}.finance_journal_entry) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    was {s}.finance_journal_entry;
BEGIN
    SELECT * INTO was FROM {s}.finance_journal_entry WHERE id = e.reversal_of_id FOR UPDATE;
    IF was.status IS DISTINCT FROM 'posted' OR was.journal_id <> e.journal_id THEN
        PERFORM {s}.finance_refuse('NotReversible', jsonb_build_object('number', coalesce(was.number, was.id::text)));
    END IF;
    IF EXISTS (SELECT FROM {s}.finance_journal_line l WHERE l.entry_id IN (e.id, was.id)
            GROUP BY l.account_id, l.currency, l.party_id, l.cost_center_id, l.project_id, l.dimensions HAVING sum(l.debit - l.credit) <> 0 OR sum(l.amount) <> 0) THEN
        PERFORM {s}.finance_refuse('NotAMirror', jsonb_build_object('number', was.number));
    END IF;
    -- The two settle each other whole, so nothing of either may be settled otherwise
    PERFORM FROM {s}.finance_journal_line WHERE entry_id = was.id AND residual IS NOT NULL ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM {s}.finance_journal_line WHERE entry_id = was.id AND (residual <> amount OR residual_base <> debit - credit)) THEN
        PERFORM {s}.finance_refuse('StillAllocated', jsonb_build_object('number', was.number));
    END IF;
    UPDATE {s}.finance_journal_line SET residual = 0, residual_base = 0 WHERE entry_id IN (e.id, was.id) AND residual IS NOT NULL;
    UPDATE {s}.finance_allocation a SET effective_until = greatest(e.date, was.date) FROM {s}.finance_journal_line l
        WHERE l.entry_id = was.id AND l.id IN (a.debit_line_id, a.credit_line_id) AND a.effective_until > greatest(e.date, was.date);
END $$;

CREATE FUNCTION {s}.finance_dimension_key(cost_center uuid, project uuid, dimensions jsonb) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN cost_center IS NULL AND project IS NULL AND dimensions = '{}' THEN ''
        ELSE concat_ws('/', coalesce(cost_center::text, '-'), coalesce(project::text, '-'), dimensions::text) END;

-- The rows are the journal's own, so that nobody else writes them meanwhile.
CREATE FUNCTION {s}.finance_add_to_balances(e {s}.finance_journal_entry, period uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {s}.finance_account_balance AS b (id, company_id, journal_id, period_id, account_id, base_currency, currency, cost_center_id, project_id,
            dimensions, dimension_key, debit, credit, amount, lines, tags, external_refs, custom)
        SELECT gen_random_uuid(), e.company_id, e.journal_id, period, l.account_id, l.base_currency, l.currency, l.cost_center_id, l.project_id,
            l.dimensions, {s}.finance_dimension_key(l.cost_center_id, l.project_id, l.dimensions), sum(l.debit), sum(l.credit), sum(l.amount), count(*),
            '[]', '{}', '{}'
        FROM {s}.finance_journal_line l WHERE l.entry_id = e.id
        GROUP BY l.account_id, l.base_currency, l.currency, l.cost_center_id, l.project_id, l.dimensions
        ON CONFLICT (journal_id, period_id, account_id, currency, dimension_key)
            DO UPDATE SET debit = b.debit + excluded.debit, credit = b.credit + excluded.credit, amount = b.amount + excluded.amount,
                lines = b.lines + excluded.lines;
END $$;

-- A draft becomes posted: everything that this means, in one step.
CREATE FUNCTION {s}.finance_post() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    j record;
    p {s}.finance_accounting_period;
BEGIN
    SELECT g.code, g.type, g.company_id, g.archived_at, c.base_currency INTO j
        FROM {s}.finance_journal g JOIN {s}.finance_company c ON c.id = g.company_id WHERE g.id = NEW.journal_id;
    IF j.company_id <> NEW.company_id OR j.archived_at IS NOT NULL THEN
        PERFORM {s}.finance_refuse('JournalArchived', jsonb_build_object('journal', j.code));
    END IF;
    PERFORM {s}.finance_check_lines(NEW.lines, NEW.company_id, j.base_currency, {s}.finance_closes(NEW));
    INSERT INTO {s}.finance_journal_line (id, entry_id, position, account_id, date, debit, credit, base_currency, currency, amount, rate, party_type,
            party_id, due_date, cost_center_id, project_id, dimensions, memo, residual, residual_base, created_by, updated_by, tags, external_refs, custom)
        SELECT gen_random_uuid(), NEW.id, l.n, l.account_id, NEW.date, l.debit, l.credit, j.base_currency, l.currency, l.amount, l.rate,
            l.party_type, l.party_id, l.due_date, l.cost_center_id, l.project_id, l.dimensions, l.memo,
            CASE WHEN owed THEN l.amount END, CASE WHEN owed THEN l.debit - l.credit END, NEW.updated_by, NEW.updated_by, '[]', '{}', '{}'
        FROM {s}.finance_entry_lines(NEW.lines, j.base_currency) l JOIN {s}.finance_account a ON a.id = l.account_id
        CROSS JOIN LATERAL (SELECT a.account_type IN ('receivable', 'payable') AND l.party_id IS NOT NULL AS owed) AS kept;
    IF NEW.reversal_of_id IS NOT NULL THEN
        PERFORM {s}.finance_check_reversal(NEW);
    END IF;
    -- From here on the journal is held
    UPDATE {s}.finance_journal_head SET position = position + 1 WHERE journal_id = NEW.journal_id RETURNING position, hash INTO NEW.position, NEW.prev_hash;
    p := {s}.finance_open_period(NEW, j.type);
    PERFORM {s}.finance_add_to_balances(NEW, p.id);
    INSERT INTO {s}.finance_journal_series AS s (id, journal_id, fiscal_year_id, last_number, tags, external_refs, custom)
        VALUES (gen_random_uuid(), NEW.journal_id, p.fiscal_year_id, 1, '[]', '{}', '{}')
        ON CONFLICT (journal_id, fiscal_year_id) DO UPDATE SET last_number = s.last_number + 1 RETURNING s.last_number INTO NEW.sequence;
    SELECT format('%s/%s/%s', j.code, y.name, lpad(NEW.sequence::text, greatest(5, length(NEW.sequence::text)), '0')) INTO NEW.number
        FROM {s}.finance_fiscal_year y WHERE y.id = p.fiscal_year_id;
    SELECT sum(l.debit) INTO NEW.total FROM {s}.finance_journal_line l WHERE l.entry_id = NEW.id;
    NEW.currency := j.base_currency;
    NEW.period_id := p.id;
    NEW.fiscal_year_id := p.fiscal_year_id;
    NEW.posted_at := clock_timestamp();
    NEW.posted_by := NEW.updated_by;
    NEW.hash := {s}.finance_chained(NEW.prev_hash, {s}.finance_canonical(NEW));
    NEW.lines := '[]';
    UPDATE {s}.finance_journal_head SET hash = NEW.hash WHERE journal_id = NEW.journal_id;
    UPDATE {s}.finance_journal_entry SET status = 'reversed', reversed_by_id = NEW.id, version = version + 1, updated_at = now(),
        updated_by = NEW.updated_by WHERE id = NEW.reversal_of_id;
    RETURN NEW;
END $$;
CREATE TRIGGER b_posts BEFORE UPDATE ON {s}.finance_journal_entry FOR EACH ROW WHEN (OLD.status = 'draft' AND NEW.status = 'posted')
    EXECUTE FUNCTION {s}.finance_post();

-- The last word at the end of each transaction, whatever came before: a posted entry is numbered and its lines balance.
CREATE FUNCTION {s}.finance_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    b record;
BEGIN
    SELECT count(*) AS n, sum(debit - credit) AS off INTO b FROM {s}.finance_journal_line WHERE entry_id = NEW.id;
    IF b.n < 2 OR b.off <> 0 OR NOT EXISTS (SELECT FROM {s}.finance_journal_entry WHERE id = NEW.id AND num_nulls(number, hash, period_id) = 0) THEN
        PERFORM {s}.finance_refuse('Unbalanced', jsonb_build_object('difference', coalesce(b.off, 0)::text, 'currency', coalesce(NEW.currency, '')));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balances AFTER UPDATE ON {s}.finance_journal_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'posted') EXECUTE FUNCTION {s}.finance_balances();

-- Whoever closes a period or moves a lock date waits for those who are posting, and those who come later see it.
CREATE FUNCTION {s}.finance_hold_journals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM {s}.finance_journal_head WHERE company_id = coalesce((to_jsonb(NEW) ->> 'company_id')::uuid, NEW.id) ORDER BY id FOR UPDATE;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_journals BEFORE UPDATE ON {s}.finance_accounting_period FOR EACH ROW EXECUTE FUNCTION {s}.finance_hold_journals();
CREATE TRIGGER hold_journals BEFORE UPDATE OF lock_date, tax_lock_date, sale_lock_date, purchase_lock_date ON {s}.finance_company
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_hold_journals();

-- A chart is a tree: an account's parent is a group of its own company and kind, and never below it. Moves within a company wait for each other.
CREATE FUNCTION {s}.finance_account_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM {s}.finance_company WHERE id = NEW.company_id FOR NO KEY UPDATE;
    IF EXISTS (WITH RECURSIVE above AS (SELECT NEW.parent_id AS id UNION
            SELECT a.parent_id FROM {s}.finance_account a JOIN above ON a.id = above.id) SELECT FROM above WHERE id = NEW.id) THEN
        PERFORM {s}.finance_refuse('UnfitParent', jsonb_build_object('account', NEW.code, 'why', 'it lies below the account itself'));
    END IF;
    IF NOT EXISTS (SELECT FROM {s}.finance_account a WHERE a.id = NEW.parent_id AND a.is_group AND a.company_id = NEW.company_id AND a.root_type = NEW.root_type)
    THEN
        PERFORM {s}.finance_refuse('UnfitParent', jsonb_build_object('account', NEW.code, 'why', 'it is no group of this company with the same root type'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tree_moved AFTER UPDATE OF parent_id ON {s}.finance_account FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION {s}.finance_account_tree();

-- A chart comes as a whole: its accounts are looked at together.
CREATE FUNCTION {s}.finance_accounts_begin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT n.code INTO wrong FROM added n WHERE n.parent_id IS NOT NULL AND NOT EXISTS (SELECT FROM {s}.finance_account a
        WHERE a.id = n.parent_id AND a.is_group AND a.company_id = n.company_id AND a.root_type = n.root_type) ORDER BY n.code LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM {s}.finance_refuse('UnfitParent', jsonb_build_object('account', wrong, 'why', 'it is no group of this company with the same root type'));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tree_new AFTER INSERT ON {s}.finance_account REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_accounts_begin();

-- What entries stand on is not turned into something else below them.
CREATE FUNCTION {s}.finance_in_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {s}.finance_account_balance WHERE account_id = NEW.id) THEN
        PERFORM {s}.finance_refuse('AccountInUse', jsonb_build_object('account', NEW.code));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_use BEFORE UPDATE OF company_id, root_type, currency, is_group ON {s}.finance_account FOR EACH ROW
    WHEN ((NEW.company_id, NEW.root_type, NEW.is_group) <> (OLD.company_id, OLD.root_type, OLD.is_group) OR NEW.currency IS DISTINCT FROM OLD.currency)
    EXECUTE FUNCTION {s}.finance_in_use();

-- A role is played by an account of its own company that takes postings.
CREATE FUNCTION {s}.finance_role_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT r.role INTO wrong FROM changed r WHERE NOT EXISTS (SELECT FROM {s}.finance_account a WHERE a.id = r.account_id AND a.company_id = r.company_id
        AND NOT a.is_group) ORDER BY r.role LIMIT 1;
    IF wrong IS NOT NULL THEN
        PERFORM {s}.finance_refuse('UnfitAccount', jsonb_build_object('role', wrong));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fits_new AFTER INSERT ON {s}.finance_account_role REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION {s}.finance_role_fits();
CREATE TRIGGER fits_changed AFTER UPDATE ON {s}.finance_account_role REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
    EXECUTE FUNCTION {s}.finance_role_fits();
