"""CustomResourceDefinitions in files: finds the one of a kind, and holds it against the types of its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ctrlkit.crd.checks import refusals
from ctrlkit.crd.differences import disagreements, outdated_parts
from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource


def read_definition(path: str | Path, resource: AnyResource) -> dict[str, Any]:
    """
    Return the CustomResourceDefinition of a kind from a YAML file, which may hold other objects too.

    Errors  ConfigError for a file that cannot be read, is no YAML, or holds no definition of the kind.
    """
    tried = f"read the definition of {resource} from {path}"
    found = items_in(path, "CustomResourceDefinition", tried=tried)
    for item in found:
        if _name(item) == str(resource):
            _check_form(item, tried)
            return item
    names = ", ".join(map(_name, found)) or "no definition"
    raise ConfigError(f"{tried}: the file has {names}; name the file that has it")


def items_in(path: str | Path, *kinds: str, tried: str, remedy: str = "") -> list[dict[str, Any]]:
    """
    Return the objects of some kinds in a YAML file, those of lists one by one.

    Errors  ConfigError, which begins with what was tried, for a file that is no YAML, or cannot be read; `remedy` ends
            the message then.
    """
    try:
        documents = list(yaml.safe_load_all(Path(path).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{tried}: {error}{remedy}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{tried}: it is no YAML: {' '.join(str(error).split())}") from error
    items = [item for one in documents if isinstance(one, dict) for item in (one.get("items") or [one])]
    return [item for item in items if isinstance(item, dict) and item.get("kind") in kinds]


def _name(item: dict[str, Any]) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("name") if isinstance(metadata, dict) else None)


def _check_form(item: dict[str, Any], tried: str) -> None:
    """Refuse what is no definition in the form of apiextensions.k8s.io/v1. Errors: ConfigError."""
    spec = item.get("spec")
    versions = spec.get("versions") if isinstance(spec, dict) else None
    if not isinstance(versions, list) or not all(isinstance(one, dict) and one.get("name") for one in versions):
        raise ConfigError(f"{tried}: it has no list of versions with names; it must be of apiextensions.k8s.io/v1")
    for one in versions:
        schema = one.get("schema")
        if not isinstance(schema, dict) or not _is_schema(schema.get("openAPIV3Schema")):
            raise ConfigError(
                f"{tried}: version {one['name']} has no schema that could be read; look at openAPIV3Schema"
            )


def _is_schema(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    properties, required = schema.get("properties", {}), schema.get("required", [])
    below = [
        schema[name]
        for name in ("items", "additionalProperties")
        if name in schema and not isinstance(schema[name], bool)
    ]
    return (
        isinstance(properties, dict)
        and isinstance(required, list)
        and all(map(_is_schema, [*properties.values(), *below]))
    )


def assert_definition(path: str | Path, *versions: AnyResource, exact: bool = False, reader: bool = False) -> None:
    """
    For a test: the definition in a file and the Python types of its versions agree about the objects.

        def test_the_definition_is_what_the_class_reads():
            assert_definition("deploy/crd.yaml", GREETINGS)

    With `exact` the file says no more and no less than definition_of makes. A `reader` is a class that does not own the
    kind: what the definition refuses beyond the class is no difference to it. A definition that a server would refuse,
    for a rule in CEL or a default beyond its limits, is told where the extra `fakes` is installed.
    Errors  AssertionError with a line for each difference; ConfigError as read_definition.
    """
    __tracebackhide__ = True
    found: list[str] = []
    definitions = [read_definition(path, one) for one in versions]
    for one, definition in zip(versions, definitions, strict=True):
        told = disagreements(one, definition, owned=not reader)
        found += [f"{one.version}: {difference}" for difference in told]
    if not found:
        refused = refusals(definitions[0])
        found += [f"a server refuses the definition: {one}" for one in refused]
    if exact and not found:
        outdated = outdated_parts(definitions[0], *versions)
        found += [f"{part} is not what the class gives; write the file anew with `ctrlkit crd`" for part in outdated]
    if found:
        raise AssertionError("\n".join([f"{path} and the class of {versions[0].kind} disagree:", *found]))
