"""CRM: the people and companies we know, the leads that may buy, the deals they may make, and what was said and promised meanwhile.

terms.py       the words of the field           enums, and the values kept inside records; those of billing in billing_terms.py
entities/      what it keeps                    parties, leads, deals, quotes, activities, planning, clocks
flows.py       how it may change                lead, deal, quote, activity, call, response clock
api/           what others may use              commands and events: the only door
commands/      rules when asked                 one file per family: convert, merge, stages, quotes, scoring …
reactions/     rules when told                  a new lead gets an owner, a clock and a score; how it ends teaches the score
rules/         what several of them share       business time, scorecards, conditions, duplicates
queries/       reports                          pipeline, forecast, conversion, response times …
policies.py    who may do and see what          admin, manager, representative, viewer
seeds/         what a preset plants             the ground, and sample data on request

What it does, and what waits for other services, is told in docs/services/crm.md.
"""

from nexus.core import Service

service = Service("crm", title="Customers and sales", group="customers", needs=("auth",))
