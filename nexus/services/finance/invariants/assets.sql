-- What always holds between the register of assets and the ledger: what an asset has cost and lost is what entries have posted of it.

-- A movement is written with its entry, and changes once more, when it is taken back.
CREATE FUNCTION {s}.finance_asset_movement_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.taken_back OR (OLD.id, OLD.company_id, OLD.asset_id, OLD.kind, OLD.date, OLD.cost, OLD.depreciation, OLD.currency,
            OLD.account_id, OLD.accumulated_account_id, OLD.part, OLD.depreciation_run_id, OLD.entry_id) IS DISTINCT FROM (NEW.id, NEW.company_id,
            NEW.asset_id, NEW.kind, NEW.date, NEW.cost, NEW.depreciation, NEW.currency, NEW.account_id, NEW.accumulated_account_id, NEW.part,
            NEW.depreciation_run_id, NEW.entry_id) THEN
        PERFORM {s}.finance_refuse('AssetMovementIsFinal', '{}');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER final BEFORE UPDATE OR DELETE ON {s}.finance_asset_movement FOR EACH ROW EXECUTE FUNCTION {s}.finance_asset_movement_final();

-- The accounts on which an entry does not post what assets say of it. Entries of assets and runs, and what takes them back, post just that; of
-- others, as bills, assets say no more than there is.
CREATE FUNCTION {s}.finance_assets_not_in_entry(entry uuid) RETURNS TABLE (account_id uuid, said numeric, booked numeric) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    own boolean;
BEGIN
    SELECT coalesce(was.source_entity, e.source_entity, '') IN ('finance.asset', 'finance.depreciation_run') INTO own
        FROM {s}.finance_journal_entry e LEFT JOIN {s}.finance_journal_entry was ON was.id = e.reversal_of_id WHERE e.id = entry;
    RETURN QUERY SELECT s.account_id, s.said, coalesce(b.booked, 0) FROM (
            SELECT v.account_id, sum(v.value) AS said FROM {s}.finance_asset_movement m
            CROSS JOIN LATERAL (VALUES (m.account_id, m.cost), (m.accumulated_account_id, -m.depreciation)) AS v (account_id, value)
            WHERE m.entry_id = entry GROUP BY v.account_id) s
        LEFT JOIN (SELECT l.account_id, sum(l.debit - l.credit) AS booked FROM {s}.finance_journal_line l WHERE l.entry_id = entry
            GROUP BY l.account_id) b ON b.account_id = s.account_id
        WHERE own AND s.said <> coalesce(b.booked, 0) OR NOT own AND (s.said < 0 OR s.said > greatest(b.booked, 0));
END $$;

-- At the end of each transaction the register says of an asset what its movements come to, and they are what their entries post. Two assets that
-- take from one bill wait for each other. Of all movements of an entry the last looks at it, so that a run of many assets is looked at once.
CREATE FUNCTION {s}.finance_asset_movement_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    e {s}.finance_journal_entry;
    wrong record;
BEGIN
    PERFORM {s}.finance_asset_as_moved(NEW.asset_id);
    IF NEW.id <> (SELECT m.id FROM {s}.finance_asset_movement m WHERE m.entry_id = NEW.entry_id ORDER BY m.id DESC LIMIT 1) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO e FROM {s}.finance_journal_entry WHERE id = NEW.entry_id FOR NO KEY UPDATE;
    SELECT w.*, a.code INTO wrong FROM {s}.finance_assets_not_in_entry(NEW.entry_id) w JOIN {s}.finance_account a ON a.id = w.account_id ORDER BY a.code LIMIT 1;
    IF FOUND OR e.number IS NULL OR e.company_id <> NEW.company_id THEN
        PERFORM {s}.finance_refuse('AssetNotInEntry', jsonb_build_object('number', coalesce(e.number, e.id::text), 'account', coalesce(wrong.code, ''),
            'said', coalesce(wrong.said, 0)::text, 'booked', coalesce(wrong.booked, 0)::text));
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION {s}.finance_asset_as_moved(asset uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    a {s}.finance_asset;
    m record;
BEGIN
    SELECT * INTO a FROM {s}.finance_asset WHERE id = asset;
    SELECT coalesce(sum(cost), 0) AS cost, coalesce(sum(depreciation), 0) AS depreciation INTO m FROM {s}.finance_asset_movement WHERE asset_id = asset;
    IF (m.cost, m.depreciation) <> (CASE WHEN a.status IN ('in_use', 'fully_depreciated') THEN a.cost ELSE 0 END,
            CASE WHEN a.status IN ('in_use', 'fully_depreciated') THEN a.depreciated ELSE 0 END) THEN
        PERFORM {s}.finance_refuse('AssetDiffers', jsonb_build_object('name', a.name));
    END IF;
END $$;
CREATE FUNCTION {s}.finance_asset_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {s}.finance_asset_as_moved(NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER holds AFTER INSERT ON {s}.finance_asset_movement DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_asset_movement_holds();
CREATE CONSTRAINT TRIGGER holds AFTER INSERT OR UPDATE ON {s}.finance_asset DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {s}.finance_asset_holds();

-- An entry on which an asset stands is taken back with the asset, never alone.
CREATE FUNCTION {s}.finance_with_its_asset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {s}.finance_asset_movement WHERE entry_id = NEW.id AND NOT taken_back) THEN
        PERFORM {s}.finance_refuse('EntryOfDocument', jsonb_build_object('number', NEW.number, 'document', 'an asset, whose runs and disposals are undone'));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER with_its_asset AFTER UPDATE ON {s}.finance_journal_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'reversed') EXECUTE FUNCTION {s}.finance_with_its_asset();
