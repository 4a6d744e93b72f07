"""The operator's decisions, against an imagined cluster."""  # noqa: A005 - it is tests.operator
