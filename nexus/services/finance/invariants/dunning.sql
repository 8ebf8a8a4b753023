-- An invoice comes to its dunning levels one by one.
CREATE FUNCTION {s}.finance_dunning_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.level <> 1 + coalesce((SELECT max(level) FROM {s}.finance_dunned_invoice WHERE invoice_id = NEW.invoice_id), 0) THEN
        PERFORM {s}.finance_refuse('DunningLevelSkipped', jsonb_build_object('level', NEW.level));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rises BEFORE INSERT ON {s}.finance_dunned_invoice FOR EACH ROW EXECUTE FUNCTION {s}.finance_dunning_rises();
