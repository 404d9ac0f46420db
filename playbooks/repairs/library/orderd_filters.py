#!/usr/bin/python
"""Ansible module: moves filter rules away that keep a service from being asked, and loads them again. Touches nftables.

A rule is moved when the known-good record has none like it, and when it surely drops or rejects what is sent to the service, or
by it, over loopback, where its probe asks: by its port, and by nothing that cannot be judged. Whether a rule keeps others out is
not this module's business. What is moved lies in quarantine as nft writes it; a table that held nothing else goes as a whole.
"""

import ipaddress
import json
import operator
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, check_trusted, make_quarantine
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_filters
short_description: move foreign filter rules away that block a service, or load them again
options:
  listens: {type: list, elements: str, required: true, description: where the service has to answer}
  known_good: {type: str, required: true, description: folder of the known-good record}
  quarantine: {type: str, required: true, description: folder of this repair for what is moved away}
  state: {type: str, choices: [restored, quarantine_returned], default: restored, description: which way}
"""

NFT = "/usr/sbin/nft"
RECORD = "nft.json"
MOVED = "nft-moved.json"
TEXT = "nft-before.nft"
LOOPBACK = "lo"
NAMES = {"localhost": "127.0.0.1"}
PORTS = ("dport", "sport")
ELSEWHERE = ("forward", "ingress", "egress")  # hooks that nothing passes which a host says to itself
NUMBERED = ("handle", "index")
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Packet:
    """What a probe sends to a service and what it hears from it, as far as rules can ask."""

    def __init__(self, listener):
        """Read ``tcp 127.0.0.1:80``."""
        self.protocol, _, rest = listener.partition(" ")
        host, _, port = rest.rpartition(":")
        address = ipaddress.ip_address(NAMES.get(host.strip("[]"), host.strip("[]")))
        family = "ip" if isinstance(address, ipaddress.IPv4Address) else "ip6"
        addresses = {(family, "saddr"): str(address), (family, "daddr"): str(address)}
        ports = {(name, field): int(port) for name in (self.protocol, "th") for field in PORTS}
        self._payload = {**addresses, **ports}
        self._meta = {"l4proto": self.protocol, "nfproto": f"ipv{address.version}", "protocol": family}
        self._meta.update(dict.fromkeys(("iifname", "oifname", "iif", "oif"), LOOPBACK))

    def value(self, left):
        """Return what a match compares, None where it cannot be told."""
        if "meta" in left:
            return self._meta.get(left["meta"]["key"])
        if "ct" in left:
            return "new" if left["ct"]["key"] == "state" else None
        payload = left.get("payload", {})
        return self._payload.get((payload.get("protocol"), payload.get("field")))


def matches(match, packet, sets):
    """Tell whether a match holds for a packet; what cannot be judged does not hold."""
    found, op, right = packet.value(match["left"]), match["op"], match["right"]
    if found is None:
        return False
    if op in ("==", "in", "!="):
        held = holds(found, right, sets)
        return held is not None and held == (op != "!=")
    ordered = isinstance(found, int) and isinstance(right, int) and op in ORDER
    return ordered and ORDER[op](found, right)


def holds(found, right, sets):
    """Tell whether a value is among those on the right; None where it cannot be told."""
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets.get(right[1:])}
    kind, inside = next(iter(right.items())) if isinstance(right, dict) else ("", right)
    if isinstance(inside, list) and kind in ("", "set"):
        answers = [holds(found, each, sets) for each in inside]
        return True if True in answers else None if None in answers else False
    if kind == "elem":
        return holds(found, inside["val"], sets)
    if kind == "range" and isinstance(found, int):
        return inside[0] <= found <= inside[1]
    if kind == "prefix" and isinstance(found, str):
        return ipaddress.ip_address(found) in ipaddress.ip_network(f"{inside['addr']}/{inside['len']}", strict=False)
    return str(found) == str(inside) if kind == "" else None


def blocks(rule, packet, sets):
    """Tell whether a rule surely drops a packet: by its port, and by nothing else that cannot be judged."""
    found = [next(iter(each.items())) for each in rule["expr"]]
    kinds = {kind for kind, _ in found}
    if not kinds <= {"match", "counter", "log", "drop", "reject"} or kinds.isdisjoint({"drop", "reject"}):
        return False
    conditions = [body for kind, body in found if kind == "match"]
    ported = any(each["left"].get("payload", {}).get("field") in PORTS for each in conditions)
    return ported and all(matches(each, packet, sets) for each in conditions)


class Ruleset:
    """What nft lists."""

    def __init__(self, listing):
        """Sort it out."""
        self.objects = [next(iter(each.items())) for each in listing["nftables"]]
        self.rules = [body for kind, body in self.objects if kind == "rule"]
        self.tables = {(body["family"], body["name"]) for kind, body in self.objects if kind == "table"}
        self._hooks = {_chain(body, body["name"]): body.get("hook") for kind, body in self.objects if kind == "chain"}
        self._sets = {}
        for kind, body in self.objects:
            if kind == "set":
                self._sets.setdefault(_table(body), {})[body["name"]] = body.get("elem", [])

    def blocking(self, packets, known):
        """Return the rules that drop one of these packets and that the record does not know."""
        return [
            rule
            for rule in self.rules
            if canonical(rule) not in known
            and self._hooks.get(_chain(rule, rule["chain"])) not in ELSEWHERE
            and any(blocks(rule, packet, self._sets.get(_table(rule), {})) for packet in packets)
        ]

    def of_table(self, table):
        """Return all that a table holds, itself first, in an order in which it can be loaded again."""
        return [{kind: body} for kind, body in self.objects if kind != "metainfo" and _belongs(kind, body, table)]

    def position(self, rule):
        """Return how many rules stand before this one in its chain."""
        chain = [each["handle"] for each in self.rules if _chain(each, each["chain"]) == _chain(rule, rule["chain"])]
        return chain.index(rule["handle"])


def _table(body):
    return body["family"], body["table"]


def _chain(body, name):
    return body["family"], body["table"], name


def _belongs(kind, body, table):
    return (body["family"], body["name"] if kind == "table" else body["table"]) == table


def canonical(rule):
    """Return what a rule says, in words that are the same whenever it is listed: without numbers, without what it has counted."""
    kept = {key: value for key, value in rule.items() if key not in NUMBERED}
    kept["expr"] = [{"counter": None} if "counter" in each else each for each in rule["expr"]]
    return json.dumps(kept, sort_keys=True)


class Filters:
    """nftables, through nft."""

    def __init__(self, module):
        """Remember how to run it."""
        self._module, self._params = module, module.params

    def restore(self):
        """Move blocking rules away.

        Returns:
            What was moved, in words.

        Raises:
            RecordRefusedError: there is no record, or it cannot be trusted.
        """
        packets = [Packet(listener) for listener in self._params["listens"]]
        if not packets or not os.path.exists(NFT):
            return []
        record, now = Ruleset(self._recorded()), self._list()
        rules = now.blocking(packets, {canonical(rule) for rule in record.rules})
        tables = [table for table in dict.fromkeys(map(_table, rules)) if self._holds_nothing_else(table, rules, record, now)]
        single = [rule for rule in rules if _table(rule) not in tables]
        if rules and not self._module.check_mode:
            self._keep(rules, {" ".join(table): now.of_table(table) for table in tables}, single, now)
            self._run("; ".join([*map(_delete_table, tables), *map(_delete_rule, single)]))
        return [f"table {' '.join(table)}" for table in tables] + [
            "a rule of {family} {table} {chain}".format(**rule) for rule in single
        ]

    def give_back(self):
        """Load again what was moved, where nothing has taken its place.

        Returns:
            What was loaded, in words.
        """
        file = os.path.join(self._params["quarantine"], MOVED)
        if not os.path.exists(file):
            return []
        check_trusted(file)
        with open(file) as stream:
            moved = json.load(stream)
        now, loaded = self._list(), []
        chains = {_chain(body, body["name"]) for kind, body in now.objects if kind == "chain"}
        for name, objects in moved["tables"].items():
            if tuple(name.split(" ")) not in now.tables:
                self._load([{"add": _unnumbered(each)} for each in objects])
                loaded.append(f"table {name}")
        for rule, position in moved["rules"]:
            if _chain(rule, rule["chain"]) in chains:
                self._load([_at(rule, position)])
                loaded.append("a rule of {family} {table} {chain}".format(**rule))
        return loaded

    def _recorded(self):
        file = os.path.join(self._params["known_good"], RECORD)
        check_trusted(file)
        with open(file) as stream:
            return json.load(stream)

    def _list(self):
        return Ruleset(json.loads(self._module.run_command([NFT, "--json", "list", "ruleset"], check_rc=True)[1]))

    @staticmethod
    def _holds_nothing_else(table, rules, record, now):
        """Tell whether a table is foreign and all of its rules are to go."""
        handles = {rule["handle"] for rule in rules if _table(rule) == table}
        return table not in record.tables and all(rule["handle"] in handles for rule in now.rules if _table(rule) == table)

    def _keep(self, rules, tables, single, now):
        make_quarantine(self._params["quarantine"])
        for family, name in dict.fromkeys(map(_table, rules)):
            text = self._module.run_command([NFT, "--stateless", "list", "table", family, name], check_rc=True)[1]
            with open(os.path.join(self._params["quarantine"], TEXT), "a") as stream:
                stream.write(text)
        with open(os.path.join(self._params["quarantine"], MOVED), "w") as stream:
            json.dump({"tables": tables, "rules": [(rule, now.position(rule)) for rule in single]}, stream)

    def _run(self, commands):
        self._module.run_command([NFT, commands], check_rc=True)

    def _load(self, commands):
        if not self._module.check_mode:
            text = json.dumps({"nftables": commands})
            self._module.run_command([NFT, "--json", "--file", "-"], data=text, check_rc=True)


def _delete_table(table):
    return "delete table {} {}".format(*table)


def _delete_rule(rule):
    return "delete rule {family} {table} {chain} handle {handle}".format(**rule)


def _unnumbered(listed):
    kind, body = next(iter(listed.items()))
    return {kind: {key: value for key, value in body.items() if key not in NUMBERED}}


def _at(rule, position):
    """Return the command that puts a rule back behind those that stood before it."""
    bare = _unnumbered({"rule": rule})
    if position == 0:
        return {"insert": bare}
    bare["rule"]["index"] = position - 1
    return {"add": bare}


def main():
    """Move away, or load again."""
    module = AnsibleModule(
        argument_spec={
            "listens": {"type": "list", "elements": "str", "required": True},
            "known_good": {"type": "str", "required": True},
            "quarantine": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["restored", "quarantine_returned"], "default": "restored"},
        },
        supports_check_mode=True,
    )
    filters = Filters(module)
    try:
        done = filters.restore() if module.params["state"] == "restored" else filters.give_back()
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    where = ", ".join(module.params["listens"]) or "it has no probe"
    module.exit_json(
        changed=bool(done), msg="; ".join(done) or f"{NOT_THE_CASE}no foreign rule is in the way ({where})", done=done
    )


if __name__ == "__main__":
    main()
