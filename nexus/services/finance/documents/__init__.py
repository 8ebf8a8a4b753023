"""What an invoice is given out as.

statement.py   what is in it              one statement reads it, and what has been posted alone is given out
wording.py     its words                  labels by language; numbers and days as a language writes them
pages.py       what is printed where      from figures to texts
typesetting.py the PDF                    texts into invoice.typ, which is all there is of layout
semantics.py   the e-invoice              what EN 16931 has words for, and what is missing for it
ubl.py cii.py  its two syntaxes           nested elements of xml.py
factur_x.py    the PDF that holds one
"""
