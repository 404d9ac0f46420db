"""What is left of an order model without one part of its training, at equal steps and as equal drills as can be, by seed.

Usage: python tests/bench/bench_ablations.py [--data DIR] [--work DIR] [--seeds N] [--only SEED] [--json]

    everything        pretrained, trained on recorded drills and even simulated ones, hardened against chaos that evolves
    no evolution      the same, hardened by as many drills of even chaos
    no pretraining    begun with random weights
    simulator only    no step is shown a recorded drill; as many more simulated ones
    real only         neither pretrained nor hardened, no simulated drill: fewer drills than the others, there are no more

All arms are examined on the test split of DIR, which none was trained on; recorded drills of its tune split choose epochs and fit
temperatures in all of them. It runs the verbs a person would run, and prints each; what is finished lies in --work and is not
done again. --only lets one process a seed do its part. `bench_hardening.py` then puts these trainings under a fresh chaos.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from ordertrainer.evaluation.ablations import ARMS, ablation_table, read_lines, summary

VERBS: Final = Path(sys.executable).with_name("ordertrainer")


def main() -> int:
    """Train, examine and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("out/data"), help="data directory of `ordertrainer collect`")
    parser.add_argument("--work", type=Path, default=Path("out/hardening"), help="folder of what is finished")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=2.0, help="of pretraining")
    parser.add_argument("--epochs", type=int, default=10, help="of training")
    parser.add_argument("--steps", type=int, default=100, help="an epoch")
    parser.add_argument("--windows", type=int, default=6000, help="of even simulated drills")
    parser.add_argument("--generations", type=int, default=2, help="of hardening")
    parser.add_argument("--generation-epochs", type=int, default=4)
    parser.add_argument("--only", type=int, help="do one seed, and tell nothing")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"error: {options.data}: no recorded drills; `ordertrainer collect --out {options.data}` records some")
    options.work.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds) if options.only is None else (options.only,):
        Seed(options, seed).run()
    if options.only is not None:
        return 0
    files = [options.work / f"ablations-{seed}.jsonl" for seed in range(options.seeds)]
    arms = summary([line for file in files for line in read_lines(file)])
    (options.work / "ablations.jsonl").write_text("".join(file.read_text(encoding="utf-8") for file in files), encoding="utf-8")
    print(json.dumps({"arms": arms}) if options.json else ablation_table(arms))
    return 0


class Seed:
    """All arms from one seed."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        """Begin, or go on."""
        self.options, self.work, self.seed = options, options.work, seed

    def run(self) -> None:
        """Train and examine each arm."""
        options, more = self.options, self.options.generations * self.options.generation_epochs
        pretrained = self._do("pretrained", "pretrain", minutes=options.minutes, hosts=32, fit_steps=0)
        begun = {"from": pretrained / "best.pt"}
        trained = self._trained("trained", **begun, simulated=0.5, windows=options.windows)
        unread = self._trained("unread", simulated=0.5, windows=options.windows)
        recorded = self._drills(trained, "recorded") / self._drills(trained, "simulated")
        alone = round(options.windows * (1.0 + recorded))
        blind = self._trained("blind", **begun, simulated=1.0, windows=alone)
        half = {"simulated": 0.25, "windows": options.windows}
        arms = (
            self._hardened("population", trained, chaos="population", **half),
            self._hardened("uniform", trained, chaos="uniform", **half),
            self._hardened("unread-hardened", unread, chaos="population", **half),
            self._hardened("blind-hardened", blind, chaos="population", simulated=0.5, share=0.5, windows=alone),
            self._trained("real", simulated=0.0, epochs=options.epochs + more),
        )
        for name, folder in zip(ARMS, arms, strict=True):
            self._examined(name, folder)

    def _trained(self, name: str, *, epochs: int | None = None, **words: Any) -> Path:
        settings = {"data": self.options.data, "epochs": epochs or self.options.epochs, "steps": self.options.steps}
        return self._do(name, "train", **settings, **words)

    def _hardened(self, name: str, start: Path, **words: Any) -> Path:
        options = self.options
        settings = {"data": options.data, "generations": options.generations, "steps": options.steps}
        return self._do(name, "harden", "--resume", **{"from": start}, **settings, epochs=options.generation_epochs, **words)

    def _do(self, name: str, verb: str, *flags: str, **words: Any) -> Path:
        """Run a verb into a folder unless it was finished there."""
        out = self.work / f"{name}-{self.seed}"
        if not (done := out.with_suffix(".done")).exists():
            _run(verb, *flags, out=out, seed=self.seed, **words)
            done.touch()
        return out

    def _drills(self, folder: Path, which: str) -> int:
        from ordertrainer.imitation.checkpoint import read

        return read(folder / "best.pt")[which]["drills"]

    def _examined(self, arm: str, folder: Path) -> None:
        noted = self.work / f"ablations-{self.seed}.jsonl"
        if not (noted.exists() and any(line.arm == arm for line in read_lines(noted))):
            words = {"checkpoint": folder / "best.pt", "data": self.options.data, "arm": arm, "ablations": noted}
            _run("evaluate", "--no-baselines", **words)


def _run(verb: str, *flags: str, **words: Any) -> None:
    said = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [str(VERBS), verb, *flags, *said]
    print("$", " ".join(["ordertrainer", *command[1:]]), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
