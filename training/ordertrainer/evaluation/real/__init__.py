"""Real drills: what orderd did on disposable hosts, by what its training had seen of each fault. Reads results of drills.

    runs      drill.json -> runs with their part of heldout.toml, their share of the intensity, and how many repairs were tried
    scores    repaired within three, touched healthy, false repairs an hour, held-out families, time to repair; with intervals
    tables    for people

What a drill found is taken as it is; nothing is judged again.
"""
