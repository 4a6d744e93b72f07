"""What the parts of a manifest are made of: names, URIs, numbers in quotes, and their base class.

Kubernetes API conventions ask for no floats in a spec, since clients in other languages round them
differently. So a fraction is written as a decimal in quotes (``maxScale: "0.3"``) and is a plain
``float`` in Python. Each value has one spelling in the canonical form, `decimal_text`.

A bare number is refused in documents only, that is where validation has the context `DOCUMENT`:
``Mutation(max_scale=0.3)`` in Python and stores of the first release stay readable.
"""

from __future__ import annotations

import decimal
import re
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
)
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

DOCUMENT: Final = {"document": True}
"""Validation context of what a user wrote: decimals must be quoted."""

DECIMAL_FORMAT: Final = "decimal"
"""The ``format`` of a decimal in the JSON schema; its ``minimum`` and the like bound the value."""

DECIMAL_PATTERN: Final = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,20})?$"
"""How a decimal is written: no sign, no exponent."""

PATTERN_FORMAT: Final = "regex"
"""The ``format`` of a regular expression of Python in the JSON schema."""

NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""An RFC 1123 label."""

OBJECT_NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
"""The name of a Kubernetes object, which may hold dots."""

MAX_NAME: Final = 40
"""Longest name of a run, an expert or a task, so that names made from it stay below 63."""

LABEL_VALUE_PATTERN: Final = r"^([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?$"
"""The value of a Kubernetes label."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=MAX_NAME)]
Label = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=63)]
ObjectName = Annotated[
    str, StringConstraints(pattern=OBJECT_NAME_PATTERN, min_length=1, max_length=253)
]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE_PATTERN, max_length=63)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    Field(json_schema_extra={"format": PATTERN_FORMAT}),
]


def pattern_problem(text: str | None) -> str | None:
    """What is wrong with a regular expression, None where it is one or there is none."""
    try:
        re.compile(text or "")
    except (re.error, RecursionError, OverflowError) as error:
        return f"{text!r} is no regular expression of Python ({error}); correct it"
    return None


def decimal_text(value: float) -> str:
    """The one spelling of a number in canonical documents: ``0.3``, ``1``, ``0.00003``."""
    text = format(decimal.Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class QuotedDecimal:
    """Marks a float that documents write as a decimal in quotes; stands after its bounds."""

    def __get_pydantic_core_schema__(
        self, source: type[float], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            _number,
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                decimal_text, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        node = dict(handler(schema))
        return node | {
            "type": "string",
            "format": DECIMAL_FORMAT,
            "pattern": DECIMAL_PATTERN,
            "maxLength": 32,
        }


def _number(value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    if isinstance(value, str):
        if not re.fullmatch(DECIMAL_PATTERN, value):
            raise ValueError("not a decimal")
        number: object = float(value)
    elif info.context == DOCUMENT:
        raise ValueError("a decimal without quotes")
    else:
        number = value
    try:
        return handler(number)
    except ValidationError as error:  # so that the fault shows what was written
        raise ValueError("out of range") from error


DECIMAL: Final = QuotedDecimal()

Fraction = Annotated[float, Field(ge=0, le=1), DECIMAL]


class Model(BaseModel):
    """Base of all parts: frozen, camelCase in documents, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )
