#!/usr/bin/python
"""Ansible module: sets a link up again as the known-good record says. Touches that link through ip(8) and tc(8).

Every ``what`` mends one thing, and only where it is broken: an address family of which there is no address left, a destination
without any route, another MTU, a queue that nobody recorded, a neighbour that somebody fixed. An address or a gateway that is
another one than recorded is somebody's, and works. What was leased is for who leased it to give back.
"""

import errno
import json
import os
import shutil
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_link
short_description: restore one link, or take that back
options:
  link: {type: str, required: true, description: its name}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is replaced}
  what: {type: str, choices: [up, addresses, routes, mtu, queueing, neighbours], required: true, description: what is restored}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

LINKS = "links.json"
TOOLS_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
FAMILIES = {"inet": "-4", "inet6": "-6"}
INGRESS = "ffff:fff1"
TENTATIVE_S = 3.0
POLL_S = 0.05


class NotTheCaseError(Exception):
    """This is not what is wrong with the link."""


class LinkFailedError(Exception):
    """It was tried and did not work."""


class Link:
    """One link, as it was recorded and as it is."""

    def __init__(self, module):
        """Read the record.

        Raises:
            RecordRefusedError: there is none, or it cannot be trusted.
            NotTheCaseError: the link is not in it.
        """
        self.module = module
        self.name = module.params["link"]
        file = os.path.join(module.params["known_good"], LINKS)
        check_trusted(file)
        with open(file) as stream:
            links = json.load(stream)
        if self.name not in links:
            raise NotTheCaseError(f"{self.name} is not in the known-good record")
        self.recorded = links[self.name]

    def run(self, tool, *words):
        """Run ip(8) or tc(8); fail with its words."""
        path = shutil.which(tool, path=TOOLS_PATH)
        if path is None:
            raise LinkFailedError(f"{tool} is missing: install the Debian package iproute2")
        status, output, error = self.module.run_command([path, *words])
        if status != 0:
            raise LinkFailedError(f"{tool} {' '.join(words)}: {(error or output).strip()}")
        return output

    def told(self, tool, *words):
        """Return what a tool says, parsed."""
        return json.loads(self.run(tool, "-json", *words) or "[]")

    def now(self):
        """Return flags, MTU and addresses."""
        return next(each for each in self.told("ip", "address", "show", "dev", self.name) if "ifname" in each)

    def act(self, *commands):
        """Run commands of ip(8) or tc(8), unless this is a dry run."""
        for command in [] if self.module.check_mode else commands:
            self.run(*command)


def set_up(link):
    """Set it up, and give it back what went when it was set down.

    Returns:
        What was done, in words.
    """
    now = link.now()
    if "UP" in now["flags"]:
        lost = "" if "LOWER_UP" in now["flags"] else ", and has no carrier: a cable or the other end is at fault"
        raise NotTheCaseError(f"{link.name} is up{lost}")
    if not link.recorded["up"]:
        raise NotTheCaseError(f"{link.name} was down when it was recorded")
    link.act(("ip", "link", "set", "dev", link.name, "up"))
    return ["up", *give_addresses(link), *give_routes(link, strict=False)]


def addresses(link):
    """Give it back the addresses of a family of which it has none, and the routes that went with them.

    Returns:
        What was done, in words.
    """
    missing = missing_addresses(link)
    if not missing:
        raise NotTheCaseError(f"{link.name} has an address of every recorded family")
    if all(each["leased"] for each in missing):
        raise NotTheCaseError(f"{missing[0]['address']} was leased to {link.name}: it has to be asked for, not taken")
    return [*give_addresses(link), *give_routes(link, strict=False)]


def missing_addresses(link):
    """Return the recorded addresses of the families of which there is no address left."""
    there = {each["family"] for each in link.now()["addr_info"] if each.get("scope") not in ("link", "host")}
    return [each for each in link.recorded["addresses"] if each["family"] not in there]


def give_addresses(link):
    """Give it the addresses that are missing and were not leased; return them."""
    given = [each for each in missing_addresses(link) if not each["leased"]]
    for each in given:
        peer = ["peer", each["peer"]] if each["peer"] else []
        broadcast = ["broadcast", each["broadcast"]] if each["broadcast"] else []
        words = [each["address"], *peer, *broadcast, "scope", each["scope"], *(["nodad"] if each["nodad"] else [])]
        link.act(("ip", "address", "add", *words, "dev", link.name))
    if any(each["family"] == "inet6" for each in given) and not link.module.check_mode:
        settle(link)
    return [each["address"] for each in given]


def settle(link):
    """Wait until the kernel has made sure that nobody else has the addresses: no route may send from them before."""
    give_up = time.monotonic() + TENTATIVE_S
    while any(each.get("tentative") for each in link.now()["addr_info"]) and time.monotonic() < give_up:
        time.sleep(POLL_S)


def routes(link):
    """Add the recorded routes to where no route leads.

    Returns:
        What was done, in words.
    """
    if "UP" not in link.now()["flags"]:
        raise NotTheCaseError(f"{link.name} is down")
    if not missing_routes(link):
        raise NotTheCaseError(f"a route leads to every recorded destination over {link.name}")
    return give_routes(link, strict=True)


def missing_routes(link):
    """Return the recorded routes whose destination has none, over whatever link; those to neighbours first."""
    there = set()
    for family, option in FAMILIES.items():
        told = link.told("ip", option, "route", "show", "table", "main")
        there |= {(family, each["dst"]) for each in told if "type" not in each and "dead" not in each.get("flags", ())}
    missing = [each for each in link.recorded["routes"] if (each["family"], each["destination"]) not in there]
    return sorted(missing, key=lambda each: bool(each["gateway"]))


def give_routes(link, *, strict):
    """Add the routes that are missing; return where they lead.

    Args:
        link: over which they lead.
        strict: fail where one cannot be added; else leave it out, its address may not be there yet.
    """
    given, here = [], {each.get("local") for each in link.now()["addr_info"]}
    for each in missing_routes(link):
        words = route_words(each, here)
        try:
            link.act(("ip", FAMILIES[each["family"]], "route", "add", *words, "dev", link.name))
        except LinkFailedError as error:
            if strict and os.strerror(errno.EEXIST) not in str(error):
                raise
            continue
        given.append(each["destination"])
    return given


def route_words(route, here):
    """Return a recorded route in the words of ip(8); it sends from the recorded address only where that still is among these."""
    words = [route["destination"], *(["via", *route["gateway"].split()] if route["gateway"] else [])]
    words += ["proto", route["protocol"]] if route["protocol"] else []
    words += ["scope", route["scope"]] if route["scope"] else []
    words += ["src", route["source"]] if route["source"] in here else []
    words += ["metric", str(route["metric"])] if route["metric"] else []
    return [*words, *(["onlink"] if route["onlink"] else [])]


def mtu(link):
    """Give it the recorded MTU.

    Returns:
        What was done, in words.
    """
    before, wanted = link.now()["mtu"], link.recorded["mtu"]
    if before == wanted:
        raise NotTheCaseError(f"the MTU of {link.name} is {wanted} as recorded")
    keep(link, before)
    link.act(("ip", "link", "set", "dev", link.name, "mtu", str(wanted)))
    return [f"MTU {wanted} instead of {before}"]


def return_mtu(link):
    """Give it the MTU that it had before the repair, where it still is the recorded one.

    Returns:
        What was done, in words.
    """
    before = kept(link)
    if before is None or link.now()["mtu"] != link.recorded["mtu"]:
        return []
    link.act(("ip", "link", "set", "dev", link.name, "mtu", str(before)))
    return [f"MTU {before}"]


def queueing(link):
    """Take away the queues that nobody recorded; the kernel then puts its own in place.

    What is recorded is kinds, not settings: a queue that somebody set up is not made anew, and programs that are attached to one
    belong to somebody.

    Returns:
        What was done, in words.
    """
    wanted, now = link.recorded["queueing"], queues(link)
    root, ingress = now["root"] != wanted["root"] or now["children"] != wanted["children"], now["ingress"] != wanted["ingress"]
    if not (root or ingress):
        raise NotTheCaseError(f"the queueing of {link.name} is as recorded")
    if (root and wanted["own"]) or (ingress and wanted["ingress"]):
        kind = wanted["root"] if root and wanted["own"] else wanted["ingress"]
        raise NotTheCaseError(f"{link.name} had a queue of somebody's own ({kind}): who set it up has to do it again")
    if root and not now["own"]:
        raise NotTheCaseError(f"{now['root']} is the kernel's own choice for {link.name} by now")
    if ingress and programs(link):
        raise NotTheCaseError(f"programs are attached to what comes in over {link.name}: a person has to look")
    commands = [("tc", "qdisc", "delete", "dev", link.name, "root")] if root else []
    commands += [("tc", "qdisc", "delete", "dev", link.name, now["ingress"])] if ingress else []
    link.act(*commands)
    return [f"{now[place]} taken away" for place, wrong in (("root", root), ("ingress", ingress)) if wrong]


def queues(link):
    """Return the kinds of its queues, as they are recorded."""
    told = link.told("tc", "qdisc", "show", "dev", link.name)
    roots = [each for each in told if each.get("root")]
    ingress = [each["kind"] for each in told if each.get("parent") == INGRESS]
    return {
        "root": roots[0]["kind"] if roots else "",
        "own": bool(roots) and roots[0]["handle"] != "0:",
        "ingress": ingress[0] if ingress else "",
        "children": sorted({each["kind"] for each in told if not each.get("root") and each.get("parent") != INGRESS}),
    }


def programs(link):
    """Tell whether BPF programs are attached to what comes in or goes out."""
    told = [each for way in ("ingress", "egress") for each in link.told("tc", "filter", "show", "dev", link.name, way)]
    return any(each.get("kind") == "bpf" for each in told)


def neighbours(link):
    """Forget the neighbours that somebody fixed and nobody recorded, so that they are asked again.

    Returns:
        What was done, in words.
    """
    recorded = {each["address"]: each["lladdr"] for each in link.recorded["neighbours"]}
    wrong = {address: lladdr for address, lladdr in fixed(link).items() if recorded.get(address) != lladdr}
    if not wrong:
        raise NotTheCaseError(f"no neighbour on {link.name} is fixed that was not when it was recorded")
    keep(link, wrong)
    for address in wrong:
        if address in recorded:
            link.act(fix(link, address, recorded[address]))
        else:
            link.act(("ip", "neighbour", "delete", address, "dev", link.name))
    return [f"{address} at {lladdr} forgotten" for address, lladdr in wrong.items()]


def return_neighbours(link):
    """Fix the neighbours again that the repair had forgotten, where nobody else has since.

    Returns:
        What was done, in words.
    """
    there = fixed(link)
    recorded = {each["address"]: each["lladdr"] for each in link.recorded["neighbours"]}
    before = {address: lladdr for address, lladdr in (kept(link) or {}).items() if there.get(address) == recorded.get(address)}
    link.act(*(fix(link, address, lladdr) for address, lladdr in before.items()))
    return [f"{address} at {lladdr}" for address, lladdr in before.items()]


def fixed(link):
    """Return address -> hardware address of the fixed neighbours, but for those of a routing daemon."""
    told = link.told("ip", "neighbour", "show", "dev", link.name, "nud", "permanent")
    return {each["dst"]: each["lladdr"] for each in told if "lladdr" in each and "protocol" not in each}


def fix(link, address, lladdr):
    """Return the command that fixes a neighbour's hardware address."""
    return ("ip", "neighbour", "replace", address, "lladdr", lladdr, "dev", link.name, "nud", "permanent")


def keep(link, before):
    """Keep what is replaced, for the undo."""
    if not link.module.check_mode:
        folder = link.module.params["quarantine"]
        make_quarantine(folder)
        with open(os.path.join(folder, LINKS), "w") as stream:
            json.dump(before, stream)


def kept(link):
    """Return what was replaced, None when nothing was."""
    file = os.path.join(link.module.params["quarantine"], LINKS)
    if not os.path.lexists(file):
        return None
    check_trusted(file)
    with open(file) as stream:
        return json.load(stream)


RESTORE = {
    "up": set_up,
    "addresses": addresses,
    "routes": routes,
    "mtu": mtu,
    "queueing": queueing,
    "neighbours": neighbours,
}
RETURN = {"mtu": return_mtu, "neighbours": return_neighbours}


def main():
    """Restore, or give back."""
    module = AnsibleModule(
        argument_spec={
            "link": {"type": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "what": {"type": "str", "choices": sorted(RESTORE), "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    params = module.params
    act = (RESTORE if params["state"] == "restored" else RETURN).get(params["what"])
    try:
        done = act(Link(module)) if act else []
    except NotTheCaseError as error:
        module.exit_json(changed=False, msg=f"{NOT_THE_CASE}{error}")
    except (LinkFailedError, RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(done), msg="{}: {}".format(params["link"], ", ".join(done) or "nothing to give back"))


if __name__ == "__main__":
    main()
