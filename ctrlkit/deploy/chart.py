"""The Helm chart of a program: its objects as templates, and the values that fill them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from ctrlkit.crd.manifest import dump
from ctrlkit.deploy.description import Description
from ctrlkit.deploy.names import Names
from ctrlkit.deploy.objects import GENERATED, Part, parts_of
from ctrlkit.deploy.places import ABSENT, Block, Place, Tree, When, from_values, template
from ctrlkit.deploy.program import METRICS_PORT, seconds_to_end
from ctrlkit.deploy.values import schema_of, values_of, values_text
from ctrlkit.deploy.workload import scheme
from ctrlkit.manager.settings import Settings
from ctrlkit.names import PROGRAM_MAX

_YAML_HEAD: Final = f"# {GENERATED}: what is changed here is lost when it is run again.\n"
_TEMPLATE_HEAD: Final = f"{{{{- /* {GENERATED}: what is changed here is lost when it is run again. */ -}}}}\n"
_VALUES_HEAD: Final = f"# {GENERATED}: write values of your own to another file, and name it with `helm --values`.\n"

_KINDS: Final = """\
{{- if not .Values.crds.install }}

Its kinds are not part of this release; they have to be there: @KINDS@.
{{- else if .Values.crds.keep }}

When the release is uninstalled its kinds stay, with all their objects: @KINDS@.
{{- end }}"""


def chart_files(described: Description) -> dict[str, str]:
    """Return the files of the chart, by their paths in its folder."""
    values = values_of(described)
    made = {
        "Chart.yaml": _YAML_HEAD + dump(_chart(described)),
        "values.yaml": _VALUES_HEAD + values_text(values),
        "values.schema.json": _json(schema_of(values, described.program)),
        "templates/_helpers.tpl": _TEMPLATE_HEAD + _filled("_helpers.tpl", described),
        "templates/NOTES.txt": _TEMPLATE_HEAD + _filled("NOTES.txt", described),
        "templates/tests/ready.yaml": _TEMPLATE_HEAD + "".join(_documents(_ready_test(described))),
    }
    for part in parts_of(described):
        made[f"templates/{part.name}.yaml"] = _TEMPLATE_HEAD + "".join(_template_of(part))
    return dict(sorted(made.items()))


def _json(value: Any) -> str:
    return json.dumps({"$comment": f"{GENERATED}.", **value}, indent=2) + "\n"


def _chart(described: Description) -> dict[str, Any]:
    program = described.program
    return {
        "apiVersion": "v2",
        "name": program.name,
        "description": program.description or f"Runs {program.name} in a cluster.",
        "type": "application",
        "version": chart_version(program.version),
        "appVersion": program.version,
        "kubeVersion": program.kube_version,
    }


def chart_version(version: str) -> str:
    """
    Return a version as helm takes it, three numbers and what comes after.

    >>> chart_version("1.2"), chart_version("1.2.0rc1"), chart_version("2024.1.0.dev3"), chart_version("edge")
    ('1.2.0', '1.2.0-rc1', '2024.1.0-dev3', '0.0.0-edge')
    """
    numbers: list[str] = []
    rest = version.removeprefix("v")
    while len(numbers) < 3:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(str(int(digits)))
        rest = rest[len(digits) :]
        if not rest.startswith("."):
            break
        rest = rest[1:]
    numbers += ["0"] * (3 - len(numbers))
    rest = rest.strip(".-_+").replace("_", "-").replace("+", "-")
    return ".".join(numbers) + (f"-{rest}" if rest else "")


def _filled(name: str, described: Description) -> str:
    """A text of the chart, with what is the program's own in it."""
    usual = Settings()
    rest = seconds_to_end(usual) - usual.grace_s - usual.renew_s
    kinds = ", ".join(one["metadata"]["name"] for one in described.definitions)
    text = files("ctrlkit.deploy").joinpath("texts", name).read_text(encoding="utf-8")
    replaced = {
        "@KINDS@": _KINDS.replace("@KINDS@", kinds) if kinds else "",
        "@NAME@": described.program.name,
        "@NAME_MAX@": str(PROGRAM_MAX),
        "@WEBHOOKS_ADDRESS@": usual.webhooks_address,
        "@GRACE_S@": f"{usual.grace_s:g}",
        "@RENEW_S@": f"{usual.renew_s:g}",
        "@REST_S@": f"{rest:g}",
    }
    for mark, value in replaced.items():
        text = text.replace(mark, value)
    return text.rstrip("\n") + "\n"


def _template_of(part: Part) -> Iterator[str]:
    for tree in part.objects:
        yield from _documents(When(f"if $.Values.{part.option}.enabled", tree) if part.option else tree)


def _documents(tree: Tree) -> Iterator[str]:
    """The text of objects, each of which begins a document where conditions let it be one."""
    match tree:
        case When():
            yield f"{{{{- {tree.opening} }}}}\n"
            yield from _documents(tree.body)
            if tree.otherwise is not ABSENT:
                yield "{{- else }}\n"
                yield from _documents(tree.otherwise)
            yield "{{- end }}\n"
        case list():
            for one in tree:
                yield from _documents(one)
        case _:
            yield f"---\n{template(tree)}"


def _ready_test(described: Description) -> Tree:
    """A pod that `helm test` runs: it asks the metrics Service whether the program is ready."""
    program = described.program
    names = Names(program)
    url = Place(
        f'printf "%s://%s-metrics.%s:{METRICS_PORT}/readyz" ({scheme(program, "https", "http").expression}) '
        f"({names.included('fullname')}) $.Release.Namespace | quote",
        "",
    )
    ask = (
        "import ssl, sys, urllib.request; "
        "urllib.request.urlopen(sys.argv[1], timeout=10, context=ssl._create_unverified_context())"
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **names.metadata("-test-ready"),
            "annotations": {
                "helm.sh/hook": "test",
                "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "imagePullSecrets": from_values("imagePullSecrets"),
            "securityContext": Block("toYaml $.Values.podSecurityContext"),
            "containers": [
                {
                    "name": "ask",
                    "image": Place(f"{names.included('image')} | quote", ""),
                    "imagePullPolicy": Place("$.Values.image.pullPolicy", ""),
                    "command": ["python", "-c", ask],
                    "args": [url],
                    "securityContext": Block("toYaml $.Values.securityContext"),
                    "resources": Block("toYaml $.Values.resources"),
                }
            ],
        },
    }
    return When("if $.Values.metrics.service", pod)
