"""pykube-ng: requests underneath, an object's changes sent as a patch, tables, watches that end when they are left."""

import os

import pykube
import requests

SPACE = os.environ["NAMESPACE"]
LABELS = {"app": "web"}


def refused(call, *arguments, **options):
    """Return the code of the refusal that a call must meet."""
    try:
        call(*arguments, **options)
    except pykube.exceptions.HTTPError as refusal:
        return refusal.code
    except requests.HTTPError as refusal:
        return refusal.response.status_code
    raise AssertionError("it was not refused")


def main():
    api = pykube.HTTPClient(pykube.KubeConfig.from_env())
    pykube.Namespace(api, {"metadata": {"name": SPACE}}).create()
    print("version:", api.version[0] == "1")
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    web = pykube.Deployment(api, {"metadata": {"name": "web", "namespace": SPACE}, "spec": spec})
    web.create()
    web.scale(replicas=0)
    web.labels["tier"] = "front"
    web.update()
    web.patch({"metadata": {"annotations": {"note": "yes"}}})
    print("deployment:", web.replicas, web.labels, web.annotations["note"], refused(web.create))

    settings = pykube.ConfigMap(
        api, {"metadata": {"name": "a", "namespace": SPACE, "labels": LABELS}, "data": {"k": "1"}}
    )
    settings.create()
    version = settings.metadata["resourceVersion"]
    settings.obj["data"]["k"] = "2"
    settings.update()
    settings.obj["data"]["k"] = "3"
    settings.update(is_strategic=False)
    settings.delete()
    for change in pykube.ConfigMap.objects(api, namespace=SPACE).filter(selector=LABELS).watch(since=version):
        print("watched:", change.type, change.object.obj["data"])
        if change.type == "DELETED":
            break
    pykube.Secret(api, {"metadata": {"name": "key", "namespace": SPACE}, "stringData": {"word": "hi"}}).create()
    secrets = pykube.Secret.objects(api, namespace=SPACE)
    table = secrets.as_table()
    print("table:", [column["name"] for column in table.columns], table.rows[0]["cells"][:3])
    print("secret:", secrets.get(name="key").obj["data"], secrets.get_or_none(name="no"))

    jobs = pykube.object_factory(api, "batch/v1", "Job")
    job = jobs(
        api,
        {
            "metadata": {"name": "once", "namespace": SPACE},
            "spec": {"suspend": True, "template": template | {"spec": template["spec"] | {"restartPolicy": "Never"}}},
        },
    )
    job.create()
    print("job:", job.obj["spec"]["completions"], job.exists())
    job.delete(propagation_policy="Background")
    pod = pykube.Pod(api, {"metadata": {"name": "absent", "namespace": SPACE}})
    print("absent:", refused(pod.logs), refused(pod.reload), pod.exists())


main()
