"""Examples, put together from those of the fields."""

from typing import Any

from marshmallow import Schema, fields, missing


def example(schema: Schema) -> dict[str, Any]:
    """One object as the schema reads or writes it: all fields that have an example of their own."""
    found = {}
    for name, field in schema.fields.items():
        value = _value(field)
        if value is not missing:
            found[field.data_key or name] = value
    return found


def _value(field: fields.Field[Any]) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.List):
        inner = _value(field.inner)
        return [] if inner is missing else [inner]
    if isinstance(field, fields.Nested):
        inner_example = example(field.schema)
        return [inner_example] if field.many else inner_example
    return None if field.allow_none and field.required else missing
