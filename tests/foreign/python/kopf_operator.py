"""An operator with kopf: handlers of a custom resource with a finalizer, a status, and a child. It tries itself."""

import asyncio
import base64
import os
import ssl

import aiohttp
import kopf

SPACE = os.environ["NAMESPACE"]
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "ships.kopf.example.com"},
    "spec": {
        "group": "kopf.example.com",
        "scope": "Namespaced",
        "names": {"plural": "ships", "singular": "ship", "kind": "Ship"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
SHIPS = f"/apis/kopf.example.com/v1/namespaces/{SPACE}/ships"
MAPS = f"/api/v1/namespaces/{SPACE}/configmaps"
ready, stop, told = asyncio.Event(), asyncio.Event(), asyncio.Queue()


@kopf.on.create("kopf.example.com", "v1", "ships")
async def launched(name, spec, patch, **_):
    child = {"metadata": {"name": name}, "data": {"sails": str(spec["sails"])}}
    kopf.adopt(child)
    await call("POST", MAPS, child)
    patch.status["afloat"] = True
    return {"sails": spec["sails"]}


@kopf.on.update("kopf.example.com", "v1", "ships", field="spec.sails")
async def rigged(name, old, new, **_):
    await call("PATCH", f"{MAPS}/{name}", {"data": {"sails": str(new)}})
    told.put_nowait(f"rigged: {old} to {new}")


@kopf.on.delete("kopf.example.com", "v1", "ships")
async def sunk(name, **_):
    await call("DELETE", f"{MAPS}/{name}", None)
    told.put_nowait("sunk")


@kopf.on.event("kopf.example.com", "v1", "ships")
async def seen(type, status, meta, **_):
    if type == "DELETED":
        told.put_nowait("gone")
    elif status.get("launched") and meta["generation"] == 1:
        told.put_nowait(f"launched: {status['launched']} {status['afloat']} {meta['finalizers']}")


@kopf.on.startup()
async def connected(settings, memo, **_):
    settings.posting.enabled = False
    settings.persistence.finalizer = "kopf.example.com/finalizer"


async def call(method, path, body):
    """Ask the server, as kopf's own credentials do."""
    headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
    async with session.request(method, path, json=body, headers=headers) as answer:
        assert answer.status < 300 or answer.status == 404, await answer.text()
        return await answer.json()


async def next_told(beginning):
    """Return what was told next that begins so; others are repetitions."""
    async with asyncio.timeout(60):
        while not (word := await told.get()).startswith(beginning):
            pass
    print(word, flush=True)


def connect():
    """A session with the credentials of the kubeconfig, as kopf reads them."""
    login = kopf.login_with_kubeconfig(settings=kopf.OperatorSettings())
    trust = ssl.create_default_context(cadata=base64.b64decode(login.ca_data).decode() if login.ca_data else None)
    trust.check_hostname = not login.insecure
    trust.verify_mode = ssl.CERT_NONE if login.insecure else ssl.CERT_REQUIRED
    headers = {"Authorization": f"Bearer {login.token}"}
    return aiohttp.ClientSession(login.server, headers=headers, connector=aiohttp.TCPConnector(ssl=trust))


async def main():
    global session
    session = connect()
    async with session:
        await call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
        await call("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        running = asyncio.create_task(kopf.operator(namespace=SPACE, standalone=True, ready_flag=ready, stop_flag=stop))
        await ready.wait()
        await call(
            "POST",
            SHIPS,
            {"apiVersion": "kopf.example.com/v1", "kind": "Ship", "metadata": {"name": "one"}, "spec": {"sails": 2}},
        )
        await next_told("launched")
        await call("PATCH", f"{SHIPS}/one", {"spec": {"sails": 3}})
        await next_told("rigged")
        child = await call("GET", f"{MAPS}/one", None)
        print("child:", child["data"], child["metadata"]["ownerReferences"][0]["kind"])
        await call("DELETE", f"{SHIPS}/one", None)
        await next_told("sunk")
        await next_told("gone")
        print("left:", (await call("GET", SHIPS, None))["items"])
        stop.set()
        await running


asyncio.run(main())
