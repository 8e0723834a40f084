"""A document against a JSON schema; every broken rule becomes a finding at its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mersearch.cluster.document import Document, Finding
from mersearch.space.problem import did_you_mean


def broken(document: Document, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for every rule of `schema` that the document breaks; a misspelt key names the closest one."""
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)
    for error in sorted(validator.iter_errors(document.value), key=lambda error: str(list(error.path))):
        path = tuple(error.path)
        where = ".".join(map(str, path)) or "the file"
        if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
            known = list(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - set(known)):
                fix = did_you_mean(str(key), known)
                yield Finding(document.line(*path, str(key)), f"{where} has no key {key}", str(key), fix)
        elif error.validator == "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            for key in missing:
                yield Finding(document.line(*path), f"{where} must have {key}", "nothing", f"add {key}")
        else:
            received = str(error.instance)
            shown = f"{received[:80]}…" if len(received) > 80 else received
            yield Finding(document.line(*path), f"{where}: {_rule(error)}", shown, "see the shipped file")


def _rule(error: Any) -> str:
    expected = error.validator_value
    if error.validator == "pattern" and "description" in error.schema:
        return f"must be {error.schema['description']}"
    if error.validator == "type":
        return f"must be {expected if isinstance(expected, str) else ' or '.join(expected)}"
    if error.validator in ("enum", "const"):
        values = expected if isinstance(expected, list) else [expected]
        return f"must be {' or '.join(map(str, values))}"
    words = {"minimum": "must be at least", "maximum": "must be at most", "pattern": "must match"}
    return f"{words.get(error.validator, f'breaks {error.validator}')} {expected}"
