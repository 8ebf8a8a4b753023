"""One tenant, whole: read in one snapshot, written in one transaction. What backup, restore, clone and move are made of.

parts       what there is to copy: the service's own tables, the platform's tables in the schema, the tenant's rows in nexus_cell
reading     a snapshot of a cell, and its parts as streams of CSV
masking     what stands in for personal data in a masked copy
archive     the file: a zip of CSVs with a manifest of versions, row counts and checksums
writing     a new schema filled from such streams, in one transaction
"""
