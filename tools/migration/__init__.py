"""Makes the migrations of a service: `python -m tools.migration crm` writes version 1, `… crm lead_score` the next one as a difference.

make migration SERVICE=crm                    version 1 again, from the declarations: while nothing is released
make migration SERVICE=crm NAME=lead_score    the next version: what is declared and not made by the versions before
python -m tools.migration --check             whether version 1 of each service that has only that is what it declares (no database)
"""
