"""Model cards: what a reader of a pushed model should know of how it came to be.

`facts` reads a run's documents, `text` writes the card from them, and acts on nothing.
"""
