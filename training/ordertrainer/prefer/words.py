"""A scene and its plans in plain words. Pure.

What faults and repairs are is what their contracts say; only the names of things are made up, because simulated hosts have none.
Times count from the first trouble on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orderd.domain.faults import EntityKind
from orderd.domain.repairs import BlastRadius, Repair, Risk
from ordertrainer.chaos.contract import FaultContract
from ordertrainer.prefer.bills import Bill
from ordertrainer.prefer.scenes import Deed, Plan, Scene, Trouble
from ordertrainer.sim.layout import Layout
from ordertrainer.sim.levels import NEVER_S

_UNITS: Final = ("nginx", "redis", "postgresql", "the worker", "the mail server", "dnsmasq")
"""The last one is the name server of hosts that have their own."""
_ONLY: Final = {
    EntityKind.PROCESS: "process {}",
    EntityKind.RESOLVER: "name resolution",
    EntityKind.CLOCK: "the clock",
    EntityKind.NIC: "link {}",
    EntityKind.HOST: "the host",
}
_RISKS: Final = {
    Risk.NONE: "",
    Risk.RESTARTS: "restarts it",
    Risk.LOSES_CACHE: "may lose what is kept there",
    Risk.STOPS_PROCESS: "stops processes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is needed to tell a scene.

    Attributes:
        faults: contracts by name.
        repairs: contracts by name.
        layout: of the simulated hosts.
    """

    faults: Mapping[str, FaultContract]
    repairs: Mapping[str, Repair]
    layout: Layout

    def scene(self, scene: Scene) -> str:
        """Tell what happens to a host."""
        began_s = scene.troubles[0].onset_s
        lines = [self._trouble(trouble, began_s) for trouble in scene.troubles]
        return "\n".join([*lines, f"After {scene.horizon_s - began_s:.0f} s somebody looks at the host anyway."])

    def plan(self, scene: Scene, plan: Plan) -> str:
        """Tell what is done, how it ends, and what it comes to."""
        began_s = scene.troubles[0].onset_s
        lines = [self._deed(deed, began_s) for deed in plan.deeds]
        return "\n".join([*lines, *self._end(plan, began_s), f"In sum: {sum_of(plan.bill)}."])

    def _trouble(self, trouble: Trouble, began_s: float) -> str:
        summary = self.faults[trouble.fault].summary
        after_s = trouble.onset_s - began_s
        when = "As soon as that is repaired: " if trouble.behind else (f"After {after_s:.0f} s: " if after_s else "")
        fine = ""
        if trouble.decoy:
            lasts = f", and it ends by itself after {trouble.ends_s - trouble.onset_s:.0f} s" if trouble.ends_s < NEVER_S else ""
            fine = f" (This only looks broken{lasts}.)"
        return f"{when}{_capital(self._name(trouble.slot))}: {summary}{fine}"

    def _deed(self, deed: Deed, began_s: float) -> str:
        repair = self.repairs[deed.repair]
        end = f"{'Helps' if deed.helped else 'In vain'}, {deed.seconds:.0f} s."
        remarks = [
            _RISKS[repair.risk],
            "reaches beyond it" * (repair.blast_radius is BlastRadius.HOST),
            "nothing was wrong with it" * deed.healthy,
            "does lasting harm" * deed.harmful,
        ]
        if deed.looked:
            end, remarks = "Looks, finds that this is not the case, and touches nothing.", []
        told = "; ".join(filter(None, remarks))
        aside = f" ({_capital(told)}.)" if told else ""
        return f"{deed.began_s - began_s:4.0f} s  {_capital(self._name(deed.slot))}: {repair.summary} {end}{aside}"

    @staticmethod
    def _end(plan: Plan, began_s: float) -> Iterator[str]:
        at = f"{plan.end_s - 1.0 - began_s:4.0f} s  "
        if plan.bill.call:
            yield f"{at}Calls a person, who is needed: no repair could end this."
        elif plan.bill.false_call:
            yield f"{at}Calls a person{', who' if plan.broken else ''} {_FOR_REPAIRABLE if plan.broken else _FOR_NOTHING}"
        elif plan.broken:
            yield "        Nobody is called, and it is still broken when somebody looks."
        elif not plan.deeds:
            yield "        Nothing is done."

    def _name(self, slot: int) -> str:
        kind = self.layout.kinds[slot]
        number = slot - self.layout.first(kind)
        if kind is EntityKind.UNIT:
            return _UNITS[number % len(_UNITS)]
        return _ONLY[kind].format(number + 1) if kind in _ONLY else self.layout.entity(slot).key


_FOR_REPAIRABLE: Final = "does what a repair could have done."
_FOR_NOTHING: Final = "for nothing: nothing is wrong."


def sum_of(bill: Bill) -> str:
    """Return what a plan comes to, in words."""
    told = {
        "repair": (bill.repair, "{} repair", "{} repairs"),
        "risk": (bill.risk, "{} step of risk", "{} steps of risk"),
        "host_wide": (bill.host_wide, "{} beyond its target", "{} beyond their target"),
        "healthy": (bill.healthy, "{} of something healthy", "{} of something healthy"),
        "harm": (bill.harm, "lasting harm", "lasting harm, {} times"),
        "call": (bill.call, "a person called who is needed", ""),
        "false_call": (bill.false_call, "a person called for nothing", ""),
    }
    parts = [(one if count == 1.0 else many).format(f"{count:.0f}") for count, one, many in told.values() if count]
    return ", ".join([f"{bill.trouble_s:.0f} s out of order", *parts])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
