"""Evaluation: what a diagnoser gets right on drills the training never saw, with baselines beside it."""
