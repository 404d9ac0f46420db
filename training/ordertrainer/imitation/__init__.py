"""Imitation: trains the order model on drills whose fault was seen to land. Imports torch; writes checkpoints."""
