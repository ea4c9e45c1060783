"""A consumer of /openapi/v3: pydantic models generated from the server's document are what is sent and what is read."""

import importlib.util
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import yaml

SPACE = os.environ["NAMESPACE"]


def connect():
    """A client of what the kubeconfig names."""
    import base64

    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context()
    if "certificate-authority-data" in cluster:
        trust.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    else:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return httpx.Client(
        base_url=cluster["server"], verify=trust, headers={"Authorization": f"Bearer {user['token']}"}, timeout=60
    )


def models_of(document):
    """A module of pydantic models, generated from a document as a build would do it."""
    Path("document.json").write_text(json.dumps(document))
    generator = [
        sys.executable,
        "-m",
        "datamodel_code_generator",
        "--input",
        "document.json",
        "--input-file-type",
        "openapi",
    ]
    options = [
        "--output",
        "models",
        "--output-model-type",
        "pydantic_v2.BaseModel",
        "--formatters",
        "builtin",
        "--disable-timestamp",
        "--use-default",
    ]
    subprocess.run([*generator, *options], check=True)
    sys.path.insert(0, os.getcwd())
    return importlib.import_module("models.io.k8s.api.apps.v1")


def main():
    server = connect()
    paths = server.get("/openapi/v3").json()["paths"]
    document = server.get(paths["apis/apps/v1"]["serverRelativeURL"]).json()
    print(
        "document:",
        document["openapi"],
        document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["post"]["operationId"],
    )
    apps = models_of(document)
    server.post("/api/v1/namespaces", json={"metadata": {"name": SPACE}}).raise_for_status()
    labels = {"app": "web"}
    wanted = apps.Deployment.model_validate(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": "example/web:1"}]},
                },
            },
        }
    )
    path = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
    answer = server.post(path, json=wanted.model_dump(mode="json", by_alias=True, exclude_none=True))
    answer.raise_for_status()
    made = apps.Deployment.model_validate(answer.json())
    print("made:", made.spec.replicas, made.spec.strategy.type, made.spec.template.spec.containers[0].imagePullPolicy)
    found = apps.DeploymentList.model_validate(server.get(path).json())
    print("found:", [item.metadata.name for item in found.items])
    try:
        apps.Deployment.model_validate({"spec": {"selector": {}}})
    except ValueError as missing:
        print("refused here:", [error["loc"] for error in missing.errors()])


main()
