"""GraphQL, derived: one schema per service from its declarations, and queries compiled to one statement whose result is the response.

names.py       how declarations are called in GraphQL
model.py       the graph: its types and fields with what each stands for
values.py      types of commands, answers and structured fields
records.py     the types of an entity: record, connection, filter, order
reports.py     reports as fields of the query
changes.py     commands and changes of records as mutations, with their refusals
graph.py       the graph of some services, whole or as a federated subgraph
sdl.py         the graph as the text that a gateway composes
schema.py      the graph as the library knows it, for validation and introspection
documents.py   documents parsed, validated and kept; limits on them
given.py       arguments: literals and variables, and which of them a statement can bind
pages.py       pages of records in SQL: conditions, order, cursors
questions.py    what the arguments of a report ask
selection.py   selection sets: what is asked of a value, in its order
plans.py       what an operation is compiled to
compiling.py   from selections to SQL
queries.py     answering queries
mutations.py   answering mutations
service.py     the door: a request in, a response out
"""
