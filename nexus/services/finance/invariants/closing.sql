-- What always holds of closed fiscal years, whoever writes: nothing is left on their income and expenses, and nothing is posted in them any more.

-- Whether an entry closes a fiscal year or takes such an entry back. It alone goes into closed time, and the rules below see to it that it is one.
CREATE FUNCTION {s}.finance_closes(e {s}.finance_journal_entry) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN e.source_entity IS NOT DISTINCT FROM 'finance.fiscal_year' OR e.reversal_of_id IS NOT NULL
        AND EXISTS (SELECT FROM {s}.finance_journal_entry was WHERE was.id = e.reversal_of_id AND was.source_entity = 'finance.fiscal_year');
END $$;

-- At the end of each transaction a closed year has no open period, and its income and expenses are carried to equity, for each dimension by itself.
CREATE FUNCTION {s}.finance_year_closed(year uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    y {s}.finance_fiscal_year;
BEGIN
    SELECT * INTO y FROM {s}.finance_fiscal_year WHERE id = year;
    IF y.status = 'closed' AND (EXISTS (SELECT FROM {s}.finance_accounting_period WHERE fiscal_year_id = y.id AND status <> 'closed')
            OR EXISTS (SELECT FROM {s}.finance_account_balance b JOIN {s}.finance_accounting_period p ON p.id = b.period_id
                JOIN {s}.finance_account a ON a.id = b.account_id WHERE p.fiscal_year_id = y.id AND a.root_type IN ('income', 'expense')
                GROUP BY b.account_id, b.dimension_key HAVING sum(b.debit - b.credit) <> 0)) THEN
        PERFORM {s}.finance_refuse('YearIsClosed', jsonb_build_object('year', y.name));
    END IF;
END $$;
CREATE FUNCTION {s}.finance_year_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {s}.finance_year_closed(coalesce((to_jsonb(NEW) ->> 'fiscal_year_id')::uuid, NEW.id));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER year_holds AFTER INSERT OR UPDATE ON {s}.finance_fiscal_year DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'closed') EXECUTE FUNCTION {s}.finance_year_holds();
CREATE CONSTRAINT TRIGGER year_holds AFTER INSERT OR UPDATE ON {s}.finance_accounting_period DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status <> 'closed') EXECUTE FUNCTION {s}.finance_year_holds();

-- What says that it closes a year is that year's entry, of its last day; it is taken back on that day too, and only with the year.
CREATE FUNCTION {s}.finance_closing_entry_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    e {s}.finance_journal_entry;
    held boolean;
BEGIN
    SELECT * INTO e FROM {s}.finance_journal_entry WHERE id = NEW.id;
    held := EXISTS (SELECT FROM {s}.finance_fiscal_year y WHERE y.closing_entry_id = e.id);
    IF e.status = 'posted' AND NOT (held AND EXISTS (SELECT FROM {s}.finance_fiscal_year y WHERE y.id = e.source_id AND y.closing_entry_id = e.id
                AND y.company_id = e.company_id AND y.ends_on = e.date))
            OR e.status = 'reversed' AND (held OR NOT EXISTS (SELECT FROM {s}.finance_journal_entry b WHERE b.id = e.reversed_by_id AND b.date = e.date)) THEN
        PERFORM {s}.finance_refuse('EntryOfDocument', jsonb_build_object('number', e.number, 'document', 'a fiscal year, which is closed and reopened'));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER closing_entry_holds AFTER UPDATE ON {s}.finance_journal_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.source_entity = 'finance.fiscal_year' AND NEW.status <> 'draft') EXECUTE FUNCTION {s}.finance_closing_entry_holds();
