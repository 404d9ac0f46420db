"""Stage 1, self-supervised: what a host and each of its entities show next, in bits a value. Imports torch; writes files.

    moments    windows with the sample that came next
    simulated  moments from simulated hosts
    recorded   moments from recorded runs
    drawn      series that nobody measured, for signals without names
    hiding     slots that the learner is not shown
    learn      one seeded, resumable loop
    cost       what a network charges for a course of seconds
    peers      the same in other ways: xz, adaptive persistence, an autoregression
    alphabet   codes that a channel has shown before
    hosts      the network beside its peers on hosts: simulated, recorded
    foreign    telemetry of others, in 8 bits; scored, never part of what ships
    fitted     the same architecture, fitted to the train part of foreign telemetry; thrown away after scoring
    foreigners the network beside its peers on foreign telemetry
    novelty    surprise as a sign of what no training saw
    checkpoint pretrained weights, and what begins with them
    report     all of it as plain values; `show` shows it to people
    several    one pretraining with its scores, and the same from several seeds

No label is learned from, so that every second of a host counts and not only those that somebody can vouch for.
"""
