"""Tools for agents: every operation as a tool of the Model Context Protocol, under the caller's own rights, and no more of them than a session leaves.

catalogue.py   every operation as a tool: words, schemas, hints
schemas.py     what tools take and answer, as JSON Schema
session.py     who asks, by which agent, and what is taken away
listing.py     the tools, page by page
finding.py     the tools that find tools
arguments.py   from what a model sends to what an operation takes
invocation.py  one call: confirmation, dry run, result, refusal
sealing.py     what clients keep for us
resources.py   records, lists and reports by address
guide.py       a service as a text for a model
prompts.py     where a person may begin
server.py      the SDK's kernel and what it is given
http.py        one POST, one answer

Nothing here is imported before the first request to `/mcp`: the SDK takes half a second and fifty megabytes.
"""
