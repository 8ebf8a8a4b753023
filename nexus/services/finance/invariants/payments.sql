-- What always holds between the ledger and its documents, whoever writes: invoices, payments, and what settles what.

-- The entry of a document is taken back with the document, never alone.
CREATE FUNCTION {s}.finance_with_its_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {s}.finance_payment WHERE entry_id = NEW.id AND status <> 'bounced') THEN
        PERFORM {s}.finance_refuse('EntryOfDocument', jsonb_build_object('number', NEW.number, 'document', 'a payment, which bounces'));
    ELSIF EXISTS (SELECT FROM {s}.finance_invoice WHERE entry_id = NEW.id) THEN
        PERFORM {s}.finance_refuse('EntryOfDocument', jsonb_build_object('number', NEW.number, 'document', 'an invoice or a note, which is credited'));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER with_its_document AFTER UPDATE ON {s}.finance_journal_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'reversed') EXECUTE FUNCTION {s}.finance_with_its_document();

-- A payment is what was booked: it is written with its entry, and changes once more, when its entry has been taken back.
CREATE FUNCTION {s}.finance_payment_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (OLD.status <> 'posted' OR (OLD.company_id, OLD.direction, OLD.party_type, OLD.party_id, OLD.amount,
            OLD.currency, OLD.rate, OLD.date, OLD.number, OLD.journal_id, OLD.entry_id) IS DISTINCT FROM (NEW.company_id, NEW.direction, NEW.party_type,
            NEW.party_id, NEW.amount, NEW.currency, NEW.rate, NEW.date, NEW.number, NEW.journal_id, NEW.entry_id)) THEN
        PERFORM {s}.finance_refuse('PaymentIsFinal', '{}');
    END IF;
    IF NOT EXISTS (SELECT FROM {s}.finance_journal_entry e JOIN {s}.finance_journal_line l ON l.entry_id = e.id
            WHERE e.id = NEW.entry_id AND e.number = NEW.number AND e.company_id = NEW.company_id AND e.journal_id = NEW.journal_id
            AND e.reversed_by_id IS NOT DISTINCT FROM NEW.bounce_entry_id AND l.party_type = NEW.party_type AND l.party_id = NEW.party_id
            AND l.currency = NEW.currency AND l.amount = CASE NEW.direction WHEN 'received' THEN -NEW.amount ELSE NEW.amount END) THEN
        PERFORM {s}.finance_refuse('PaymentIsFinal', '{}');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER holds BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_payment FOR EACH ROW EXECUTE FUNCTION {s}.finance_payment_holds();

-- The first day that is neither locked nor in or before a closed period: what reports said of the days before does not change any more.
CREATE FUNCTION {s}.finance_open_from(company uuid) RETURNS date LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT greatest(c.lock_date, (SELECT max(p.ends_on) FROM {s}.finance_accounting_period p WHERE p.company_id = c.id AND p.status = 'closed')) + 1
        FROM {s}.finance_company c WHERE c.id = company);
END $$;

-- What an allocation takes of a line in the base currency: all where the line is settled by it, else in proportion, but for the unit and a half
-- that roundings may put into it.
CREATE FUNCTION {s}.finance_proportional(l {s}.finance_journal_line, amount numeric, base numeric) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN base BETWEEN 0 AND abs(l.residual_base) AND base = round(base, nexus_cell.currency_scale(l.base_currency)) AND CASE
        WHEN amount = abs(l.residual) THEN base = abs(l.residual_base)
        ELSE abs(base * abs(l.residual) - amount * abs(l.residual_base)) <= 1.5 * 10.0 ^ -nexus_cell.currency_scale(l.base_currency) * abs(l.residual) END;
END $$;

