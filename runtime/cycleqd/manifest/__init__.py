"""What a run is: the manifest's models, its rules, and how it is read and continued.

`reader` is the door; `model` holds the documents; nothing here needs numpy or a network.
"""
