"""OpenTelemetry traces of a run: a trace for each of its stages, off unless an endpoint is named.

A stage is one generation or one final table. A trace of a whole run would last for days, have its
root only at the end, and be larger than what stores and pages of traces take; a generation lasts
minutes and is what one asks about. Each root has a link to the stage whose archive it follows from.

Nobody tells anybody which trace a span belongs to. Its ids follow from what the run's processes
know anyway (`cycleqd.tracing.roots`), so coordinator and workers meet in one trace and not one
stored byte differs from those of an untraced run.
"""
