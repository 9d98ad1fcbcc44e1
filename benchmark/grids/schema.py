"""The JSON schema of grid files, made from `Grid`."""

from __future__ import annotations

import json
from typing import Any

from benchmark.certificates.registry import CERTIFICATES
from benchmark.grids.model import SHIPPED, Grid
from benchmark.grids.names import REGISTRIES, names

SCHEMA_FILE = SHIPPED / "grid.schema.json"


def schema_text() -> str:
    """Return the JSON schema of grid files, with all names for an editor to complete.

    `grids/grid.schema.json` contains this text as it is without plug-ins.
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **{key: _without_const_types(part) for key, part in Grid.model_json_schema().items()},
    }
    for properties in (schema["properties"], schema["$defs"]["Block"]["properties"]):
        for key in REGISTRIES:
            _add_names(properties[key], names(key))
        properties["certify"]["anyOf"].insert(0, {"enum": list(CERTIFICATES)})
        (many,) = (part for part in properties["certify"]["anyOf"] if part.get("type") == "array")
        _add_names(many, list(CERTIFICATES))
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _add_names(schema: dict[str, Any], known: list[str]) -> None:
    """Name the known texts beside any text, in a list of entries that may also be null."""
    if "anyOf" in schema:
        schema = next(part for part in schema["anyOf"] if part.get("type") == "array")
    others = schema["items"].get("anyOf", [schema["items"]])
    schema["items"] = {"anyOf": [{"enum": known}, *others]}


def _without_const_types(schema: object) -> object:
    """Drop the `type` beside a `const`, which only newer versions of pydantic write."""
    if isinstance(schema, list):
        return [_without_const_types(part) for part in schema]
    if isinstance(schema, dict):
        return {
            key: _without_const_types(part)
            for key, part in schema.items()
            if not (key == "type" and "const" in schema)
        }
    return schema
