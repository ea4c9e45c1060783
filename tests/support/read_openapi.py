"""
Read OpenAPI documents as a consumer does that knows nothing of Kubernetes: `python read_openapi.py FILE ...`.

For the environment that `make openapi-spec-validator` makes. Prints a line for each mistake in a document; the exit
status is 1 if there is one. Let pass is only a default, {} or "", that is not what its schema asks for: so real servers
publish their kinds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def _mistakes(document: dict[str, Any]) -> list[str]:
    from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator

    validator = OpenAPIV2SpecValidator if "swagger" in document else OpenAPIV30SpecValidator
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator(document).iter_errors()
        if not (error.validator in ("required", "enum") and error.instance in ({}, ""))
    ]


def main() -> int:
    """Read the files named on the command line."""
    found = [f"{name}: {line}" for name in sys.argv[1:] for line in _mistakes(json.loads(Path(name).read_text()))]
    sys.stdout.write("\n".join(found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
