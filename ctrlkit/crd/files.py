"""CustomResourceDefinitions in files: finds the one of a kind, and holds it against the types of its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ctrlkit.crd.differences import disagreements, outdated_parts
from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource


def read_definition(path: str | Path, resource: AnyResource) -> dict[str, Any]:
    """
    Return the CustomResourceDefinition of a kind from a YAML file, which may hold other objects too.

    Errors  ConfigError for a file that cannot be read, is no YAML, or holds no definition of the kind.
    """
    try:
        documents = list(yaml.safe_load_all(Path(path).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"read the definition of {resource} from {path}: {error}") from error
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"read the definition of {resource} from {path}: it is no YAML: {problem}") from error
    items = [item for one in documents if isinstance(one, dict) for item in (one.get("items") or [one])]
    found = [item for item in items if isinstance(item, dict) and item.get("kind") == "CustomResourceDefinition"]
    for item in found:
        if (item.get("metadata") or {}).get("name") == str(resource):
            return item
    names = ", ".join(str((item.get("metadata") or {}).get("name")) for item in found) or "no definition"
    raise ConfigError(f"read the definition of {resource} from {path}: the file has {names}; name the file that has it")


def assert_definition(path: str | Path, *versions: AnyResource, exact: bool = False) -> None:
    """
    For a test: the definition in a file and the Python types of its versions agree about the objects.

        def test_the_definition_is_what_the_class_reads():
            assert_definition("deploy/crd.yaml", GREETINGS)

    With `exact` the file says no more and no less than definition_of makes.
    Errors  AssertionError with a line for each difference; ConfigError as read_definition.
    """
    __tracebackhide__ = True
    found: list[str] = []
    for one in versions:
        found += [f"{one.version}: {difference}" for difference in disagreements(one, read_definition(path, one))]
    if exact and not found:
        outdated = outdated_parts(read_definition(path, versions[0]), *versions)
        found += [f"{part} is not what the class gives; write the file anew with `ctrlkit crd`" for part in outdated]
    if found:
        raise AssertionError("\n".join([f"{path} and the class of {versions[0].kind} disagree:", *found]))
