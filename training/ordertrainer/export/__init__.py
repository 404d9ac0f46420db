"""Turns a checkpoint into a model folder that orderd accepts: graph, manifest, card."""
