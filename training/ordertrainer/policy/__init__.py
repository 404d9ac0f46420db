"""The policy that repairs: trained in the simulator, and examined there. Imports torch; writes checkpoints.

    levels      chaos that keeps to the locked split, and refuses what no training may see
    labels      what is right to do at a moment, and what is true of it
    decisions   moments to learn from, kept small
    actor       a network as something that acts
    floored     the same with orderd's rules as its floor
    rollout     hosts that live on under expert and learner, and what is kept of them
    objective   what training minimises
    tuning      what chooses between states of one training
    imitate     stage 2: DAgger on the expert that knows every fault, one resumable loop
    suites      what an exam asks
    exam        any policy on the same hosts: what was settled, and what it cost
    report      an exam from end to end; `tables` shows it to people
    asking      what the verbs that train policies ask for and show alike

Nothing here knows drills or recorded data; what may be drawn is decided in `ordertrainer.heldout`.
"""
