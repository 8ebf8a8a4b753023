-- Version 1 of finance: written by `make migration SERVICE=finance` from its declarations, never by hand.
-- expand
CREATE TABLE {s}.finance_billing_profile (
	party_id UUID NOT NULL,
	legal_name TEXT,
	street TEXT,
	city TEXT,
	region TEXT,
	postal_code TEXT,
	country TEXT,
	vat_id TEXT,
	tax_id TEXT,
	registration_number TEXT,
	email TEXT,
	language TEXT,
	electronic_address TEXT,
	electronic_scheme TEXT,
	buyer_reference TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[legal_name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_billing_profile PRIMARY KEY (id),
	CONSTRAINT ck_finance_billing_profile_electronic_address_with_its_scheme CHECK ((electronic_address IS NULL) = (electronic_scheme IS NULL))
);
CREATE INDEX ix_finance_billing_profile_search ON {s}.finance_billing_profile USING gin (search);
CREATE UNIQUE INDEX uq_finance_billing_profile_party ON {s}.finance_billing_profile (party_id) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_company (
	key TEXT,
	name TEXT NOT NULL,
	country TEXT NOT NULL,
	base_currency VARCHAR(3) NOT NULL,
	tax_id TEXT,
	vat_id TEXT,
	registration_number TEXT,
	street TEXT,
	city TEXT,
	region TEXT,
	postal_code TEXT,
	email TEXT,
	phone TEXT,
	electronic_address TEXT,
	electronic_scheme TEXT,
	fiscal_year_month BIGINT NOT NULL,
	fiscal_year_day BIGINT NOT NULL,
	tax_rounding VARCHAR(40) NOT NULL,
	lock_date DATE,
	tax_lock_date DATE,
	sale_lock_date DATE,
	purchase_lock_date DATE,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_company PRIMARY KEY (id),
	CONSTRAINT ck_finance_company_base_currency_iso4217 CHECK (num_nulls(base_currency, nexus_cell.currency_scale(base_currency)) <> 1),
	CONSTRAINT ck_finance_company_electronic_address_with_its_scheme CHECK ((electronic_address IS NULL) = (electronic_scheme IS NULL)),
	CONSTRAINT ck_finance_company_tax_rounding_known CHECK (tax_rounding IN ('round_per_line', 'round_globally'))
);
CREATE INDEX ix_finance_company_search ON {s}.finance_company USING gin (search);
CREATE UNIQUE INDEX uq_finance_company_key ON {s}.finance_company (key) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_exchange_rate (
	from_currency VARCHAR(3) NOT NULL,
	to_currency VARCHAR(3) NOT NULL,
	date DATE NOT NULL,
	rate NUMERIC NOT NULL,
	source TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_exchange_rate PRIMARY KEY (id),
	CONSTRAINT ck_finance_exchange_rate_from_currency_is_another CHECK (from_currency <> to_currency),
	CONSTRAINT ck_finance_exchange_rate_from_currency_iso4217 CHECK (num_nulls(from_currency, nexus_cell.currency_scale(from_currency)) <> 1),
	CONSTRAINT ck_finance_exchange_rate_rate_least CHECK (rate >= 0),
	CONSTRAINT ck_finance_exchange_rate_rate_more_than_zero CHECK (rate > 0),
	CONSTRAINT ck_finance_exchange_rate_rate_scale CHECK (rate = round(rate, 10)),
	CONSTRAINT ck_finance_exchange_rate_rate_size CHECK (abs(rate) < 1e10),
	CONSTRAINT ck_finance_exchange_rate_to_currency_iso4217 CHECK (num_nulls(to_currency, nexus_cell.currency_scale(to_currency)) <> 1)
);
CREATE UNIQUE INDEX uq_finance_exchange_rate_day ON {s}.finance_exchange_rate (from_currency, to_currency, date) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_payment_term (
	key TEXT,
	name TEXT NOT NULL,
	instalments JSONB NOT NULL,
	discount_percent NUMERIC,
	discount_days BIGINT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_payment_term PRIMARY KEY (id),
	CONSTRAINT ck_finance_payment_term_discount_days_with_its_percent CHECK ((discount_percent IS NULL) = (discount_days IS NULL)),
	CONSTRAINT ck_finance_payment_term_discount_percent_least CHECK (discount_percent >= 0),
	CONSTRAINT ck_finance_payment_term_discount_percent_most CHECK (discount_percent <= 99),
	CONSTRAINT ck_finance_payment_term_discount_percent_scale CHECK (discount_percent = round(discount_percent, 3)),
	CONSTRAINT ck_finance_payment_term_discount_percent_size CHECK (abs(discount_percent) < 1e3)
);
CREATE INDEX ix_finance_payment_term_search ON {s}.finance_payment_term USING gin (search);
CREATE UNIQUE INDEX uq_finance_payment_term_key ON {s}.finance_payment_term (key) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_account (
	company_id UUID NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	root_type VARCHAR(40) NOT NULL,
	account_type VARCHAR(40) NOT NULL,
	cash_flow VARCHAR(40),
	currency VARCHAR(3),
	parent_id UUID,
	is_group BOOLEAN NOT NULL,
	must_have_party BOOLEAN NOT NULL,
	frozen BOOLEAN NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[code, name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_account PRIMARY KEY (id),
	CONSTRAINT ck_finance_account_account_type_known CHECK (account_type IN ('bank', 'cash', 'receivable', 'payable', 'tax', 'withholding', 'stock', 'goods_received', 'cogs', 'fixed_asset', 'accumulated_depreciation', 'depreciation', 'prepayment', 'accrual', 'payroll', 'capital', 'retained_earnings', 'revenue', 'fx_gain', 'fx_loss', 'rounding', 'clearing', 'other')),
	CONSTRAINT ck_finance_account_cash_flow_known CHECK (cash_flow IN ('operating', 'investing', 'financing')),
	CONSTRAINT ck_finance_account_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_account_root_type_known CHECK (root_type IN ('asset', 'liability', 'equity', 'income', 'expense')),
	CONSTRAINT fk_finance_account_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_account_parent_id FOREIGN KEY(parent_id) REFERENCES {s}.finance_account (id)
);
CREATE INDEX ix_finance_account_parent_id ON {s}.finance_account (parent_id);
CREATE INDEX ix_finance_account_search ON {s}.finance_account USING gin (search);
CREATE UNIQUE INDEX uq_finance_account_code ON {s}.finance_account (company_id, code) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_cost_center (
	company_id UUID NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_cost_center PRIMARY KEY (id),
	CONSTRAINT fk_finance_cost_center_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_cost_center_search ON {s}.finance_cost_center USING gin (search);
CREATE UNIQUE INDEX uq_finance_cost_center_code ON {s}.finance_cost_center (company_id, code) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_depreciation_run (
	company_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	until DATE NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_depreciation_run PRIMARY KEY (id),
	CONSTRAINT ck_finance_depreciation_run_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_depreciation_run_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_depreciation_run_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_depreciation_run_status_known CHECK (status IN ('posted', 'undone')),
	CONSTRAINT fk_finance_depreciation_run_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_depreciation_run_company_id ON {s}.finance_depreciation_run (company_id);
CREATE TABLE {s}.finance_dunning (
	company_id UUID NOT NULL,
	date DATE NOT NULL,
	party_id UUID NOT NULL,
	party_name TEXT NOT NULL,
	level BIGINT NOT NULL,
	text_key TEXT NOT NULL,
	items JSONB NOT NULL,
	open NUMERIC NOT NULL,
	fee NUMERIC NOT NULL,
	interest NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	charge_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[party_name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_dunning PRIMARY KEY (id),
	CONSTRAINT ck_finance_dunning_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_dunning_fee_scale CHECK (fee = round(fee, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_dunning_fee_size CHECK (abs(fee) < 1e20),
	CONSTRAINT ck_finance_dunning_interest_scale CHECK (interest = round(interest, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_dunning_interest_size CHECK (abs(interest) < 1e20),
	CONSTRAINT ck_finance_dunning_open_scale CHECK (open = round(open, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_dunning_open_size CHECK (abs(open) < 1e20),
	CONSTRAINT fk_finance_dunning_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_dunning_charge_id ON {s}.finance_dunning (charge_id);
CREATE INDEX ix_finance_dunning_date ON {s}.finance_dunning (company_id, date);
CREATE INDEX ix_finance_dunning_party_id ON {s}.finance_dunning (party_id, date);
CREATE INDEX ix_finance_dunning_search ON {s}.finance_dunning USING gin (search);
CREATE TABLE {s}.finance_dunning_level (
	company_id UUID NOT NULL,
	level BIGINT NOT NULL,
	days_overdue BIGINT NOT NULL,
	fee NUMERIC NOT NULL,
	interest_rate NUMERIC NOT NULL,
	text_key TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_dunning_level PRIMARY KEY (id),
	CONSTRAINT ck_finance_dunning_level_fee_least CHECK (fee >= 0),
	CONSTRAINT ck_finance_dunning_level_fee_most CHECK (fee <= 1e+09),
	CONSTRAINT ck_finance_dunning_level_fee_scale CHECK (fee = round(fee, 2)),
	CONSTRAINT ck_finance_dunning_level_fee_size CHECK (abs(fee) < 1e16),
	CONSTRAINT ck_finance_dunning_level_interest_rate_least CHECK (interest_rate >= 0),
	CONSTRAINT ck_finance_dunning_level_interest_rate_most CHECK (interest_rate <= 1000),
	CONSTRAINT ck_finance_dunning_level_interest_rate_scale CHECK (interest_rate = round(interest_rate, 6)),
	CONSTRAINT ck_finance_dunning_level_interest_rate_size CHECK (abs(interest_rate) < 1e3),
	CONSTRAINT fk_finance_dunning_level_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE UNIQUE INDEX uq_finance_dunning_level ON {s}.finance_dunning_level (company_id, level) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_fiscal_year (
	company_id UUID NOT NULL,
	name TEXT NOT NULL,
	starts_on DATE NOT NULL,
	ends_on DATE NOT NULL,
	status VARCHAR(40) NOT NULL,
	closing_entry_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_fiscal_year PRIMARY KEY (id),
	CONSTRAINT ck_finance_fiscal_year_closing_entry_id_once_closed CHECK (closing_entry_id IS NULL OR status = 'closed'),
	CONSTRAINT ck_finance_fiscal_year_ends_on_after_its_start CHECK (ends_on > starts_on),
	CONSTRAINT ck_finance_fiscal_year_status_known CHECK (status IN ('open', 'closed')),
	CONSTRAINT fk_finance_fiscal_year_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT uq_finance_fiscal_year_company_id_name UNIQUE (company_id, name),
	CONSTRAINT uq_finance_fiscal_year_company_id_starts_on UNIQUE (company_id, starts_on)
);
CREATE TABLE {s}.finance_invoice (
	company_id UUID NOT NULL,
	kind VARCHAR(40) NOT NULL,
	status VARCHAR(40) NOT NULL,
	number TEXT,
	reference TEXT,
	date DATE NOT NULL,
	delivered_on DATE,
	party_id UUID NOT NULL,
	party_name TEXT NOT NULL,
	currency VARCHAR(3) NOT NULL,
	rounding VARCHAR(40) NOT NULL,
	discount_percent NUMERIC NOT NULL,
	discount_amount NUMERIC NOT NULL,
	lines JSONB NOT NULL,
	figures JSONB NOT NULL,
	taxes JSONB NOT NULL,
	net NUMERIC NOT NULL,
	tax NUMERIC NOT NULL,
	total NUMERIC NOT NULL,
	withheld NUMERIC NOT NULL,
	payable NUMERIC NOT NULL,
	payment_term_id UUID,
	schedule JSONB NOT NULL,
	due_on DATE NOT NULL,
	credit_of_id UUID,
	credited JSONB NOT NULL,
	entry_id UUID,
	posted_at TIMESTAMP WITH TIME ZONE,
	source_id UUID,
	notes TEXT,
	issued JSONB,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[number, reference, party_name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_invoice PRIMARY KEY (id),
	CONSTRAINT ck_finance_invoice_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_invoice_discount_amount_scale CHECK (discount_amount = round(discount_amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_discount_amount_size CHECK (abs(discount_amount) < 1e20),
	CONSTRAINT ck_finance_invoice_discount_percent_least CHECK (discount_percent >= 0),
	CONSTRAINT ck_finance_invoice_discount_percent_most CHECK (discount_percent <= 100),
	CONSTRAINT ck_finance_invoice_discount_percent_scale CHECK (discount_percent = round(discount_percent, 6)),
	CONSTRAINT ck_finance_invoice_discount_percent_size CHECK (abs(discount_percent) < 1e3),
	CONSTRAINT ck_finance_invoice_entry_id_once_posted CHECK ((status IN ('draft', 'cancelled')) = (entry_id IS NULL)),
	CONSTRAINT ck_finance_invoice_kind_known CHECK (kind IN ('sales_invoice', 'credit_note', 'purchase_bill', 'debit_note')),
	CONSTRAINT ck_finance_invoice_net_scale CHECK (net = round(net, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_net_size CHECK (abs(net) < 1e20),
	CONSTRAINT ck_finance_invoice_payable_scale CHECK (payable = round(payable, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_payable_size CHECK (abs(payable) < 1e20),
	CONSTRAINT ck_finance_invoice_rounding_known CHECK (rounding IN ('round_per_line', 'round_globally')),
	CONSTRAINT ck_finance_invoice_source_id_of_sales_invoices CHECK (source_id IS NULL OR kind = 'sales_invoice'),
	CONSTRAINT ck_finance_invoice_status_known CHECK (status IN ('draft', 'posted', 'partly_paid', 'paid', 'reversed', 'written_off', 'cancelled')),
	CONSTRAINT ck_finance_invoice_tax_scale CHECK (tax = round(tax, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_tax_size CHECK (abs(tax) < 1e20),
	CONSTRAINT ck_finance_invoice_total_of_its_parts CHECK (total = net + tax AND payable = total - withheld),
	CONSTRAINT ck_finance_invoice_total_scale CHECK (total = round(total, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_total_size CHECK (abs(total) < 1e20),
	CONSTRAINT ck_finance_invoice_withheld_scale CHECK (withheld = round(withheld, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_invoice_withheld_size CHECK (abs(withheld) < 1e20),
	CONSTRAINT fk_finance_invoice_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_invoice_payment_term_id FOREIGN KEY(payment_term_id) REFERENCES {s}.finance_payment_term (id)
);
CREATE INDEX ix_finance_invoice_credit_of_id ON {s}.finance_invoice (credit_of_id);
CREATE INDEX ix_finance_invoice_date ON {s}.finance_invoice (company_id, date);
CREATE INDEX ix_finance_invoice_party_id ON {s}.finance_invoice (party_id, kind);
CREATE INDEX ix_finance_invoice_search ON {s}.finance_invoice USING gin (search);
CREATE INDEX ix_finance_invoice_status ON {s}.finance_invoice (status);
CREATE UNIQUE INDEX uq_finance_invoice_entry_id ON {s}.finance_invoice (entry_id) WHERE entry_id IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_invoice_number ON {s}.finance_invoice (company_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_invoice_reference ON {s}.finance_invoice (company_id, party_id, reference, total) WHERE kind = 'purchase_bill' AND status NOT IN ('cancelled', 'reversed') AND reference IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_invoice_source_id ON {s}.finance_invoice (source_id) WHERE source_id IS NOT NULL AND status NOT IN ('cancelled', 'reversed');
CREATE TABLE {s}.finance_letterhead (
	company_id UUID NOT NULL,
	language TEXT,
	color TEXT NOT NULL,
	tagline TEXT,
	footer TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_letterhead PRIMARY KEY (id),
	CONSTRAINT fk_finance_letterhead_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_letterhead_company_id ON {s}.finance_letterhead (company_id);
CREATE TABLE {s}.finance_lock_exception (
	company_id UUID NOT NULL,
	user_id UUID NOT NULL,
	scope VARCHAR(40) NOT NULL,
	reason TEXT NOT NULL,
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
	revoked_at TIMESTAMP WITH TIME ZONE,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_lock_exception PRIMARY KEY (id),
	CONSTRAINT ck_finance_lock_exception_expires_at_in_the_future CHECK (expires_at > created_at),
	CONSTRAINT ck_finance_lock_exception_scope_known CHECK (scope IN ('all', 'tax', 'sale', 'purchase')),
	CONSTRAINT fk_finance_lock_exception_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_lock_exception_user_id ON {s}.finance_lock_exception (user_id, company_id) WHERE revoked_at IS NULL;
CREATE TABLE {s}.finance_party_term (
	company_id UUID NOT NULL,
	party_id UUID NOT NULL,
	credit_limit NUMERIC,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_party_term PRIMARY KEY (id),
	CONSTRAINT ck_finance_party_term_credit_limit_least CHECK (credit_limit >= 0),
	CONSTRAINT ck_finance_party_term_credit_limit_most CHECK (credit_limit <= 1e+15),
	CONSTRAINT ck_finance_party_term_credit_limit_scale CHECK (credit_limit = round(credit_limit, 4)),
	CONSTRAINT ck_finance_party_term_credit_limit_size CHECK (abs(credit_limit) < 1e16),
	CONSTRAINT fk_finance_party_term_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE UNIQUE INDEX uq_finance_party_term ON {s}.finance_party_term (company_id, party_id) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_subscription (
	company_id UUID NOT NULL,
	name TEXT NOT NULL,
	status VARCHAR(40) NOT NULL,
	party_id UUID NOT NULL,
	party_name TEXT NOT NULL,
	currency VARCHAR(3) NOT NULL,
	lines JSONB NOT NULL,
	payment_term_id UUID,
	cadence VARCHAR(40) NOT NULL,
	interval BIGINT NOT NULL,
	end_of_month BOOLEAN NOT NULL,
	starts_on DATE NOT NULL,
	ends_on DATE,
	auto_post BOOLEAN NOT NULL,
	occurrences BIGINT NOT NULL,
	next_on DATE NOT NULL,
	failure TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name, party_name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_subscription PRIMARY KEY (id),
	CONSTRAINT ck_finance_subscription_cadence_known CHECK (cadence IN ('weeks', 'months', 'quarters', 'years')),
	CONSTRAINT ck_finance_subscription_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_subscription_ends_on_after_its_start CHECK (ends_on >= starts_on),
	CONSTRAINT ck_finance_subscription_interval_more_than_zero CHECK (interval > 0),
	CONSTRAINT ck_finance_subscription_status_known CHECK (status IN ('active', 'ended')),
	CONSTRAINT fk_finance_subscription_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_subscription_payment_term_id FOREIGN KEY(payment_term_id) REFERENCES {s}.finance_payment_term (id)
);
CREATE INDEX ix_finance_subscription_next_on ON {s}.finance_subscription (company_id, next_on) WHERE status = 'active';
CREATE INDEX ix_finance_subscription_party_id ON {s}.finance_subscription (party_id);
CREATE INDEX ix_finance_subscription_search ON {s}.finance_subscription USING gin (search);
CREATE TABLE {s}.finance_account_role (
	company_id UUID NOT NULL,
	role VARCHAR(40) NOT NULL,
	account_id UUID NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_account_role PRIMARY KEY (id),
	CONSTRAINT ck_finance_account_role_role_known CHECK (role IN ('receivable', 'payable', 'bank', 'cash', 'sales', 'purchases', 'cogs', 'stock', 'goods_received', 'suspense', 'write_off', 'rounding', 'fx_gain', 'fx_loss', 'unrealised_fx_gain', 'unrealised_fx_loss', 'capital', 'retained_earnings', 'opening_balance', 'tax_output', 'tax_input', 'tax_settlement', 'withholding_payable', 'withholding_receivable', 'customer_advances', 'supplier_advances', 'deferred_revenue', 'deferred_expense', 'accrued_revenue', 'accrued_expense', 'fixed_assets', 'accumulated_depreciation', 'depreciation', 'asset_disposal_gain', 'asset_disposal_loss', 'payroll_payable', 'payroll_tax', 'social_security', 'wages', 'stock_adjustment', 'cash_difference', 'discounts_given', 'discounts_taken', 'bank_charges', 'interest_income', 'interest_expense', 'income_tax', 'income_tax_payable', 'bad_debts', 'expense_claims', 'other_income', 'other_expense', 'intercompany')),
	CONSTRAINT fk_finance_account_role_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_account_role_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_account_role_account_id ON {s}.finance_account_role (account_id);
CREATE UNIQUE INDEX uq_finance_account_role ON {s}.finance_account_role (company_id, role) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_accounting_period (
	company_id UUID NOT NULL,
	fiscal_year_id UUID NOT NULL,
	name TEXT NOT NULL,
	starts_on DATE NOT NULL,
	ends_on DATE NOT NULL,
	status VARCHAR(40) NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_accounting_period PRIMARY KEY (id),
	CONSTRAINT ck_finance_accounting_period_ends_on_after_its_start CHECK (ends_on >= starts_on),
	CONSTRAINT ck_finance_accounting_period_status_known CHECK (status IN ('open', 'closed')),
	CONSTRAINT fk_finance_accounting_period_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_accounting_period_fiscal_year_id FOREIGN KEY(fiscal_year_id) REFERENCES {s}.finance_fiscal_year (id),
	CONSTRAINT uq_finance_accounting_period_company_id_starts_on UNIQUE (company_id, starts_on)
);
CREATE INDEX ix_finance_accounting_period_ends_on ON {s}.finance_accounting_period (company_id, ends_on);
CREATE INDEX ix_finance_accounting_period_fiscal_year_id ON {s}.finance_accounting_period (fiscal_year_id);
CREATE TABLE {s}.finance_bank_account (
	company_id UUID NOT NULL,
	account_id UUID NOT NULL,
	name TEXT NOT NULL,
	currency VARCHAR(3) NOT NULL,
	iban TEXT,
	bic TEXT,
	account_number TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name, iban]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_bank_account PRIMARY KEY (id),
	CONSTRAINT ck_finance_bank_account_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_bank_account_iban_or_account_number CHECK (num_nonnulls(iban, account_number) > 0),
	CONSTRAINT fk_finance_bank_account_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_bank_account_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_bank_account_search ON {s}.finance_bank_account USING gin (search);
CREATE UNIQUE INDEX uq_finance_bank_account_account_id ON {s}.finance_bank_account (account_id) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX uq_finance_bank_account_iban ON {s}.finance_bank_account (iban, currency) WHERE archived_at IS NULL AND iban IS NOT NULL;
CREATE TABLE {s}.finance_budget (
	company_id UUID NOT NULL,
	fiscal_year_id UUID NOT NULL,
	name TEXT NOT NULL,
	status VARCHAR(40) NOT NULL,
	control VARCHAR(40) NOT NULL,
	currency VARCHAR(3) NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_budget PRIMARY KEY (id),
	CONSTRAINT ck_finance_budget_control_known CHECK (control IN ('none', 'warn', 'refuse')),
	CONSTRAINT ck_finance_budget_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_budget_status_known CHECK (status IN ('draft', 'approved')),
	CONSTRAINT fk_finance_budget_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_budget_fiscal_year_id FOREIGN KEY(fiscal_year_id) REFERENCES {s}.finance_fiscal_year (id),
	CONSTRAINT uq_finance_budget_fiscal_year_id_name UNIQUE (fiscal_year_id, name)
);
CREATE INDEX ix_finance_budget_control ON {s}.finance_budget (company_id) WHERE status = 'approved' AND control <> 'none';
CREATE INDEX ix_finance_budget_search ON {s}.finance_budget USING gin (search);
CREATE TABLE {s}.finance_dunned_invoice (
	dunning_id UUID NOT NULL,
	invoice_id UUID NOT NULL,
	level BIGINT NOT NULL,
	date DATE NOT NULL,
	charged_until DATE,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_dunned_invoice PRIMARY KEY (id),
	CONSTRAINT fk_finance_dunned_invoice_dunning_id FOREIGN KEY(dunning_id) REFERENCES {s}.finance_dunning (id),
	CONSTRAINT fk_finance_dunned_invoice_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id),
	CONSTRAINT uq_finance_dunned_invoice_invoice_id_level UNIQUE (invoice_id, level)
);
CREATE INDEX ix_finance_dunned_invoice_dunning_id ON {s}.finance_dunned_invoice (dunning_id);
CREATE TABLE {s}.finance_dunning_block (
	invoice_id UUID NOT NULL,
	reason TEXT NOT NULL,
	until DATE,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_dunning_block PRIMARY KEY (id),
	CONSTRAINT fk_finance_dunning_block_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id)
);
CREATE UNIQUE INDEX uq_finance_dunning_block_invoice_id ON {s}.finance_dunning_block (invoice_id) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_journal (
	company_id UUID NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	type VARCHAR(40) NOT NULL,
	default_account_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_journal PRIMARY KEY (id),
	CONSTRAINT ck_finance_journal_type_known CHECK (type IN ('sale', 'purchase', 'bank', 'cash', 'general')),
	CONSTRAINT fk_finance_journal_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_journal_default_account_id FOREIGN KEY(default_account_id) REFERENCES {s}.finance_account (id)
);
CREATE UNIQUE INDEX uq_finance_journal_code ON {s}.finance_journal (company_id, code) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_reconcile_rule (
	company_id UUID NOT NULL,
	name TEXT NOT NULL,
	position BIGINT NOT NULL,
	label_contains TEXT,
	counterparty_account TEXT,
	amount_from NUMERIC,
	amount_to NUMERIC,
	account_id UUID,
	party_type VARCHAR(40),
	party_id UUID,
	tolerance NUMERIC NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_reconcile_rule PRIMARY KEY (id),
	CONSTRAINT ck_finance_reconcile_rule_account_id_or_party_id CHECK (num_nonnulls(account_id, party_id) = 1),
	CONSTRAINT ck_finance_reconcile_rule_amount_from_scale CHECK (amount_from = round(amount_from, 4)),
	CONSTRAINT ck_finance_reconcile_rule_amount_from_size CHECK (abs(amount_from) < 1e20),
	CONSTRAINT ck_finance_reconcile_rule_amount_from_up_to_amount_to CHECK (amount_from <= amount_to),
	CONSTRAINT ck_finance_reconcile_rule_amount_to_scale CHECK (amount_to = round(amount_to, 4)),
	CONSTRAINT ck_finance_reconcile_rule_amount_to_size CHECK (abs(amount_to) < 1e20),
	CONSTRAINT ck_finance_reconcile_rule_party_type_customer_or_supplier CHECK (party_type IN ('customer', 'supplier')),
	CONSTRAINT ck_finance_reconcile_rule_party_type_known CHECK (party_type IN ('customer', 'supplier', 'employee', 'other')),
	CONSTRAINT ck_finance_reconcile_rule_party_type_with_party_id CHECK ((party_id IS NULL) = (party_type IS NULL)),
	CONSTRAINT ck_finance_reconcile_rule_some_condition CHECK (num_nonnulls(label_contains, counterparty_account, amount_from, amount_to) > 0),
	CONSTRAINT ck_finance_reconcile_rule_tolerance_least CHECK (tolerance >= 0),
	CONSTRAINT ck_finance_reconcile_rule_tolerance_scale CHECK (tolerance = round(tolerance, 4)),
	CONSTRAINT ck_finance_reconcile_rule_tolerance_size CHECK (abs(tolerance) < 1e20),
	CONSTRAINT fk_finance_reconcile_rule_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_reconcile_rule_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id)
);
CREATE INDEX ix_finance_reconcile_rule_company_id ON {s}.finance_reconcile_rule (company_id, position);
CREATE INDEX ix_finance_reconcile_rule_search ON {s}.finance_reconcile_rule USING gin (search);
CREATE TABLE {s}.finance_subscription_invoice (
	subscription_id UUID NOT NULL,
	occurrence BIGINT NOT NULL,
	invoice_id UUID NOT NULL,
	date DATE NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_subscription_invoice PRIMARY KEY (id),
	CONSTRAINT fk_finance_subscription_invoice_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id),
	CONSTRAINT fk_finance_subscription_invoice_subscription_id FOREIGN KEY(subscription_id) REFERENCES {s}.finance_subscription (id),
	CONSTRAINT uq_finance_subscription_invoice_invoice_id UNIQUE (invoice_id),
	CONSTRAINT uq_finance_subscription_invoice_subscription_id_occurrence UNIQUE (subscription_id, occurrence)
);
CREATE TABLE {s}.finance_tax_rate (
	company_id UUID NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	type VARCHAR(40) NOT NULL,
	rate NUMERIC NOT NULL,
	scope VARCHAR(40) NOT NULL,
	price_included BOOLEAN NOT NULL,
	compound BOOLEAN NOT NULL,
	reverse_charge BOOLEAN NOT NULL,
	withholding BOOLEAN NOT NULL,
	category VARCHAR(40),
	exemption TEXT,
	members JSONB NOT NULL,
	boxes JSONB NOT NULL,
	account_id UUID,
	reverse_account_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_tax_rate PRIMARY KEY (id),
	CONSTRAINT ck_finance_tax_rate_category_known CHECK (category IN ('standard', 'zero', 'exempt', 'reverse_charge', 'intra_community', 'export', 'outside_scope')),
	CONSTRAINT ck_finance_tax_rate_category_of_its_rate CHECK (category IN ('standard') OR category IS NULL OR rate = 0 OR reverse_charge),
	CONSTRAINT ck_finance_tax_rate_compound_in_percent_alone CHECK (NOT (compound AND type = 'fixed')),
	CONSTRAINT ck_finance_tax_rate_members_of_groups_alone CHECK ((type = 'group') = (members <> '[]')),
	CONSTRAINT ck_finance_tax_rate_price_included_where_the_seller_charges_it CHECK (NOT (price_included AND (withholding OR reverse_charge))),
	CONSTRAINT ck_finance_tax_rate_rate_least CHECK (rate >= 0),
	CONSTRAINT ck_finance_tax_rate_rate_most CHECK (rate <= 1e+09),
	CONSTRAINT ck_finance_tax_rate_rate_scale CHECK (rate = round(rate, 6)),
	CONSTRAINT ck_finance_tax_rate_rate_size CHECK (abs(rate) < 1e12),
	CONSTRAINT ck_finance_tax_rate_scope_known CHECK (scope IN ('sale', 'purchase', 'both')),
	CONSTRAINT ck_finance_tax_rate_type_known CHECK (type IN ('percent', 'fixed', 'group')),
	CONSTRAINT ck_finance_tax_rate_withholding_or_reverse_charge CHECK (NOT (withholding AND reverse_charge)),
	CONSTRAINT fk_finance_tax_rate_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_tax_rate_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_tax_rate_reverse_account_id FOREIGN KEY(reverse_account_id) REFERENCES {s}.finance_account (id)
);
CREATE INDEX ix_finance_tax_rate_account_id ON {s}.finance_tax_rate (account_id);
CREATE INDEX ix_finance_tax_rate_search ON {s}.finance_tax_rate USING gin (search);
CREATE UNIQUE INDEX uq_finance_tax_rate_code ON {s}.finance_tax_rate (company_id, code) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_account_balance (
	company_id UUID NOT NULL,
	journal_id UUID NOT NULL,
	period_id UUID NOT NULL,
	account_id UUID NOT NULL,
	debit NUMERIC NOT NULL,
	credit NUMERIC NOT NULL,
	base_currency VARCHAR(3) NOT NULL,
	currency VARCHAR(3) NOT NULL,
	amount NUMERIC NOT NULL,
	cost_center_id UUID,
	project_id UUID,
	dimensions JSONB NOT NULL,
	dimension_key TEXT NOT NULL,
	lines BIGINT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_account_balance PRIMARY KEY (id),
	CONSTRAINT ck_finance_account_balance_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_account_balance_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_account_balance_base_currency_iso4217 CHECK (num_nulls(base_currency, nexus_cell.currency_scale(base_currency)) <> 1),
	CONSTRAINT ck_finance_account_balance_credit_least CHECK (credit >= 0),
	CONSTRAINT ck_finance_account_balance_credit_scale CHECK (credit = round(credit, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_account_balance_credit_size CHECK (abs(credit) < 1e20),
	CONSTRAINT ck_finance_account_balance_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_account_balance_debit_least CHECK (debit >= 0),
	CONSTRAINT ck_finance_account_balance_debit_scale CHECK (debit = round(debit, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_account_balance_debit_size CHECK (abs(debit) < 1e20),
	CONSTRAINT fk_finance_account_balance_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_account_balance_cost_center_id FOREIGN KEY(cost_center_id) REFERENCES {s}.finance_cost_center (id),
	CONSTRAINT fk_finance_account_balance_journal_id FOREIGN KEY(journal_id) REFERENCES {s}.finance_journal (id),
	CONSTRAINT uq_finance_account_balance_journal_id_period_id_account_8be8 UNIQUE (journal_id, period_id, account_id, currency, dimension_key)
)
 WITH (fillfactor = 70);
CREATE INDEX ix_finance_account_balance_account_id ON {s}.finance_account_balance (account_id, period_id);
CREATE INDEX ix_finance_account_balance_company_id ON {s}.finance_account_balance (company_id, period_id);
CREATE TABLE {s}.finance_bank_statement (
	bank_account_id UUID NOT NULL,
	file_format VARCHAR(40) NOT NULL,
	reference TEXT,
	since DATE NOT NULL,
	until DATE NOT NULL,
	currency VARCHAR(3) NOT NULL,
	opening NUMERIC,
	movement NUMERIC NOT NULL,
	closing NUMERIC,
	line_count BIGINT NOT NULL,
	digest TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[reference]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_bank_statement PRIMARY KEY (id),
	CONSTRAINT ck_finance_bank_statement_closing_of_opening_and_movement CHECK (opening + movement = closing),
	CONSTRAINT ck_finance_bank_statement_closing_scale CHECK (closing = round(closing, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_bank_statement_closing_size CHECK (abs(closing) < 1e20),
	CONSTRAINT ck_finance_bank_statement_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_bank_statement_file_format_known CHECK (file_format IN ('camt053', 'mt940', 'ofx', 'csv')),
	CONSTRAINT ck_finance_bank_statement_movement_scale CHECK (movement = round(movement, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_bank_statement_movement_size CHECK (abs(movement) < 1e20),
	CONSTRAINT ck_finance_bank_statement_opening_scale CHECK (opening = round(opening, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_bank_statement_opening_size CHECK (abs(opening) < 1e20),
	CONSTRAINT fk_finance_bank_statement_bank_account_id FOREIGN KEY(bank_account_id) REFERENCES {s}.finance_bank_account (id),
	CONSTRAINT uq_finance_bank_statement_bank_account_id_digest UNIQUE (bank_account_id, digest)
);
CREATE INDEX ix_finance_bank_statement_search ON {s}.finance_bank_statement USING gin (search);
CREATE INDEX ix_finance_bank_statement_until ON {s}.finance_bank_statement (bank_account_id, until);
CREATE TABLE {s}.finance_budget_line (
	budget_id UUID NOT NULL,
	account_id UUID NOT NULL,
	period_id UUID NOT NULL,
	cost_center_id UUID,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_budget_line PRIMARY KEY (id),
	CONSTRAINT ck_finance_budget_line_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_budget_line_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_budget_line_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT fk_finance_budget_line_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_budget_line_budget_id FOREIGN KEY(budget_id) REFERENCES {s}.finance_budget (id) ON DELETE CASCADE,
	CONSTRAINT fk_finance_budget_line_cost_center_id FOREIGN KEY(cost_center_id) REFERENCES {s}.finance_cost_center (id),
	CONSTRAINT fk_finance_budget_line_period_id FOREIGN KEY(period_id) REFERENCES {s}.finance_accounting_period (id)
);
CREATE INDEX ix_finance_budget_line_budget_id ON {s}.finance_budget_line (budget_id, account_id);
CREATE TABLE {s}.finance_journal_entry (
	company_id UUID NOT NULL,
	journal_id UUID NOT NULL,
	date DATE NOT NULL,
	status VARCHAR(40) NOT NULL,
	reference TEXT,
	memo TEXT,
	lines JSONB NOT NULL,
	source_entity TEXT,
	source_id UUID,
	reversal_of_id UUID,
	reversed_by_id UUID,
	number TEXT,
	sequence BIGINT,
	currency VARCHAR(3),
	total NUMERIC,
	fiscal_year_id UUID,
	period_id UUID,
	posted_at TIMESTAMP WITH TIME ZONE,
	posted_by UUID,
	position BIGINT,
	prev_hash TEXT,
	hash TEXT,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[reference]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_journal_entry PRIMARY KEY (id),
	CONSTRAINT ck_finance_journal_entry_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_journal_entry_source_entity_with_its_id CHECK ((source_entity IS NULL) = (source_id IS NULL)),
	CONSTRAINT ck_finance_journal_entry_status_known CHECK (status IN ('draft', 'posted', 'reversed')),
	CONSTRAINT ck_finance_journal_entry_total_scale CHECK (total = round(total, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_journal_entry_total_size CHECK (abs(total) < 1e20),
	CONSTRAINT fk_finance_journal_entry_journal_id FOREIGN KEY(journal_id) REFERENCES {s}.finance_journal (id),
	CONSTRAINT fk_finance_journal_entry_reversal_of_id FOREIGN KEY(reversal_of_id) REFERENCES {s}.finance_journal_entry (id)
);
CREATE INDEX ix_finance_journal_entry_journal_id ON {s}.finance_journal_entry (journal_id, date);
CREATE INDEX ix_finance_journal_entry_reversal ON {s}.finance_journal_entry (company_id, date) WHERE reversal_of_id IS NOT NULL OR reversed_by_id IS NOT NULL;
CREATE INDEX ix_finance_journal_entry_search ON {s}.finance_journal_entry USING gin (search);
CREATE INDEX ix_finance_journal_entry_source_id ON {s}.finance_journal_entry (source_id) WHERE source_id IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_journal_entry_number ON {s}.finance_journal_entry (company_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_journal_entry_position ON {s}.finance_journal_entry (journal_id, position) WHERE position IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_journal_entry_reversal_of_id ON {s}.finance_journal_entry (reversal_of_id) WHERE status <> 'draft';
CREATE TABLE {s}.finance_journal_head (
	journal_id UUID NOT NULL,
	company_id UUID NOT NULL,
	position BIGINT NOT NULL,
	hash TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_journal_head PRIMARY KEY (id),
	CONSTRAINT fk_finance_journal_head_journal_id FOREIGN KEY(journal_id) REFERENCES {s}.finance_journal (id),
	CONSTRAINT uq_finance_journal_head_journal_id UNIQUE (journal_id)
);
CREATE INDEX ix_finance_journal_head_company_id ON {s}.finance_journal_head (company_id);
CREATE TABLE {s}.finance_journal_series (
	journal_id UUID NOT NULL,
	fiscal_year_id UUID NOT NULL,
	last_number BIGINT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_journal_series PRIMARY KEY (id),
	CONSTRAINT fk_finance_journal_series_journal_id FOREIGN KEY(journal_id) REFERENCES {s}.finance_journal (id),
	CONSTRAINT uq_finance_journal_series_journal_id_fiscal_year_id UNIQUE (journal_id, fiscal_year_id)
);
CREATE TABLE {s}.finance_payment_file (
	bank_account_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	message_id TEXT NOT NULL,
	execute_on DATE NOT NULL,
	transfer_count BIGINT NOT NULL,
	total NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	content TEXT NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_payment_file PRIMARY KEY (id),
	CONSTRAINT ck_finance_payment_file_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_payment_file_status_known CHECK (status IN ('made', 'executed', 'cancelled')),
	CONSTRAINT ck_finance_payment_file_total_more_than_zero CHECK (total > 0),
	CONSTRAINT ck_finance_payment_file_total_scale CHECK (total = round(total, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_payment_file_total_size CHECK (abs(total) < 1e20),
	CONSTRAINT fk_finance_payment_file_bank_account_id FOREIGN KEY(bank_account_id) REFERENCES {s}.finance_bank_account (id)
);
CREATE INDEX ix_finance_payment_file_bank_account_id ON {s}.finance_payment_file (bank_account_id);
CREATE INDEX ix_finance_payment_file_status ON {s}.finance_payment_file (status);
CREATE UNIQUE INDEX uq_finance_payment_file_message_id ON {s}.finance_payment_file (message_id) WHERE archived_at IS NULL;
CREATE TABLE {s}.finance_asset (
	company_id UUID NOT NULL,
	name TEXT NOT NULL,
	status VARCHAR(40) NOT NULL,
	account_id UUID NOT NULL,
	accumulated_account_id UUID NOT NULL,
	expense_account_id UUID NOT NULL,
	cost_center_id UUID,
	invoice_id UUID,
	line BIGINT,
	acquired_on DATE NOT NULL,
	starts_on DATE NOT NULL,
	cost NUMERIC NOT NULL,
	residual_value NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	method VARCHAR(40) NOT NULL,
	factor NUMERIC,
	life_months BIGINT NOT NULL,
	parts JSONB NOT NULL,
	done BIGINT NOT NULL,
	depreciated NUMERIC NOT NULL,
	next_on DATE,
	entry_id UUID,
	disposed_on DATE,
	proceeds NUMERIC,
	disposal_entry_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[name]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_asset PRIMARY KEY (id),
	CONSTRAINT ck_finance_asset_cost_more_than_zero CHECK (cost > 0),
	CONSTRAINT ck_finance_asset_cost_scale CHECK (cost = round(cost, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_cost_size CHECK (abs(cost) < 1e20),
	CONSTRAINT ck_finance_asset_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_asset_depreciated_down_to_its_residual_value CHECK (depreciated BETWEEN 0 AND cost - residual_value),
	CONSTRAINT ck_finance_asset_depreciated_scale CHECK (depreciated = round(depreciated, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_depreciated_size CHECK (abs(depreciated) < 1e20),
	CONSTRAINT ck_finance_asset_depreciated_when_fully CHECK (status <> 'fully_depreciated' OR depreciated = cost - residual_value),
	CONSTRAINT ck_finance_asset_disposed_on_when_disposed CHECK ((status = 'disposed') = (disposed_on IS NOT NULL)),
	CONSTRAINT ck_finance_asset_factor_of_a_declining_balance CHECK ((method = 'declining_balance') = (factor IS NOT NULL)),
	CONSTRAINT ck_finance_asset_factor_scale CHECK (factor = round(factor, 4)),
	CONSTRAINT ck_finance_asset_factor_size CHECK (abs(factor) < 1e2),
	CONSTRAINT ck_finance_asset_method_known CHECK (method IN ('straight_line', 'declining_balance')),
	CONSTRAINT ck_finance_asset_next_on_while_in_use CHECK (status = 'in_use' OR next_on IS NULL),
	CONSTRAINT ck_finance_asset_proceeds_scale CHECK (proceeds = round(proceeds, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_proceeds_size CHECK (abs(proceeds) < 1e20),
	CONSTRAINT ck_finance_asset_residual_value_scale CHECK (residual_value = round(residual_value, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_residual_value_size CHECK (abs(residual_value) < 1e20),
	CONSTRAINT ck_finance_asset_residual_value_within_its_cost CHECK (residual_value BETWEEN 0 AND cost),
	CONSTRAINT ck_finance_asset_status_known CHECK (status IN ('draft', 'in_use', 'fully_depreciated', 'disposed')),
	CONSTRAINT fk_finance_asset_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_asset_accumulated_account_id FOREIGN KEY(accumulated_account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_asset_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_asset_cost_center_id FOREIGN KEY(cost_center_id) REFERENCES {s}.finance_cost_center (id),
	CONSTRAINT fk_finance_asset_disposal_entry_id FOREIGN KEY(disposal_entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_asset_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_asset_expense_account_id FOREIGN KEY(expense_account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_asset_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id)
);
CREATE INDEX ix_finance_asset_invoice_id ON {s}.finance_asset (invoice_id);
CREATE INDEX ix_finance_asset_next_on ON {s}.finance_asset (company_id, next_on) WHERE next_on IS NOT NULL;
CREATE INDEX ix_finance_asset_search ON {s}.finance_asset USING gin (search);
CREATE TABLE {s}.finance_deferral_schedule (
	company_id UUID NOT NULL,
	invoice_id UUID NOT NULL,
	line BIGINT NOT NULL,
	status VARCHAR(40) NOT NULL,
	starts_on DATE NOT NULL,
	ends_on DATE NOT NULL,
	spread VARCHAR(40) NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	recognised NUMERIC NOT NULL,
	parts JSONB NOT NULL,
	done BIGINT NOT NULL,
	next_on DATE,
	account_id UUID NOT NULL,
	deferred_account_id UUID NOT NULL,
	cost_center_id UUID,
	entry_id UUID NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_deferral_schedule PRIMARY KEY (id),
	CONSTRAINT ck_finance_deferral_schedule_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_deferral_schedule_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_deferral_schedule_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_deferral_schedule_next_on_while_running CHECK ((status = 'running') = (next_on IS NOT NULL)),
	CONSTRAINT ck_finance_deferral_schedule_recognised_scale CHECK (recognised = round(recognised, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_deferral_schedule_recognised_size CHECK (abs(recognised) < 1e20),
	CONSTRAINT ck_finance_deferral_schedule_recognised_when_done CHECK ((status = 'done') = (recognised = amount)),
	CONSTRAINT ck_finance_deferral_schedule_recognised_within_its_amount CHECK (recognised <= amount AND recognised >= 0),
	CONSTRAINT ck_finance_deferral_schedule_spread_known CHECK (spread IN ('days', 'equal')),
	CONSTRAINT ck_finance_deferral_schedule_status_known CHECK (status IN ('running', 'done')),
	CONSTRAINT fk_finance_deferral_schedule_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_deferral_schedule_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_deferral_schedule_cost_center_id FOREIGN KEY(cost_center_id) REFERENCES {s}.finance_cost_center (id),
	CONSTRAINT fk_finance_deferral_schedule_deferred_account_id FOREIGN KEY(deferred_account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_deferral_schedule_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_deferral_schedule_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id),
	CONSTRAINT uq_finance_deferral_schedule_invoice_id_line UNIQUE (invoice_id, line)
);
CREATE INDEX ix_finance_deferral_schedule_next_on ON {s}.finance_deferral_schedule (company_id, next_on) WHERE status = 'running';
CREATE TABLE {s}.finance_journal_line (
	entry_id UUID NOT NULL,
	position BIGINT NOT NULL,
	account_id UUID NOT NULL,
	date DATE NOT NULL,
	debit NUMERIC NOT NULL,
	credit NUMERIC NOT NULL,
	base_currency VARCHAR(3) NOT NULL,
	currency VARCHAR(3) NOT NULL,
	amount NUMERIC NOT NULL,
	rate NUMERIC NOT NULL,
	party_type VARCHAR(40),
	party_id UUID,
	due_date DATE,
	cost_center_id UUID,
	project_id UUID,
	dimensions JSONB NOT NULL,
	memo TEXT,
	residual NUMERIC,
	residual_base NUMERIC,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_journal_line PRIMARY KEY (id),
	CONSTRAINT ck_finance_journal_line_amount_on_the_same_side CHECK ((debit - credit) * amount >= 0),
	CONSTRAINT ck_finance_journal_line_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_journal_line_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_journal_line_base_currency_iso4217 CHECK (num_nulls(base_currency, nexus_cell.currency_scale(base_currency)) <> 1),
	CONSTRAINT ck_finance_journal_line_credit_least CHECK (credit >= 0),
	CONSTRAINT ck_finance_journal_line_credit_scale CHECK (credit = round(credit, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_journal_line_credit_size CHECK (abs(credit) < 1e20),
	CONSTRAINT ck_finance_journal_line_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_journal_line_debit_least CHECK (debit >= 0),
	CONSTRAINT ck_finance_journal_line_debit_or_credit CHECK (debit * credit = 0),
	CONSTRAINT ck_finance_journal_line_debit_or_credit_is_there CHECK (debit + credit > 0),
	CONSTRAINT ck_finance_journal_line_debit_scale CHECK (debit = round(debit, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_journal_line_debit_size CHECK (abs(debit) < 1e20),
	CONSTRAINT ck_finance_journal_line_party_id_with_its_type CHECK ((party_id IS NULL) = (party_type IS NULL)),
	CONSTRAINT ck_finance_journal_line_party_type_known CHECK (party_type IN ('customer', 'supplier', 'employee', 'other')),
	CONSTRAINT ck_finance_journal_line_rate_more_than_zero CHECK (rate > 0),
	CONSTRAINT ck_finance_journal_line_rate_scale CHECK (rate = round(rate, 10)),
	CONSTRAINT ck_finance_journal_line_rate_size CHECK (abs(rate) < 1e10),
	CONSTRAINT ck_finance_journal_line_residual_base_nothing_once_settled CHECK (residual <> 0 OR amount = 0 OR residual_base = 0),
	CONSTRAINT ck_finance_journal_line_residual_base_scale CHECK (residual_base = round(residual_base, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_journal_line_residual_base_size CHECK (abs(residual_base) < 1e20),
	CONSTRAINT ck_finance_journal_line_residual_base_within_its_value CHECK (residual_base * (debit - credit) >= 0 AND abs(residual_base) <= debit + credit AND (residual IS NULL) = (residual_base IS NULL)),
	CONSTRAINT ck_finance_journal_line_residual_scale CHECK (residual = round(residual, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_journal_line_residual_size CHECK (abs(residual) < 1e20),
	CONSTRAINT ck_finance_journal_line_residual_within_its_amount CHECK (residual * amount >= 0 AND abs(residual) <= abs(amount)),
	CONSTRAINT fk_finance_journal_line_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_journal_line_cost_center_id FOREIGN KEY(cost_center_id) REFERENCES {s}.finance_cost_center (id),
	CONSTRAINT fk_finance_journal_line_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT uq_finance_journal_line_entry_id_position UNIQUE (entry_id, position)
);
CREATE INDEX ix_finance_journal_line_account_id ON {s}.finance_journal_line (account_id, date, id);
CREATE INDEX ix_finance_journal_line_open ON {s}.finance_journal_line (account_id, party_id) WHERE residual <> 0 OR residual_base <> 0;
CREATE INDEX ix_finance_journal_line_party_id ON {s}.finance_journal_line (party_id, account_id, date) WHERE party_id IS NOT NULL;
CREATE TABLE {s}.finance_payment (
	company_id UUID NOT NULL,
	direction VARCHAR(40) NOT NULL,
	status VARCHAR(40) NOT NULL,
	method VARCHAR(40) NOT NULL,
	number TEXT NOT NULL,
	date DATE NOT NULL,
	party_type VARCHAR(40) NOT NULL,
	party_id UUID NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	rate NUMERIC NOT NULL,
	journal_id UUID NOT NULL,
	reference TEXT,
	entry_id UUID NOT NULL,
	bounce_entry_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[number, reference]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_payment PRIMARY KEY (id),
	CONSTRAINT ck_finance_payment_amount_least CHECK (amount >= 0),
	CONSTRAINT ck_finance_payment_amount_more_than_zero CHECK (amount > 0),
	CONSTRAINT ck_finance_payment_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_payment_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_payment_bounce_entry_id_once_bounced CHECK ((status = 'bounced') = (bounce_entry_id IS NOT NULL)),
	CONSTRAINT ck_finance_payment_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_payment_direction_known CHECK (direction IN ('received', 'made')),
	CONSTRAINT ck_finance_payment_method_known CHECK (method IN ('bank_transfer', 'cash', 'card', 'cheque', 'direct_debit', 'mobile_money', 'other')),
	CONSTRAINT ck_finance_payment_party_type_customer_or_supplier CHECK (party_type IN ('customer', 'supplier')),
	CONSTRAINT ck_finance_payment_party_type_known CHECK (party_type IN ('customer', 'supplier', 'employee', 'other')),
	CONSTRAINT ck_finance_payment_rate_scale CHECK (rate = round(rate, 10)),
	CONSTRAINT ck_finance_payment_rate_size CHECK (abs(rate) < 1e10),
	CONSTRAINT ck_finance_payment_status_known CHECK (status IN ('posted', 'bounced')),
	CONSTRAINT fk_finance_payment_bounce_entry_id FOREIGN KEY(bounce_entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_payment_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_payment_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_payment_journal_id FOREIGN KEY(journal_id) REFERENCES {s}.finance_journal (id),
	CONSTRAINT uq_finance_payment_entry_id UNIQUE (entry_id)
);
CREATE INDEX ix_finance_payment_journal_id ON {s}.finance_payment (journal_id);
CREATE INDEX ix_finance_payment_party_id ON {s}.finance_payment (party_id, date);
CREATE INDEX ix_finance_payment_search ON {s}.finance_payment USING gin (search);
CREATE INDEX ix_finance_payment_status ON {s}.finance_payment (status);
CREATE TABLE {s}.finance_write_off (
	company_id UUID NOT NULL,
	invoice_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	date DATE NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	reason TEXT NOT NULL,
	entry_id UUID NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_write_off PRIMARY KEY (id),
	CONSTRAINT ck_finance_write_off_amount_least CHECK (amount >= 0),
	CONSTRAINT ck_finance_write_off_amount_more_than_zero CHECK (amount > 0),
	CONSTRAINT ck_finance_write_off_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_write_off_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_write_off_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_write_off_status_known CHECK (status IN ('made', 'undone')),
	CONSTRAINT fk_finance_write_off_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_write_off_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_write_off_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id),
	CONSTRAINT uq_finance_write_off_entry_id UNIQUE (entry_id)
);
CREATE INDEX ix_finance_write_off_invoice_id ON {s}.finance_write_off (invoice_id);
CREATE TABLE {s}.finance_allocation (
	company_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	debit_line_id UUID NOT NULL,
	credit_line_id UUID NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	effective_from DATE,
	effective_until DATE,
	debit_base NUMERIC NOT NULL,
	credit_base NUMERIC NOT NULL,
	base_currency VARCHAR(3) NOT NULL,
	fx_entry_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_allocation PRIMARY KEY (id),
	CONSTRAINT ck_finance_allocation_amount_least CHECK (amount >= 0),
	CONSTRAINT ck_finance_allocation_amount_more_than_zero CHECK (amount > 0),
	CONSTRAINT ck_finance_allocation_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_allocation_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_allocation_base_currency_iso4217 CHECK (num_nulls(base_currency, nexus_cell.currency_scale(base_currency)) <> 1),
	CONSTRAINT ck_finance_allocation_credit_base_scale CHECK (credit_base = round(credit_base, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_allocation_credit_base_size CHECK (abs(credit_base) < 1e20),
	CONSTRAINT ck_finance_allocation_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_allocation_debit_base_and_credit_base_not_negative CHECK (debit_base >= 0 AND credit_base >= 0),
	CONSTRAINT ck_finance_allocation_debit_base_scale CHECK (debit_base = round(debit_base, nexus_cell.currency_scale(base_currency))),
	CONSTRAINT ck_finance_allocation_debit_base_size CHECK (abs(debit_base) < 1e20),
	CONSTRAINT ck_finance_allocation_debit_line_id_and_another CHECK (debit_line_id <> credit_line_id),
	CONSTRAINT ck_finance_allocation_effective_until_once_undone CHECK ((status = 'undone') = (effective_until IS NOT NULL)),
	CONSTRAINT ck_finance_allocation_fx_entry_id_of_a_difference CHECK ((debit_base = credit_base) = (fx_entry_id IS NULL)),
	CONSTRAINT ck_finance_allocation_status_known CHECK (status IN ('made', 'undone')),
	CONSTRAINT fk_finance_allocation_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_allocation_credit_line_id FOREIGN KEY(credit_line_id) REFERENCES {s}.finance_journal_line (id),
	CONSTRAINT fk_finance_allocation_debit_line_id FOREIGN KEY(debit_line_id) REFERENCES {s}.finance_journal_line (id),
	CONSTRAINT fk_finance_allocation_fx_entry_id FOREIGN KEY(fx_entry_id) REFERENCES {s}.finance_journal_entry (id)
);
CREATE INDEX ix_finance_allocation_credit_line_id ON {s}.finance_allocation (credit_line_id);
CREATE INDEX ix_finance_allocation_debit_line_id ON {s}.finance_allocation (debit_line_id);
CREATE INDEX ix_finance_allocation_effective_from ON {s}.finance_allocation (company_id, effective_from);
CREATE INDEX ix_finance_allocation_effective_until ON {s}.finance_allocation (company_id, effective_until) WHERE effective_until IS NOT NULL;
CREATE TABLE {s}.finance_asset_movement (
	company_id UUID NOT NULL,
	asset_id UUID NOT NULL,
	kind VARCHAR(40) NOT NULL,
	date DATE NOT NULL,
	cost NUMERIC NOT NULL,
	depreciation NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	account_id UUID NOT NULL,
	accumulated_account_id UUID NOT NULL,
	part BIGINT,
	depreciation_run_id UUID,
	entry_id UUID NOT NULL,
	taken_back BOOLEAN NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_asset_movement PRIMARY KEY (id),
	CONSTRAINT ck_finance_asset_movement_cost_scale CHECK (cost = round(cost, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_movement_cost_size CHECK (abs(cost) < 1e20),
	CONSTRAINT ck_finance_asset_movement_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_asset_movement_depreciation_scale CHECK (depreciation = round(depreciation, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_asset_movement_depreciation_size CHECK (abs(depreciation) < 1e20),
	CONSTRAINT ck_finance_asset_movement_kind_known CHECK (kind IN ('acquisition', 'depreciation', 'disposal')),
	CONSTRAINT fk_finance_asset_movement_account_id FOREIGN KEY(account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_asset_movement_accumulated_account_id FOREIGN KEY(accumulated_account_id) REFERENCES {s}.finance_account (id),
	CONSTRAINT fk_finance_asset_movement_asset_id FOREIGN KEY(asset_id) REFERENCES {s}.finance_asset (id),
	CONSTRAINT fk_finance_asset_movement_company_id FOREIGN KEY(company_id) REFERENCES {s}.finance_company (id),
	CONSTRAINT fk_finance_asset_movement_depreciation_run_id FOREIGN KEY(depreciation_run_id) REFERENCES {s}.finance_depreciation_run (id),
	CONSTRAINT fk_finance_asset_movement_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id)
);
CREATE INDEX ix_finance_asset_movement_asset_id ON {s}.finance_asset_movement (asset_id, date);
CREATE INDEX ix_finance_asset_movement_company_id ON {s}.finance_asset_movement (company_id, date);
CREATE INDEX ix_finance_asset_movement_entry_id ON {s}.finance_asset_movement (entry_id, id);
CREATE INDEX ix_finance_asset_movement_run_id ON {s}.finance_asset_movement (depreciation_run_id) WHERE depreciation_run_id IS NOT NULL;
CREATE UNIQUE INDEX uq_finance_asset_movement_part ON {s}.finance_asset_movement (asset_id, part) WHERE part IS NOT NULL AND NOT taken_back;
CREATE TABLE {s}.finance_bank_statement_line (
	bank_account_id UUID NOT NULL,
	bank_statement_id UUID NOT NULL,
	position BIGINT NOT NULL,
	status VARCHAR(40) NOT NULL,
	booked_on DATE NOT NULL,
	value_on DATE,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	counterparty_name TEXT,
	counterparty_account TEXT,
	text TEXT,
	bank_transaction_id TEXT NOT NULL,
	end_to_end_id TEXT,
	match JSONB,
	dismissed JSONB NOT NULL,
	payment_id UUID,
	entry_id UUID,
	write_off_ids JSONB NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[counterparty_name, counterparty_account, text, end_to_end_id]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_bank_statement_line PRIMARY KEY (id),
	CONSTRAINT ck_finance_bank_statement_line_amount_of_something CHECK (amount <> 0),
	CONSTRAINT ck_finance_bank_statement_line_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_bank_statement_line_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_bank_statement_line_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_bank_statement_line_status_known CHECK (status IN ('unmatched', 'suggested', 'matched', 'reconciled')),
	CONSTRAINT fk_finance_bank_statement_line_bank_account_id FOREIGN KEY(bank_account_id) REFERENCES {s}.finance_bank_account (id),
	CONSTRAINT fk_finance_bank_statement_line_bank_statement_id FOREIGN KEY(bank_statement_id) REFERENCES {s}.finance_bank_statement (id),
	CONSTRAINT fk_finance_bank_statement_line_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT fk_finance_bank_statement_line_payment_id FOREIGN KEY(payment_id) REFERENCES {s}.finance_payment (id),
	CONSTRAINT uq_finance_bank_statement_line_bank_account_id_bank_tra_2c61 UNIQUE (bank_account_id, bank_transaction_id)
);
CREATE INDEX ix_finance_bank_statement_line_bank_statement_id ON {s}.finance_bank_statement_line (bank_statement_id);
CREATE INDEX ix_finance_bank_statement_line_booked_on ON {s}.finance_bank_statement_line (bank_account_id, booked_on, id);
CREATE INDEX ix_finance_bank_statement_line_open ON {s}.finance_bank_statement_line (bank_account_id) WHERE status <> 'reconciled';
CREATE INDEX ix_finance_bank_statement_line_payment_id ON {s}.finance_bank_statement_line (payment_id);
CREATE INDEX ix_finance_bank_statement_line_search ON {s}.finance_bank_statement_line USING gin (search);
CREATE TABLE {s}.finance_deferral_entry (
	deferral_schedule_id UUID NOT NULL,
	part BIGINT NOT NULL,
	date DATE NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	entry_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_deferral_entry PRIMARY KEY (id),
	CONSTRAINT ck_finance_deferral_entry_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_deferral_entry_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_deferral_entry_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT fk_finance_deferral_entry_deferral_schedule_id FOREIGN KEY(deferral_schedule_id) REFERENCES {s}.finance_deferral_schedule (id),
	CONSTRAINT fk_finance_deferral_entry_entry_id FOREIGN KEY(entry_id) REFERENCES {s}.finance_journal_entry (id),
	CONSTRAINT uq_finance_deferral_entry_deferral_schedule_id_part UNIQUE (deferral_schedule_id, part)
);
CREATE TABLE {s}.finance_payment_file_transfer (
	payment_file_id UUID NOT NULL,
	invoice_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	creditor_name TEXT NOT NULL,
	creditor_iban TEXT NOT NULL,
	creditor_bic TEXT,
	end_to_end_id TEXT NOT NULL,
	payment_id UUID,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	search TSVECTOR GENERATED ALWAYS AS (nexus_cell.words(ARRAY[end_to_end_id]::text[], ARRAY[]::jsonb[])) STORED,
	CONSTRAINT pk_finance_payment_file_transfer PRIMARY KEY (id),
	CONSTRAINT ck_finance_payment_file_transfer_amount_more_than_zero CHECK (amount > 0),
	CONSTRAINT ck_finance_payment_file_transfer_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_payment_file_transfer_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_payment_file_transfer_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_payment_file_transfer_status_known CHECK (status IN ('ordered', 'closed')),
	CONSTRAINT fk_finance_payment_file_transfer_invoice_id FOREIGN KEY(invoice_id) REFERENCES {s}.finance_invoice (id),
	CONSTRAINT fk_finance_payment_file_transfer_payment_file_id FOREIGN KEY(payment_file_id) REFERENCES {s}.finance_payment_file (id),
	CONSTRAINT fk_finance_payment_file_transfer_payment_id FOREIGN KEY(payment_id) REFERENCES {s}.finance_payment (id)
);
CREATE INDEX ix_finance_payment_file_transfer_payment_file_id ON {s}.finance_payment_file_transfer (payment_file_id);
CREATE INDEX ix_finance_payment_file_transfer_search ON {s}.finance_payment_file_transfer USING gin (search);
CREATE UNIQUE INDEX uq_finance_payment_file_transfer_invoice_id ON {s}.finance_payment_file_transfer (invoice_id) WHERE status = 'ordered';
CREATE TABLE {s}.finance_bank_reconciliation (
	bank_statement_line_id UUID NOT NULL,
	journal_line_id UUID NOT NULL,
	status VARCHAR(40) NOT NULL,
	amount NUMERIC NOT NULL,
	currency VARCHAR(3) NOT NULL,
	id UUID NOT NULL,
	created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	created_by UUID,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	updated_by UUID,
	version INTEGER DEFAULT '1' NOT NULL,
	archived_at TIMESTAMP WITH TIME ZONE,
	tags JSONB NOT NULL,
	external_refs JSONB NOT NULL,
	custom JSONB NOT NULL,
	CONSTRAINT pk_finance_bank_reconciliation PRIMARY KEY (id),
	CONSTRAINT ck_finance_bank_reconciliation_amount_of_something CHECK (amount <> 0),
	CONSTRAINT ck_finance_bank_reconciliation_amount_scale CHECK (amount = round(amount, nexus_cell.currency_scale(currency))),
	CONSTRAINT ck_finance_bank_reconciliation_amount_size CHECK (abs(amount) < 1e20),
	CONSTRAINT ck_finance_bank_reconciliation_currency_iso4217 CHECK (num_nulls(currency, nexus_cell.currency_scale(currency)) <> 1),
	CONSTRAINT ck_finance_bank_reconciliation_status_known CHECK (status IN ('made', 'undone')),
	CONSTRAINT fk_finance_bank_reconciliation_bank_statement_line_id FOREIGN KEY(bank_statement_line_id) REFERENCES {s}.finance_bank_statement_line (id),
	CONSTRAINT fk_finance_bank_reconciliation_journal_line_id FOREIGN KEY(journal_line_id) REFERENCES {s}.finance_journal_line (id)
);
CREATE INDEX ix_finance_bank_reconciliation_bank_statement_line_id ON {s}.finance_bank_reconciliation (bank_statement_line_id);
CREATE UNIQUE INDEX uq_finance_bank_reconciliation_journal_line_id ON {s}.finance_bank_reconciliation (journal_line_id) WHERE status = 'made';
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

-- An invoice comes to its dunning levels one by one.
CREATE FUNCTION {s}.finance_dunning_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.level <> 1 + coalesce((SELECT max(level) FROM {s}.finance_dunned_invoice WHERE invoice_id = NEW.invoice_id), 0) THEN
        PERFORM {s}.finance_refuse('DunningLevelSkipped', jsonb_build_object('level', NEW.level));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rises BEFORE INSERT ON {s}.finance_dunned_invoice FOR EACH ROW EXECUTE FUNCTION {s}.finance_dunning_rises();

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
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {s}.finance_billing_profile, {s}.finance_company, {s}.finance_exchange_rate, {s}.finance_payment_term, {s}.finance_account, {s}.finance_cost_center, {s}.finance_depreciation_run, {s}.finance_dunning, {s}.finance_dunning_level, {s}.finance_fiscal_year, {s}.finance_invoice, {s}.finance_letterhead, {s}.finance_lock_exception, {s}.finance_party_term, {s}.finance_subscription, {s}.finance_account_role, {s}.finance_accounting_period, {s}.finance_bank_account, {s}.finance_budget, {s}.finance_dunned_invoice, {s}.finance_dunning_block, {s}.finance_journal, {s}.finance_reconcile_rule, {s}.finance_subscription_invoice, {s}.finance_tax_rate, {s}.finance_account_balance, {s}.finance_bank_statement, {s}.finance_budget_line, {s}.finance_journal_entry, {s}.finance_journal_head, {s}.finance_journal_series, {s}.finance_payment_file, {s}.finance_asset, {s}.finance_deferral_schedule, {s}.finance_journal_line, {s}.finance_payment, {s}.finance_write_off, {s}.finance_allocation, {s}.finance_asset_movement, {s}.finance_bank_statement_line, {s}.finance_deferral_entry, {s}.finance_payment_file_transfer, {s}.finance_bank_reconciliation TO {s};
