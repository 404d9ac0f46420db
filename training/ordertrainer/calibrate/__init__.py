"""Holds the simulator against recorded hosts: fits what may be fitted, and tells how far apart the two still are.

    recording   a data directory -> runs, second by second, and windows of them
    courses     calm seconds -> what a host in order measures, and how that moves in time
    onsets      broken seconds -> when signals show a fault, and how strongly
    fitted      all of that as the file that the simulator reads
    twins       recorded runs -> simulated hosts with the same entities, faults and seconds
    gap         recorded windows and simulated ones -> how well a classifier tells them apart
    difficulty  drills and the same faults simulated -> rank correlation of how hard they are
    report, tables, plot, cli   the same for people

Only runs of the split ``train`` with faults that may be trained on are fitted to; the gap is told of the split ``tune``.
"""
