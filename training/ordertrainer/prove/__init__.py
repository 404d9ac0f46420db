"""Proves the catalogue: every fault lands, is undone and leaves nothing; every cure cures, holds, and touches nothing else.

Touches: disposable hosts and out/catalogue.json, see `run`. No torch. `ordertrainer catalogue` is the way in.
"""
