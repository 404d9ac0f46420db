"""A simulated host with its troubles, and what became of it under different habits: plans to choose from. Values only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ordertrainer.prefer.bills import Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happens to a host.

    Attributes:
        fault: its name, or a decoy's.
        slot: where.
        onset_s: when; what is hidden behind another one shows when that one has been repaired.
        ends_s: when it ends by itself, NEVER_S for what somebody has to end.
        decoy: it only looks broken.
        behind: it is hidden.
    """

    fault: str
    slot: int
    onset_s: float
    ends_s: float
    decoy: bool
    behind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One repair.

    Attributes:
        began_s: when.
        seconds: how long it took, verification included.
        slot: where.
        repair: what.
        helped: it ended a fault.
        looked: it found that its cause is not there, and touched nothing.
        healthy: nothing was wrong with what it touched.
        harmful: it did harm.
    """

    began_s: float
    seconds: float
    slot: int
    repair: str
    helped: bool
    looked: bool
    healthy: bool
    harmful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What somebody did on a host.

    Attributes:
        habit: who.
        bill: what it comes to.
        deeds: repairs, in order.
        end_s: when a person was called, or the horizon.
        broken: something was wrong in the end.
    """

    habit: str
    bill: Bill
    deeds: tuple[Deed, ...]
    end_s: float
    broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One host and the plans for it, each of which comes to something else.

    Attributes:
        troubles: what happens to it, in order.
        horizon_s: when somebody looks anyway.
        plans: to choose from.
        bills: what each habit comes to on it, those included whose plan is another one's, or too long to be told.
    """

    troubles: tuple[Trouble, ...]
    horizon_s: float
    plans: tuple[Plan, ...]
    bills: Mapping[str, Bill]

    def pairs(self) -> Iterator[tuple[Plan, Plan]]:
        """Yield every two plans once."""
        for place, one in enumerate(self.plans):
            for other in self.plans[place + 1 :]:
                yield one, other
