"""A rule in the Common Expression Language, which the API server checks when an object is written.

Before it accepts the definition, the API server estimates what each rule may cost from the bounds
of lists and texts. It knows no bound of a text that a function made (``join``, ``string``,
``orValue``), so rules compare fields themselves, and messages are constant: beside each, the server
prints the value that was refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

VALIDATIONS = "x-kubernetes-validations"

Reason = Literal["FieldValueInvalid", "FieldValueForbidden"]
"""Kinds of fault; the API server would print no message beside ``FieldValueDuplicate``."""


@dataclass(frozen=True)
class Rule:
    """A validation rule.

    Attributes:
        rule: the expression, true where the value at ``self`` is right. One that reads ``oldSelf``
            is checked on updates only.
        message: what is said otherwise: what must hold, and the remedy.
        field: the field at fault as a path from the rule's place; empty for the place itself.
        reason: the kind of fault, for programs.
    """

    rule: str
    message: str
    field: str = ""
    reason: Reason = "FieldValueInvalid"

    def schema(self) -> dict[str, Any]:
        """The rule as an element of ``x-kubernetes-validations``."""
        written = {
            "rule": self.rule,
            "message": self.message,
            "fieldPath": self.field,
            "reason": self.reason,
        }
        return {key: text for key, text in written.items() if text}


def quoted(text: str) -> str:
    """A text as a CEL string."""
    return json.dumps(text)


def matches(value: str, pattern: str) -> str:
    """Whether the whole of a text has a form."""
    return f"{value}.matches({quoted(f'^({pattern})$')})"
