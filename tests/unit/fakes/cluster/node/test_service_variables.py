"""The variables that tell of Services, as a kubelet makes them."""

from __future__ import annotations

from typing import Any

from ctrlkit.fakes.cluster.node.service_variables import service_variables


def service(name: str, namespace: str = "demo", address: str = "10.0.0.9", *ports: dict[str, Any]) -> dict[str, Any]:
    """A Service with an address."""
    found = list(ports) or [{"port": 80, "protocol": "TCP"}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "ports": found}}


API = service("kubernetes", "default", "10.0.0.1", {"name": "https", "port": 443, "protocol": "TCP"})


def test_each_service_of_the_namespace_has_an_address_a_port_and_links() -> None:
    """The first port has the names without its own; each named one has a name more."""
    ports = ({"name": "http-web", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"})
    assert service_variables([service("my-web", "demo", "10.0.0.9", *ports)], "demo", links=True) == {
        "MY_WEB_SERVICE_HOST": "10.0.0.9",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP_WEB": "80",
        "MY_WEB_SERVICE_PORT_DNS": "53",
        "MY_WEB_PORT": "tcp://10.0.0.9:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.0.0.9:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.0.0.9",
        "MY_WEB_PORT_53_UDP": "udp://10.0.0.9:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.0.0.9",
    }


def test_the_server_is_told_of_everywhere_others_in_their_namespace_and_where_links_are_wanted() -> None:
    """Services without an address are not told of."""
    headless = service("peers", address="None")
    services = [API, service("web"), service("far", "other"), headless, service("outside", address="")]
    hosts = {name for name in service_variables(services, "demo", links=True) if name.endswith("_SERVICE_HOST")}
    assert hosts == {"KUBERNETES_SERVICE_HOST", "WEB_SERVICE_HOST"}
    assert service_variables(services, "demo", links=False)["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"
    assert "WEB_SERVICE_HOST" not in service_variables(services, "demo", links=False)


def test_a_namespaces_own_service_kubernetes_hides_the_servers() -> None:
    """It has the same names of variables."""
    own = service("kubernetes", address="10.0.0.8")
    for services in ([API, own], [own, API]):
        assert service_variables(services, "demo", links=True)["KUBERNETES_SERVICE_HOST"] == "10.0.0.8"


def test_an_address_with_colons_stands_in_brackets_in_links() -> None:
    found = service_variables([service("web", address="fd00::9")], "demo", links=True)
    assert found["WEB_PORT"] == "tcp://[fd00::9]:80"
    assert found["WEB_PORT_80_TCP_ADDR"] == "fd00::9"
