"""The JSON schema of grid files, made from `Grid`."""

from __future__ import annotations

import json

from benchmark.grids.model import SHIPPED, Grid

SCHEMA_FILE = SHIPPED / "grid.schema.json"


def schema_text() -> str:
    """Return the JSON schema of grid files; `grids/grid.schema.json` contains this text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **{key: _without_const_types(part) for key, part in Grid.model_json_schema().items()},
    }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


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