-- Whether an entry holds the exchange difference of an allocation, as one line on the account that both are on, and of nothing else.
CREATE FUNCTION {s}.finance_holds_difference(a {s}.finance_allocation, d {s}.finance_journal_line) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) = 1 AND bool_and(e.status = 'posted' AND e.date = a.effective_from AND l.account_id = d.account_id AND l.party_type = d.party_type
            AND l.party_id = d.party_id AND l.currency = d.currency AND l.amount = 0
            AND l.debit - l.credit = a.credit_base - a.debit_base AND l.residual_base = l.debit - l.credit)
        FROM {s}.finance_journal_line l JOIN {s}.finance_journal_entry e ON e.id = l.entry_id WHERE e.id = a.fx_entry_id AND l.residual IS NOT NULL);
END $$;

-- An allocation settles a debit by a credit of one account, party and currency, and takes from what both have left: no more than that, whoever
-- else allocates them meanwhile. Where both stand at different amounts in the base currency, it settles an entry of the difference with them.
-- It is undone once, which gives all of them back.
-- It counts from the later day of the two, but not before what it takes was free on that day, and never in time that is closed; so that what was
-- open at the end of a day follows from these days, and of none was more settled than there is.
CREATE FUNCTION {s}.finance_allocate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    d {s}.finance_journal_line;
    c {s}.finance_journal_line;
    why text;
    way int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 AND to_jsonb(OLD) - 'effective_until' = to_jsonb(NEW) - 'effective_until' THEN
        RETURN NEW;  -- what it settled has been reversed before it was undone
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'INSERT' AND NEW.status <> 'made' OR TG_OP = 'UPDATE' AND (OLD.status <> 'made' OR NEW.status <> 'undone'
            OR (OLD.id, OLD.company_id, OLD.debit_line_id, OLD.credit_line_id, OLD.amount, OLD.currency, OLD.effective_from, OLD.debit_base,
            OLD.credit_base, OLD.base_currency, OLD.fx_entry_id) IS DISTINCT FROM (NEW.id, NEW.company_id, NEW.debit_line_id, NEW.credit_line_id, NEW.amount,
            NEW.currency, NEW.effective_from, NEW.debit_base, NEW.credit_base, NEW.base_currency, NEW.fx_entry_id)) THEN
        PERFORM {s}.finance_refuse('AllocationIsFinal', '{}');
    END IF;
    PERFORM FROM {s}.finance_journal_line WHERE id IN (NEW.debit_line_id, NEW.credit_line_id) ORDER BY id FOR NO KEY UPDATE;
    SELECT * INTO d FROM {s}.finance_journal_line WHERE id = NEW.debit_line_id;
    SELECT * INTO c FROM {s}.finance_journal_line WHERE id = NEW.credit_line_id;
    why := CASE
        WHEN d.residual IS NULL OR c.residual IS NULL THEN 'one of them is no receivable or payable of a party'
        WHEN d.amount < 0 OR c.amount > 0 THEN 'one is a debit and the other a credit'
        WHEN d.account_id <> c.account_id THEN 'they are on different accounts'
        WHEN (d.party_type, d.party_id) <> (c.party_type, c.party_id) THEN 'they are of different parties'
        WHEN (d.currency, c.currency) <> (NEW.currency, NEW.currency) THEN 'they are in different currencies'
        WHEN d.base_currency <> NEW.base_currency THEN 'the base currency is another'
        WHEN NOT EXISTS (SELECT FROM {s}.finance_journal_entry e WHERE e.id = d.entry_id AND e.company_id = NEW.company_id) THEN 'they are of another company'
        WHEN NEW.amount <> round(NEW.amount, nexus_cell.currency_scale(NEW.currency)) OR NEW.amount <= 0 THEN 'the amount is none of that currency'
    END;
    IF why IS NOT NULL THEN
        PERFORM {s}.finance_refuse('UnfitAllocation', jsonb_build_object('why', why));
    ELSIF way * NEW.amount > least(d.residual, -c.residual) THEN
        PERFORM {s}.finance_refuse('ResidualExceeded', jsonb_build_object('residual', least(d.residual, -c.residual)::text, 'currency', NEW.currency));
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.effective_until := NULL;
        NEW.effective_from := greatest(d.date, c.date, coalesce((SELECT e.date FROM {s}.finance_journal_entry e WHERE e.id = NEW.fx_entry_id),
            {s}.finance_open_from(NEW.company_id)), (SELECT max(a.effective_until) FROM {s}.finance_allocation a
            WHERE a.debit_line_id = d.id OR a.credit_line_id = c.id));
    ELSE
        NEW.effective_until := greatest(coalesce(NEW.effective_until, CURRENT_DATE), {s}.finance_open_from(NEW.company_id));
    END IF;
    IF TG_OP = 'INSERT' AND NOT ({s}.finance_proportional(d, NEW.amount, NEW.debit_base) AND {s}.finance_proportional(c, NEW.amount, NEW.credit_base)) THEN
        PERFORM {s}.finance_refuse('UnfitAllocation', jsonb_build_object('why', 'what they stand at in the base currency is another part of it'));
    ELSIF TG_OP = 'INSERT' AND NEW.fx_entry_id IS NOT NULL AND NOT {s}.finance_holds_difference(NEW, d) THEN
        PERFORM {s}.finance_refuse('UnfitAllocation', jsonb_build_object('why', 'the entry does not hold the exchange difference between them'));
    END IF;
    UPDATE {s}.finance_journal_line SET residual = residual - way * CASE id WHEN d.id THEN NEW.amount ELSE -NEW.amount END,
        residual_base = residual_base - way * CASE id WHEN d.id THEN NEW.debit_base ELSE -NEW.credit_base END WHERE id IN (d.id, c.id);
    IF NEW.fx_entry_id IS NOT NULL THEN
        UPDATE {s}.finance_journal_line SET residual_base = CASE TG_OP WHEN 'INSERT' THEN 0 ELSE debit - credit END
            WHERE entry_id = NEW.fx_entry_id AND residual IS NOT NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER allocates BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_allocation FOR EACH ROW EXECUTE FUNCTION {s}.finance_allocate();

