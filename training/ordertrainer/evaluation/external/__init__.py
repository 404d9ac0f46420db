"""Foreign telemetry: what the order model says of hosts that nobody prepared for it, beside what any peer says of them.

    series    FILE.npz -> a checked series, or a refusal that names what and where
    windows   a series -> windows as orderd cuts them
    blocks    parts that are judged, and drawn again, as wholes
    peers     what it is measured against: classifiers fitted on the series itself, and the surprise of persistence
    surprise  what each next sample costs under pretrained weights, names or not
    scores    areas, events found at a rate of false alarms, delays; with intervals
    report    all of it, as plain values
    tables    and for people

Nothing of a foreign file is ever kept, and nothing that ships is fitted to one.
"""
