"""`ordertrainer fit`: the stages of learning in the simulator, one after another, in a time that somebody has. Imports torch.

    profiles    named times, and what is done in each
    chain       pretraining, imitation, evolution and the exam; each in a folder, each resumable
    cli         the verb

The stages are those of `ordertrainer.pretrain`, `ordertrainer.policy` and `ordertrainer.evolve`; nothing of them is done here.
"""
