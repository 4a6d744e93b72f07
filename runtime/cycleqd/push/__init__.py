"""Members on their way to where others find them: an S3 prefix, the Hugging Face hub, MLflow.

`destinations` reads what a user writes; every other module is one kind of place. A push writes a
*label* first, which says whose place this is, and the model card last, which says that all is
there: repeated, it goes on or finds nothing to do, and it never mixes two models.
"""
