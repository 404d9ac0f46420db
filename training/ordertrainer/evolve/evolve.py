"""Stage 3: PPO from an imitated policy, against chaos that evolves; one seeded, resumable loop. Imports torch; writes a folder.

    OUT/last.pt          the whole state after the newest iteration; training goes on from here
    OUT/best.pt          the weights that did best on hosts that no iteration learned from, as `ordertrainer exam` reads them
    OUT/generation-NNN.pt  order and chaos as they were, for the cross-play matrix
    OUT/history.jsonl    one line an iteration

An iteration is so many drills, lived to their end by lot, and some passes over what was decided. All that it draws follows from
the seed and its number: a training that was killed and goes on ends where an unbroken one does, on a CPU to the bit.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ordertrainer.costs import Costs
from ordertrainer.evolve.drilling import Drilled, Drilling, Kept
from ordertrainer.evolve.learning import Learner, Learning
from ordertrainer.evolve.limits import Limits, Prices
from ordertrainer.evolve.population import ARMS, Drills, Evolving, Source
from ordertrainer.evolve.regret import Given, Lived, live, regret_s
from ordertrainer.heldout import HeldOut
from ordertrainer.imitation.checkpoint import CheckpointError, commit
from ordertrainer.policy.actor import Network
from ordertrainer.policy.checkpoint import catalogue_digest, copy_of, policy_of, read_policy, save_policy
from ordertrainer.policy.iterations import BEST, LAST, Bounds, Watcher, over, write_history
from ordertrainer.policy.playbooks import Playbooks
from ordertrainer.policy.seeds import seed_of
from ordertrainer.policy.tuning import tried, tuning
from ordertrainer.sim import Simulator
from ordertrainer.sim.policies import Oracle

PARTS: Final = ("drilling", "learning", "examining")
"""Of an iteration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train; a folder belongs to one of these.

    Attributes:
        seed: of drills, lots and draws.
        chaos: "population" or "uniform".
        hosts: drills an iteration.
        kept: which decisions are learned from.
        learning: how.
        limits: on what must not happen more often.
        costs: weights of the reward.
        tune_every: iterations; others are not examined.
        tune_hosts: of each suite that chooses between iterations.
        generation_every: iterations.
    """

    seed: int = 0
    chaos: str = "population"
    hosts: int = 192
    kept: Kept = field(default_factory=Kept)
    learning: Learning = field(default_factory=Learning)
    limits: Limits = field(default_factory=Limits)
    costs: Costs = field(default_factory=Costs)
    tune_every: int = 8
    tune_hosts: int = 64
    generation_every: int = 8


@dataclass(slots=True, kw_only=True)
class _State:
    """Everything that changes while training; what ``last.pt`` holds."""

    learner: Learner
    chaos: Evolving
    prices: Prices
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def seconds(self) -> float:
        return sum(line["seconds"] for line in self.history)

    @property
    def iteration(self) -> int:
        return len(self.history)

    @property
    def best(self) -> float:
        return max((line["worth"] for line in self.history if "worth" in line), default=float("-inf"))


def evolve(
    playbooks: Playbooks,
    held: HeldOut,
    start: Path | None,
    out: Path,
    settings: Settings,
    *,
    bounds: Bounds,
    watcher: Watcher,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train, or go on training, until the bounds are reached.

    Args:
        playbooks: the catalogue, on the device to train on.
        held: the locked split; nothing of it is drawn.
        start: checkpoint of the imitated policy; may be missing where ``out`` holds a training.
        out: folder of this training; made when it is missing.
        settings: how to train; must be those of a training that ``out`` holds.
        bounds: when to stop.
        watcher: told what happens.
        clock: monotonic seconds.

    Returns:
        Path of ``last.pt``, where all drills led to; ``best.pt`` is the choice of the tuning hosts.

    Raises:
        CheckpointError: there is nothing to begin with, or it belongs to other playbooks, another split or other settings.
        HeldOutError: a draw broke the split.
    """
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "seed": settings.seed,
        "settings": asdict(settings),
        "catalogue": catalogue_digest(playbooks),
        "heldout": held.sha256,
        "commit": commit(),
    }
    state = _begin_or_resume(playbooks, held, start, out, settings=settings, about=about)
    asked = tuning(playbooks, held)
    watcher.begin(bounds, state.seconds)
    while not over(state.history, bounds):
        began = clock()
        iteration = _Iteration(playbooks, state, settings, watcher)
        line = iteration.run()
        last = state.iteration + 1 >= bounds.iterations
        if last or (state.iteration + 1) % settings.tune_every == 0:
            line |= tried(
                playbooks,
                lambda: Network(state.learner.mean, playbooks.contracts),
                asked,
                hosts=settings.tune_hosts,
                seed=settings.seed,
                tick=iteration.tick(PARTS[2]),
            )
        line["seconds"] = round(clock() - began, 2)
        _save(out, state, line, about, settings)
        watcher.line(line)
    return out / LAST


