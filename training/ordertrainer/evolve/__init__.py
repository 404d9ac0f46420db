"""Stage 3: order and chaos evolve against each other in the simulator. Imports torch; writes checkpoints.

    ledger      what drills cost, in seconds of trouble
    regret      what a policy lost against one that knows everything
    lot         the policy that is trained: beliefs, sharpened and drawn
    drilling    drills that are learned from
    critic      sees the true faults; in training only
    advantages  GAE and the clipped loss, held against TorchRL by tests
    limits      Lagrangian limits on touching what is healthy, and on harm
    learning    one iteration of PPO
    strata      base rates, and weights that keep to them
    archive     levels that were played, by learnability, and mutations
    learned     chaos that learns what hurts, with an entropy floor
    population  all of these chaoses together, and even chaos beside them
    evolve      the loop
    crossplay   every generation of order against every generation of chaos
    fresh       a chaos from scratch against a frozen policy; `exam` makes a report of it
    several     one evolution with its exams, and the same from several seeds; `show` shows it to people

The policy comes from `ordertrainer.policy` and is examined there; what may be drawn is decided in `ordertrainer.heldout`.
"""
