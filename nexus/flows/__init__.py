"""What spans services: what one of them does because of what another one tells.

A file is one flow, a function one step of it: `@on(DealBillable, host="finance")` runs in the process and the transaction of its host, for the tenants
that use the host, and sends the host's own commands. So a step and the note that it is done are kept together or not at all, and what undoes a step
is a step of its own, on the event that takes the first one back. Of services a flow knows their `api` alone; no service knows of a flow.

deals_to_invoices.py    a deal that is won becomes the draft of an invoice, and sales sees what becomes of it
"""
