"""Gilometer's explaining wing: from a run directory to figures, sentences, charts and one page.

It reads what the measuring wing wrote and never measures; whatever it makes can be made again from the raw data.
"""
