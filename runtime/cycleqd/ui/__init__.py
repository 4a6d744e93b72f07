"""The live page: runs below a folder or an S3 prefix in a browser, read-only (``docs/ui.md``).

Arrows inside point one way. `frozen` refuses writes and remembers what never changes, `finding`
looks for runs, `reading` makes of a run's documents the views of `views`, `watching` does that for
many runs at once and not too often; `heatmap` and `chart` are geometry; `pages` and `documents`
turn views into HTML and JSON; `app` and `serving` answer requests.
"""
