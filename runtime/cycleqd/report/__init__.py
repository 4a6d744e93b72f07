"""The report of a run: heatmaps, curves, lineage and the final table, as one page and PNG files.

It knows nothing of stores. Whoever has a run fills `cycleqd.report.data.ReportData` and calls
`cycleqd.report.write.write_report`; a report can hence be made again at any time, of an unfinished
run too. Drawing needs the ``report`` extra (matplotlib, jinja2); the data model does not.

- ``data``: what a report tells, as plain frozen dataclasses
- ``theme``: colours for light and dark
- ``drawing``: the one way to a figure and its PNG
- ``heatmaps``, ``marks``, ``curves``, ``accuracy``: pictures by matplotlib
- ``lineage``: who descends from whom, as SVG
- ``summary``, ``knowledge``, ``life``: the sentences and numbers of the page, decided from the data
- ``page``: the HTML
- ``write``: files
"""
