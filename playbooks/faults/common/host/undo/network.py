"""Undo what a fault did to the network: rules, a queue, a link and what hangs on it, settings of the network namespace.

Touches: nft(8), tc(8), ip(8), /proc/sys/net, the file of host names, as the step names them.

None of it but the host names outlives a boot: what is there in another boot is not the fault's. Rules and queues that the
fault is going to write are first written into a network namespace of their own, which lives for that one command: so the
baseline holds them in the words in which the kernel will show them, and the revert knows them again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from failures import Refused
from machine import boot_id, run

APART = ("unshare", "--net", "/bin/sh", "-euc")
IP_FAMILIES = ("-4", "-6")


def _same_boot(revert: Callable[[dict, object], str]) -> Callable[[dict, object, str], str]:
    """Return a revert that leaves alone whatever another boot has made."""

    def revert_once(step: dict, before: object, boot: str) -> str:
        return revert(step, before) if boot_id() == boot else f"{step['undo']}: gone with its boot"

    return revert_once


# nft: a table of the fault's own


def _capture_nft(step: dict) -> object:
    if _table(step["table"]):
        raise Refused(f"nft table {step['table']}: the name is taken on this host")
    script = 'printf %s "$2" | nft -f -; exec nft -j list table inet "$1"'
    return [_known(each) for each in _objects(run(*APART, script, "sh", step["table"], step["rules"]))]


def _table(name: str) -> list[dict]:
    """Return what a table holds, itself included; nothing when there is none."""
    tables = [each["table"]["name"] for each in _objects(run("nft", "-j", "list", "tables", "inet")) if "table" in each]
    return _objects(run("nft", "-j", "list", "table", "inet", name)) if name in tables else []


def _objects(listing: str) -> list[dict]:
    return [each for each in json.loads(listing)["nftables"] if "metainfo" not in each]


def _known(listed: dict) -> dict:
    """Return an object without what the kernel numbers anew each time."""
    kind, body = next(iter(listed.items()))
    return {kind: {key: value for key, value in body.items() if key not in ("handle", "index")}}


def _revert_nft(step: dict, before: list) -> str:
    now = _table(step["table"])
    ours = [each for each in now if _known(each) in before]
    theirs = [each for each in now if each not in ours]
    held = {each["rule"]["chain"] for each in theirs if "rule" in each}
    rules = [each["rule"] for each in ours if "rule" in each]
    chains = [each["chain"]["name"] for each in ours if "chain" in each and each["chain"]["name"] not in held]
    name = f"inet {step['table']}"
    commands = [f"delete rule {name} {rule['chain']} handle {rule['handle']}" for rule in rules]
    commands += [f"delete chain {name} {chain}" for chain in chains]
    commands += [f"delete table {name}"] if ours and not theirs else []
    if not commands:
        return f"nft table {step['table']}: {'left alone, it is not what the fault wrote' if now else 'gone already'}"
    run("nft", "; ".join(commands))
    return f"nft table {step['table']}: {f'{len(rules)} rules' if theirs else 'all of it'} removed"


# qdisc: a queue of the fault's own, where the link had none


def _capture_qdisc(step: dict) -> object:
    if own := _root_qdisc(step["link"]):
        raise Refused(f"{step['link']}: has a queue already: {own}")
    script = "tc qdisc add dev lo root $1; exec tc -json qdisc show dev lo"
    return _root(run(*APART, script, "sh", step["words"]))


def _root_qdisc(link: str) -> dict:
    """Return the queue at the root of a link, empty when it is the kernel's own choice."""
    return _root(run("tc", "-json", "qdisc", "show", "dev", _existing(link)))


def _root(listing: str) -> dict:
    roots = (each for each in json.loads(listing) if each.get("root") and each["handle"] != "0:")
    return next(({key: each[key] for key in ("kind", "handle", "options")} for each in roots), {})


def _revert_qdisc(step: dict, before: dict) -> str:
    now = _root_qdisc(step["link"])
    if now != before:
        return f"{step['link']}: {'left alone, its queue is not what the fault put there' if now else 'has no queue any more'}"
    run("tc", "qdisc", "delete", "dev", step["link"], "root")
    return f"{step['link']}: queue removed"


# link, mtu, addresses, routes: a link and what hangs on it


def _link(name: str) -> dict:
    return json.loads(run("ip", "-json", "address", "show", "dev", _existing(name)))[0]


def _existing(name: str) -> str:
    """Return the name of a link that may be touched.

    Raises:
        Refused: there is none, or it is the one over which the injector came.
    """
    if not Path("/sys/class/net", name).exists():
        raise Refused(f"{name}: there is no such link")
    caller = os.environ.get("SSH_CONNECTION", "").split()
    if caller and json.loads(run("ip", "-json", "route", "get", caller[0]))[0].get("dev") == name:
        raise Refused(f"{name}: is the way to this host")
    return name


def _capture_link(step: dict) -> object:
    if "UP" not in _link(step["link"])["flags"]:
        raise Refused(f"{step['link']}: is down already")


def _revert_link(step: dict, _before: object) -> str:
    if "UP" in _link(step["link"])["flags"]:
        return f"{step['link']}: left alone, it is up"
    run("ip", "link", "set", "dev", step["link"], "up")
    return f"{step['link']}: set up"


def _capture_mtu(step: dict) -> object:
    mtu = _link(step["link"])["mtu"]
    if mtu == step["mtu"]:
        raise Refused(f"{step['link']}: has the MTU {mtu} already")
    return mtu


