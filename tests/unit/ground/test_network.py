import copy

import pytest

from ordertrainer.ground import network
from ordertrainer.ground.errors import GroundError

NEAR = [
    {"ifname": "lo", "ifindex": 1},
    {"ifname": "host0", "ifindex": 2, "link_index": 9, "link_netnsid": 0, "linkinfo": {"info_kind": "veth"}},
    {"ifname": "svc0", "ifindex": 3, "link_index": 4, "link_netnsid": 1, "linkinfo": {"info_kind": "veth"}},
]
FAR = [{"ifname": "lo", "ifindex": 1}, {"ifname": "peer0", "ifindex": 4, "link_index": 3}, {"ifname": "line", "ifindex": 5}]
FAR_ROUTES = ["10.98.0.0/24 dev peer0 proto kernel scope link src 10.98.0.2"]


@pytest.mark.parametrize(
    ("route", "out"),
    [
        ("10.99.1.0/24 dev host0 proto kernel scope link src 10.99.1.2", False),
        ("10.97.0.0/24 via 10.98.0.2 dev svc0", False),
        ("10.97.0.0/24 via 10.98.0.2 dev svc0 metric 20", False),
        ("default via 10.98.0.2 dev svc0", True),
        ("default dev svc0 scope link", True),
        ("10.97.0.0/24 via 10.99.1.1 dev host0", True),
        ("10.97.0.0/24 via 10.98.0.2 dev svc00", True),
        ("nexthop via 10.99.1.1 dev host0 weight 1", True),
        ("via 10.99.1.1 dev host0", True),
        ("2001:db8::/32 via fe80::1 dev svc0 metric 1024 pref medium", True),
    ],
)
def test_only_routes_over_the_second_cable_may_have_a_gateway(route, out):
    """A default route leads out whatever it goes over; one through a gateway does unless it goes over svc0."""
    assert network.leads_out(route) is out


def test_a_cable_between_the_clone_and_its_own_namespace_is_closed():
    """The second cable as the clone lays it leads nowhere but to its other end."""
    assert network.far_end_is_open(NEAR, FAR, FAR_ROUTES) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda near, _far, _routes: near[2].pop("link_netnsid"), "not peer0"),
        (lambda near, _far, _routes: near[2].update(link_index=9), "not peer0"),
        (lambda near, _far, _routes: near[2].update(linkinfo={"info_kind": "macvlan"}), "not peer0"),
        (lambda near, _far, _routes: near.pop(2), "not peer0"),
        (lambda _near, far, _routes: far.append({"ifname": "eth0", "ifindex": 6}), "more links at its other end: eth0"),
        (lambda _near, _far, routes: routes.append("default dev line scope link"), "a route on"),
        (lambda _near, _far, routes: routes.append("10.0.0.0/8 via 10.98.0.9 dev peer0"), "a route on"),
    ],
)
def test_a_cable_with_a_way_on_at_its_other_end_is_not_closed(change, why):
    """Another end, another link beside it, or a route on from there: each is named."""
    near, far, routes = copy.deepcopy(NEAR), copy.deepcopy(FAR), list(FAR_ROUTES)
    change(near, far, routes)
    assert why in network.far_end_is_open(near, far, routes)


def test_a_route_over_the_second_cable_counts_only_while_its_other_end_is_closed(monkeypatch):
    """The check looks at the other end as soon as there is a route over it, and refuses the clone when that is open."""
    routes = {"near": ["10.97.0.0/24 via 10.98.0.2 dev svc0"], "far": list(FAR_ROUTES)}
    monkeypatch.setattr(network, "_routes", lambda ip: routes["near" if ip[1] == "-t" else "far"])
    monkeypatch.setattr(network, "_links", lambda ip: NEAR if ip[1] == "-t" else FAR)
    network.assert_no_way_out(7)
    routes["far"].append("default via 10.98.0.9 dev peer0")
    with pytest.raises(GroundError, match="has a route on"):
        network.assert_no_way_out(7)
