"""Finance: the general ledger of each company, its accounts, journals, fiscal years and locks.

terms.py       the words of the field           enums, and the values kept inside records; those of a part of it in …_terms.py
entities/      what it keeps                    companies, accounts, journals, years, rates; entries, balances; invoices, payments; subscriptions, assets, budgets; banks
invariants/    what always holds                posting, numbers, chains, balances and locks; payments and what they settle; assets; banks: in the database itself
flows.py       how it may change                entries, years and periods, invoices, payments, subscriptions; lines of banks, payment files
api/           what others may use              commands and events: the only door
bank_files/    what banks send                  statements read from CAMT.053, MT940, OFX and CSV
commands/      rules when asked                 entries, years, closing, revaluation; invoices, posting them, what settles them; dunning, subscriptions; assets; banking
rules/         what several of them share       refusals, conversion, the calendar of a fiscal year, the chain; what an invoice comes to and how it is booked
queries/       reports                          trial balance, general ledger, profit and loss, balance sheet, cash flow, ageing, partner ledger, taxes, proof
documents/     what is given out               the invoice as its customer gets it
policies.py    who may do what                  accountant, bookkeeper, treasurer, auditor
seeds.py       what a preset plants             a company with its chart, roles, journals, taxes, terms and this fiscal year
"""

from nexus.core import Service

service = Service("finance", title="Finance", group="money", needs=("auth",))
