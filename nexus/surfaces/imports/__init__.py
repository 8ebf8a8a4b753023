"""Imports: files of any size into records, derived for every entity. docs/decisions/0013-import.md says why it works as it does.

asked         what an import was asked to do: the parameters
source        the bytes of a file in whole lines, with the place reached
reading       those lines as records: NDJSON and CSV
columns       which column of a CSV file is which field
rows          records as checked rows of a statement
keys          what the database will refuse, and what tells duplicates: as SQL over a row
case          what the text of that statement depends on
statement     the one statement that a batch is
outcome       what happened to the rows: the parts of that statement which write
job           a whole import: batches in order, cut off and resumed
undo          taking an import back
"""
