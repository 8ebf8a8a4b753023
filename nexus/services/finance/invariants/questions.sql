-- What reports refuse: a question about what is not there. It is asked once, before any row is read.
CREATE FUNCTION {s}.finance_known(company uuid, party uuid, no_company text, no_party text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM {s}.finance_company c WHERE c.id = company) THEN
        PERFORM {s}.finance_refuse(no_company, '{"errors": [{"field": "company_id", "message": "there is no company with this id"}]}');
    ELSIF party IS NOT NULL AND NOT EXISTS (SELECT FROM {s}.finance_journal_line l JOIN {s}.finance_account a ON a.id = l.account_id
            WHERE l.party_id = party AND a.company_id = company) THEN
        PERFORM {s}.finance_refuse(no_party, '{"errors": [{"field": "party_id", "message": "nothing has been posted of it in these books"}]}');
    END IF;
    RETURN true;
END $$;
CREATE FUNCTION {s}.finance_known_budget(budget uuid, no_budget text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM {s}.finance_budget b WHERE b.id = budget) THEN
        PERFORM {s}.finance_refuse(no_budget, '{"errors": [{"field": "budget_id", "message": "there is no budget with this id"}]}');
    END IF;
    RETURN true;
END $$;
