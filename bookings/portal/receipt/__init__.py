"""The receipt of a stay: its lines of the ledger and its booking's account, as a page, on paper and as a PDF.

`facts` gathers, `paper` puts it into words, `pdf` draws them, `pages` shows them. Page and PDF say the same, since both
are made of the same words. No kWh and no amount is computed here: they are the ledger's and the bill's.
"""