def _begin_or_resume(
    playbooks: Playbooks, held: HeldOut, start: Path | None, out: Path, *, settings: Settings, about: dict[str, Any]
) -> _State:
    resumed = (out / LAST).exists()
    if not resumed and start is None:
        raise CheckpointError(f"{out}: holds no training; --policy names the imitated policy to begin with")
    path = out / LAST if resumed else start
    assert path is not None  # one of the two, or it was refused above
    content = read_policy(path)
    for key in ("settings", "catalogue", "heldout") if resumed else ("catalogue", "heldout"):
        if content[key] != about[key]:
            raise CheckpointError(f"{path}: belongs to a training with other {key}; {_REMEDIES[resumed]}")
    torch.manual_seed(seed_of(settings.seed, "critic"))
    net = policy_of(content).to(playbooks.contracts.device)
    learner = Learner(playbooks, net, copy_of(net), copy_of(net), settings.learning)
    chaos: Evolving = ARMS[settings.chaos](playbooks.world, held)
    state = _State(learner=learner, chaos=chaos, prices=Prices(limits=settings.limits))
    if resumed:
        learner.load(content["learning"], content["weights"])
        chaos.load(content["chaos"])
        state.prices.now_s, state.history = content["prices"], content["history"]
    return state


_REMEDIES: Final = {
    True: "choose another --out or remove it",
    False: "imitate anew with this catalogue and split",
}


def _save(out: Path, state: _State, line: dict[str, Any], about: dict[str, Any], settings: Settings) -> None:
    mean, number = state.learner.mean, line["iteration"]
    if line.get("worth", float("-inf")) > state.best:
        save_policy(out / BEST, mean, **about, iteration=number, tune=line)
    state.history.append(line)
    if state.iteration % settings.generation_every == 0:
        state.chaos.remember()
        save_policy(out / generation(number), mean, **about, iteration=number, chaos=state.chaos.state().get("learned"))
    save_policy(
        out / LAST,
        mean,
        **about,
        iteration=number,
        learning=state.learner.state(),
        chaos=state.chaos.state(),
        prices=state.prices.now_s,
        history=state.history,
    )
    write_history(out, state.history)


def generation(number: int) -> str:
    """Return the name of the file of a generation that ended with an iteration."""
    return f"generation-{number:03d}.pt"


class _Iteration:
    """One iteration."""

    def __init__(self, playbooks: Playbooks, state: _State, settings: Settings, watcher: Watcher) -> None:
        self._playbooks, self._state, self._settings, self._watcher = playbooks, state, settings, watcher
        self._number = state.iteration

    def run(self) -> dict[str, Any]:
        """Drill, and learn from it; return a line about it."""
        state, settings, device = self._state, self._settings, self._playbooks.contracts.device
        source = torch.Generator(device=device).manual_seed(seed_of(settings.seed, "chaos", self._number))
        drills = state.chaos.draw(settings.hosts, source)
        drilled = self._drill(drills)
        draws = torch.Generator().manual_seed(seed_of(settings.seed, "draws", self._number))
        losses = state.learner.learn(drilled, draws)
        self.tick(PARTS[1])(1.0)
        regret = self._regret(drills, drilled)
        played = drilled.ledger.played()
        state.chaos.learn(drills, played.settled, regret)
        rates = {"healthy": float((drilled.ledger.healthy > 0).to(torch.float32).mean()), "harmful": float(played.harmful.mean())}
        state.prices.learn(**rates)
        return {
            "iteration": self._number,
            "drills": settings.hosts * (self._number + 1),
            "settled": _share(played.settled, played.broken),
            "return_s": round(float(drilled.ledger.returned.mean()), 3),
            "regret_learned_s": round(float(regret.mean()), 3) if len(regret) else None,
            **{f"rate_{name}": round(rate, 5) for name, rate in rates.items()},
            **{f"price_{name}_s": round(price, 3) for name, price in state.prices.now_s.items()},
            "settled_by_source": {
                each.name.lower(): _share(played.settled & (drills.source == each), played.broken & (drills.source == each))
                for each in Source
            },
            **losses,
        }

    def _drill(self, drills: Drills) -> Drilled:
        state, settings = self._state, self._settings
        sim = Simulator(
            self._playbooks.world,
            hosts=settings.hosts,
            seed=seed_of(settings.seed, "lots", self._number),
            chaos=Given(drills.levels),
            device=self._playbooks.contracts.device,
        )
        network = Network(state.learner.net, self._playbooks.contracts)
        drilling = Drilling(sim, network, settings.costs, state.prices, kept=settings.kept, sharpness=settings.learning.sharpness)
        return drilling.lived(self.tick(PARTS[0]))

    def _regret(self, drills: Drills, drilled: Drilled) -> Tensor:
        """Return seconds of regret of the drills that the learned chaos drew."""
        where = (drills.source == Source.LEARNED).nonzero()[:, 0]
        if not len(where):
            return drilled.ledger.returned[:0]
        best = live(Oracle(), self._playbooks.world, drills.levels.take(where), self._settings.costs)
        mine = Lived(played=best.played, returned=drilled.ledger.returned[where])
        return regret_s(best, mine)

    def tick(self, what: str) -> Callable[[float], None]:
        """Return what tells the share of a part that is done."""
        return lambda share: self._watcher.part(what, self._number, share)


def _share(some: Tensor, of: Tensor) -> float | None:
    count = int(of.sum())
    return round(int((some & of).sum()) / count, 5) if count else None
