"""Pictures of an evaluation: SVG files that say what they show and need nothing else.

all        what there are figures for is drawn, the rest is left out
style      one look, files that are equal where figures are, written in one step
matrices   confusion; generations of order against generations of chaos
curves     reliability; learning
bars       seconds to healthy by fault; simulated against real, by fault and by signal

Nothing is computed here: what is drawn is what a report says.
"""
