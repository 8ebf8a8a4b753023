"""How one sentence about a business is read, without a model and without a network.

tokens.py       text → words that can be compared: without case, accents and articles that stick to them
phrases.py      the words of the vocabulary, and where they stand in a sentence
clauses.py      what is denied, what is sold, for whom, and which noun of several is the head
trades.py       the industry and how sure it is
places.py       country and time zone
particulars.py  name, size, domain, languages, currency, modules
"""
