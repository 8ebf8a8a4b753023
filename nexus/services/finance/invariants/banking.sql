-- What always holds of bank accounts and what banks say of them, whoever writes.

-- A bank account stands for one ledger account of its company that is of type bank, takes postings, and takes its currency.
CREATE FUNCTION {s}.finance_bank_account_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    why text;
BEGIN
    SELECT CASE WHEN a.company_id <> NEW.company_id THEN 'it is of another company' WHEN a.account_type <> 'bank' THEN 'it is not of type bank'
        WHEN a.is_group THEN 'it is a group' WHEN a.currency <> NEW.currency THEN format('it takes %s only', a.currency) END
        INTO why FROM {s}.finance_account a WHERE a.id = NEW.account_id;
    IF why IS NOT NULL THEN
        PERFORM {s}.finance_refuse('UnfitBankAccount', jsonb_build_object('why', why));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fits AFTER INSERT OR UPDATE OF company_id, account_id, currency ON {s}.finance_bank_account FOR EACH ROW
    EXECUTE FUNCTION {s}.finance_bank_account_fits();

-- What a bank said is not changed: neither a statement, nor of a line anything but how far it is known what it is about.
CREATE FUNCTION {s}.finance_as_the_bank_said() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {s}.finance_refuse('StatementIsFinal', '{}');
    RETURN NULL;
END $$;
CREATE TRIGGER final BEFORE UPDATE OR DELETE ON {s}.finance_bank_statement FOR EACH ROW EXECUTE FUNCTION {s}.finance_as_the_bank_said();
CREATE TRIGGER gone BEFORE DELETE ON {s}.finance_bank_statement_line FOR EACH ROW EXECUTE FUNCTION {s}.finance_as_the_bank_said();
CREATE TRIGGER final BEFORE UPDATE ON {s}.finance_bank_statement_line FOR EACH ROW
    WHEN ((OLD.bank_account_id, OLD.bank_statement_id, OLD.position, OLD.booked_on, OLD.value_on, OLD.amount, OLD.currency, OLD.counterparty_name,
        OLD.counterparty_account, OLD.text, OLD.bank_transaction_id, OLD.end_to_end_id) IS DISTINCT FROM (NEW.bank_account_id, NEW.bank_statement_id,
        NEW.position, NEW.booked_on, NEW.value_on, NEW.amount, NEW.currency, NEW.counterparty_name, NEW.counterparty_account, NEW.text,
        NEW.bank_transaction_id, NEW.end_to_end_id)) EXECUTE FUNCTION {s}.finance_as_the_bank_said();

-- What is reconciled says the same: the line of the books is on the account of the bank, in its currency, and posted. It changes once, when undone.
CREATE FUNCTION {s}.finance_bank_reconciliation_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    why text;
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (OLD.status <> 'made' OR NEW.status <> 'undone' OR (OLD.id, OLD.bank_statement_line_id, OLD.journal_line_id,
            OLD.amount, OLD.currency) <> (NEW.id, NEW.bank_statement_line_id, NEW.journal_line_id, NEW.amount, NEW.currency)) THEN
        PERFORM {s}.finance_refuse('ReconciliationIsFinal', '{}');
    ELSIF TG_OP = 'INSERT' THEN
        SELECT CASE WHEN j.account_id <> b.account_id THEN 'one of these is not on the account of the bank'
            WHEN (j.currency, l.currency) <> (NEW.currency, NEW.currency) THEN 'one of these is in another currency'
            WHEN j.amount <> NEW.amount OR NEW.status <> 'made' THEN 'one of these is of another amount' END INTO why
            FROM {s}.finance_journal_line j, {s}.finance_bank_statement_line l JOIN {s}.finance_bank_account b ON b.id = l.bank_account_id
            WHERE j.id = NEW.journal_line_id AND l.id = NEW.bank_statement_line_id;
        IF why IS NOT NULL THEN
            PERFORM {s}.finance_refuse('UnfitReconciliation', jsonb_build_object('why', why));
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER holds BEFORE INSERT OR UPDATE OR DELETE ON {s}.finance_bank_reconciliation FOR EACH ROW
    EXECUTE FUNCTION {s}.finance_bank_reconciliation_holds();

-- At the end of each transaction, what a line of a bank is reconciled with comes to its amount, and to nothing where it is not reconciled.
CREATE FUNCTION {s}.finance_bank_line_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    l {s}.finance_bank_statement_line;
    linked numeric;
    links int;
BEGIN
    SELECT * INTO l FROM {s}.finance_bank_statement_line WHERE id = (CASE TG_TABLE_NAME WHEN 'finance_bank_statement_line' THEN to_jsonb(NEW) ->> 'id'
        ELSE to_jsonb(NEW) ->> 'bank_statement_line_id' END)::uuid;
    SELECT coalesce(sum(r.amount), 0), count(*) INTO linked, links FROM {s}.finance_bank_reconciliation r
        WHERE r.bank_statement_line_id = l.id AND r.status = 'made';
    IF l.status = 'reconciled' AND linked <> l.amount THEN
        PERFORM {s}.finance_refuse('UnfitReconciliation', jsonb_build_object('why', format('the bank says %s %s, and the books %s', l.amount, l.currency, linked)));
    ELSIF l.status <> 'reconciled' AND links > 0 THEN
        PERFORM {s}.finance_refuse('ReconciliationIsFinal', '{}');
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER whole AFTER INSERT OR UPDATE ON {s}.finance_bank_reconciliation DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_bank_line_whole();
CREATE CONSTRAINT TRIGGER whole AFTER INSERT OR UPDATE OF status ON {s}.finance_bank_statement_line DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_bank_line_whole();

-- What a bank was told stays as it was told; of a file and of each of its transfers only what becomes of it changes.
CREATE FUNCTION {s}.finance_as_the_bank_was_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {s}.finance_refuse('StatementIsFinal', '{}');
    RETURN NULL;
END $$;
CREATE TRIGGER gone BEFORE DELETE ON {s}.finance_payment_file FOR EACH ROW EXECUTE FUNCTION {s}.finance_as_the_bank_was_told();
CREATE TRIGGER gone BEFORE DELETE ON {s}.finance_payment_file_transfer FOR EACH ROW EXECUTE FUNCTION {s}.finance_as_the_bank_was_told();
CREATE TRIGGER final BEFORE UPDATE ON {s}.finance_payment_file FOR EACH ROW WHEN ((OLD.id, OLD.bank_account_id, OLD.message_id, OLD.execute_on,
    OLD.transfer_count, OLD.total, OLD.currency, OLD.content) <> (NEW.id, NEW.bank_account_id, NEW.message_id, NEW.execute_on, NEW.transfer_count,
    NEW.total, NEW.currency, NEW.content) OR OLD.status <> 'made') EXECUTE FUNCTION {s}.finance_as_the_bank_was_told();
CREATE TRIGGER final BEFORE UPDATE ON {s}.finance_payment_file_transfer FOR EACH ROW WHEN ((OLD.id, OLD.payment_file_id, OLD.invoice_id, OLD.amount,
    OLD.currency, OLD.creditor_name, OLD.creditor_iban, OLD.creditor_bic, OLD.end_to_end_id) IS DISTINCT FROM (NEW.id, NEW.payment_file_id,
    NEW.invoice_id, NEW.amount, NEW.currency, NEW.creditor_name, NEW.creditor_iban, NEW.creditor_bic, NEW.end_to_end_id) OR OLD.status <> 'ordered')
    EXECUTE FUNCTION {s}.finance_as_the_bank_was_told();
