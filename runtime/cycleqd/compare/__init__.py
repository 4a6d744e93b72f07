"""Comparing manifests: every one run with every seed, the chosen models on held-out items, tables.

What ``cycleqd compare`` does. All runs are kept, each in a store of its own, and every held-out
evaluation in a small file, so that a comparison that was killed goes on where it stood and ends
with the same tables.

- ``agreement``: which manifests and seeds may be compared
- ``trials``: the runs, admitted before the first of them begins
- ``reading``: what a finished run's store tells: costs, archives, outcomes
- ``held_out``: chosen models on held-out items, each set of weights once
- ``statistics``, ``preferences``, ``curves``: pure: means, paired errors; who is the best for whom;
  progress against cost
- ``comparing``: from trials to the comparison's document
- ``documents``: ``compare.json`` and the stored evaluations
- ``markdown``, ``csv_table``, ``picture``, ``write``: files
"""
