"""The surfaces derived from declarations: tables, wire types, statements, permissions, REST, OpenAPI."""