-- At the end of the transaction that undoes an allocation, its exchange difference has been reversed.
CREATE FUNCTION {s}.finance_difference_goes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {s}.finance_journal_entry WHERE id = NEW.fx_entry_id AND status <> 'reversed') THEN
        PERFORM {s}.finance_refuse('DifferenceRemains', '{}');
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER difference_goes AFTER UPDATE ON {s}.finance_allocation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'undone' AND NEW.fx_entry_id IS NOT NULL) EXECUTE FUNCTION {s}.finance_difference_goes();

-- How far an entry's receivables or payables are settled: the state of its invoice. Settled, it is written off where anything of it was given up,
-- reversed where its own notes alone have settled it, and otherwise paid.
CREATE FUNCTION {s}.finance_paid_state(entry uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    settled numeric;
    residual numeric;
BEGIN
    SELECT coalesce(sum(abs(l.amount - l.residual)), 0), sum(abs(l.residual)) INTO settled, residual
        FROM {s}.finance_journal_line l WHERE l.entry_id = entry AND l.residual IS NOT NULL;
    IF settled = 0 OR residual > 0 THEN
        RETURN CASE settled WHEN 0 THEN 'posted' ELSE 'partly_paid' END;
    END IF;
    RETURN (SELECT CASE WHEN bool_or(w.id IS NOT NULL) THEN 'written_off' WHEN bool_and(n.id IS NOT NULL) THEN 'reversed' ELSE 'paid' END
        FROM {s}.finance_journal_line own
        JOIN {s}.finance_allocation a ON (a.debit_line_id = own.id OR a.credit_line_id = own.id) AND a.status = 'made'
        JOIN {s}.finance_journal_line other ON other.id = CASE own.id WHEN a.debit_line_id THEN a.credit_line_id ELSE a.debit_line_id END
        LEFT JOIN {s}.finance_invoice n ON n.entry_id = other.entry_id AND n.credit_of_id = (SELECT id FROM {s}.finance_invoice WHERE entry_id = entry)
        LEFT JOIN {s}.finance_write_off w ON w.entry_id = other.entry_id
        WHERE own.entry_id = entry AND own.residual IS NOT NULL);
END $$;

-- At the end of each transaction an invoice is paid as far as its lines say, whoever changed either.
CREATE FUNCTION {s}.finance_paid_as_allocated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    IF TG_TABLE_NAME = 'finance_invoice' THEN
        SELECT i.number INTO wrong FROM {s}.finance_invoice i
            WHERE i.id = NEW.id AND i.status IN ('posted', 'partly_paid', 'paid', 'reversed', 'written_off') AND i.status <> {s}.finance_paid_state(i.entry_id);
    ELSE
        SELECT i.number INTO wrong FROM {s}.finance_journal_line l JOIN {s}.finance_invoice i ON i.entry_id = l.entry_id
            WHERE l.id IN (NEW.debit_line_id, NEW.credit_line_id) AND i.status <> {s}.finance_paid_state(i.entry_id) LIMIT 1;
    END IF;
    IF FOUND THEN
        PERFORM {s}.finance_refuse('PaidStateIsDerived', jsonb_build_object('number', wrong));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER paid_as_allocated AFTER UPDATE ON {s}.finance_invoice DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status IN ('posted', 'partly_paid', 'paid', 'reversed', 'written_off')) EXECUTE FUNCTION {s}.finance_paid_as_allocated();