def _revert_mtu(step: dict, before: int) -> str:
    mtu = _link(step["link"])["mtu"]
    if mtu != step["mtu"]:
        return f"{step['link']}: left alone, its MTU is {mtu}"
    run("ip", "link", "set", "dev", step["link"], "mtu", str(before))
    return f"{step['link']}: MTU {before}"


def _capture_addresses(step: dict) -> object:
    return _addresses(step["link"])


def _addresses(link: str) -> list[list[str]]:
    """Return the addresses that somebody gave a link, each in the words that give it again."""
    given = (each for each in _link(link)["addr_info"] if each.get("scope") != "link" and not each.get("dynamic"))
    return [_words_of(each) for each in given]


def _words_of(address: dict) -> list[str]:
    broadcast = ["broadcast", address["broadcast"]] if "broadcast" in address else []
    return [f"{address['local']}/{address['prefixlen']}", *broadcast, "scope", address["scope"]]


def _revert_addresses(step: dict, before: list) -> str:
    held = {words[0] for words in _addresses(step["link"])}
    missing = [words for words in before if words[0] not in held]
    for words in missing:
        run("ip", "address", "add", *words, "dev", step["link"])
    return f"{step['link']}: {len(missing)} addresses put back"


def _capture_routes(step: dict) -> object:
    return {family: _routes(family, step["link"]) for family in IP_FAMILIES}


def _routes(family: str, link: str) -> list[list[str]]:
    """Return the routes over a link that the kernel does not make by itself, each in the words that make it again."""
    lines = run("ip", family, "route", "show", "table", "all", "dev", _existing(link)).splitlines()
    routes = [[word for word in line.split() if word not in ("linkdown", "dead", "onlink")] for line in lines]
    return [words for words in routes if "kernel" not in words and words[0] not in ("local", "broadcast", "anycast", "multicast")]


def _revert_routes(step: dict, before: dict) -> str:
    back = 0
    for family, routes in before.items():
        missing = [words for words in routes if words not in _routes(family, step["link"])]
        back += sum(_put_back(family, words, step["link"]) for words in missing)
    return f"{step['link']}: {back} routes put back"


def _put_back(family: str, words: list[str], link: str) -> bool:
    """Add a route, unless somebody has made another one to the same destination since."""
    try:
        run("ip", family, "route", "add", *words, "dev", link)
    except OSError as error:
        if "File exists" not in str(error):
            raise
        return False
    return True


# neighbour: a fixed hardware address


def _capture_neighbour(step: dict) -> object:
    if _fixed(step):
        raise Refused(f"{step['address']}: has a fixed hardware address already")


def _fixed(step: dict) -> str:
    query = ("ip", "-json", "neighbour", "show", "to", step["address"], "dev", _existing(step["link"]), "nud", "permanent")
    return next((each["lladdr"] for each in json.loads(run(*query) or "[]")), "")


def _revert_neighbour(step: dict, _before: object) -> str:
    if _fixed(step) != step["lladdr"]:
        return f"{step['address']}: left alone, its hardware address is not the fault's"
    run("ip", "neighbour", "delete", step["address"], "dev", step["link"])
    return f"{step['address']}: fixed hardware address removed"


# net_setting: a kernel setting of the network namespace


def _setting(key: str) -> Path:
    return Path("/proc/sys", *key.split("."))


def _capture_net_setting(step: dict) -> object:
    now = _setting(step["key"]).read_text(encoding="ascii").split()
    if now == step["value"].split():
        raise Refused(f"{step['key']}: is {step['value']} already")
    return " ".join(now)


def _revert_net_setting(step: dict, before: str) -> str:
    if _setting(step["key"]).read_text(encoding="ascii").split() != step["value"].split():
        return f"{step['key']}: left alone, it is not what the fault wrote"
    _setting(step["key"]).write_text(before, encoding="ascii")
    return f"{step['key']}: {before}"


# hosts_line: a line among the host names


def _capture_hosts_line(step: dict) -> object:
    if step["line"] in Path(step["path"]).read_text(encoding="utf-8").splitlines():
        raise Refused(f"{step['path']}: holds the line already")


def _revert_hosts_line(step: dict, _before: object, _boot: str) -> str:
    path = Path(step["path"])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.rstrip("\n") != step["line"]]
    if kept == lines:
        return f"{path}: left alone, the line is gone"
    state = path.stat()
    staged = path.with_name(f".{path.name}.orderd-chaos")
    staged.write_text("".join(kept), encoding="utf-8")
    staged.chmod(state.st_mode & 0o7777)
    os.chown(staged, state.st_uid, state.st_gid)
    staged.replace(path)
    return f"{path}: line removed"


KINDS = {
    "nft": (_capture_nft, _same_boot(_revert_nft)),
    "qdisc": (_capture_qdisc, _same_boot(_revert_qdisc)),
    "link": (_capture_link, _same_boot(_revert_link)),
    "mtu": (_capture_mtu, _same_boot(_revert_mtu)),
    "addresses": (_capture_addresses, _same_boot(_revert_addresses)),
    "routes": (_capture_routes, _same_boot(_revert_routes)),
    "neighbour": (_capture_neighbour, _same_boot(_revert_neighbour)),
    "net_setting": (_capture_net_setting, _same_boot(_revert_net_setting)),
    "hosts_line": (_capture_hosts_line, _revert_hosts_line),
}