CREATE CONSTRAINT TRIGGER paid_as_allocated AFTER INSERT OR UPDATE ON {s}.finance_allocation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_paid_as_allocated();

-- A write-off changes once, when it is undone. At the end of each transaction its entry settles that much of its invoice, or is reversed.
CREATE FUNCTION {s}.finance_write_off_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status <> 'made' OR NEW.status <> 'undone' OR (OLD.id, OLD.company_id, OLD.invoice_id, OLD.date, OLD.amount, OLD.currency,
            OLD.entry_id) <> (NEW.id, NEW.company_id, NEW.invoice_id, NEW.date, NEW.amount, NEW.currency, NEW.entry_id) THEN
        PERFORM {s}.finance_refuse('WriteOffIsFinal', '{}');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER final BEFORE UPDATE OR DELETE ON {s}.finance_write_off FOR EACH ROW EXECUTE FUNCTION {s}.finance_write_off_final();

CREATE FUNCTION {s}.finance_write_off_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    w {s}.finance_write_off;
    given_up numeric;
BEGIN
    SELECT * INTO w FROM {s}.finance_write_off WHERE id = NEW.id;
    SELECT coalesce(sum(a.amount), 0) INTO given_up FROM {s}.finance_invoice i JOIN {s}.finance_journal_line owed ON owed.entry_id = i.entry_id
        JOIN {s}.finance_allocation a ON (a.debit_line_id = owed.id OR a.credit_line_id = owed.id) AND a.status = 'made'
        JOIN {s}.finance_journal_line own ON own.id = CASE owed.id WHEN a.debit_line_id THEN a.credit_line_id ELSE a.debit_line_id END
            AND own.entry_id = w.entry_id
        WHERE i.id = w.invoice_id;
    IF given_up <> (CASE w.status WHEN 'made' THEN w.amount ELSE 0 END) OR NOT EXISTS (SELECT FROM {s}.finance_journal_entry e WHERE e.id = w.entry_id
            AND e.date = w.date AND e.company_id = w.company_id AND e.source_entity = 'finance.write_off' AND e.source_id = w.id
            AND e.status = CASE w.status WHEN 'made' THEN 'posted' ELSE 'reversed' END) THEN
        PERFORM {s}.finance_refuse('WriteOffIsFinal', '{}');
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER holds AFTER INSERT OR UPDATE ON {s}.finance_write_off DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_write_off_holds();

CREATE FUNCTION {s}.finance_written_off_with_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {s}.finance_journal_line l JOIN {s}.finance_write_off w ON w.entry_id = l.entry_id AND w.status = 'made'
            WHERE l.id IN (NEW.debit_line_id, NEW.credit_line_id)) THEN
        PERFORM {s}.finance_refuse('WriteOffIsFinal', '{}');
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER written_off_with_it AFTER UPDATE ON {s}.finance_allocation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'undone') EXECUTE FUNCTION {s}.finance_written_off_with_it();
