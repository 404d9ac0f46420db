"""Trainings told to an MLflow tracking server, where there is one; without one nothing happens here.

    settings    which server, and under which name
    rest        the five calls of MLflow's REST API that are needed
    figures     a line of a training's history as metrics, settings as parameters
    kept        which run a folder is, and how far it was told
    run         one training's run, told in the background
    watching    a training's watcher that tells its run too

A training never waits for a server and never fails because of one; `history.jsonl` has every line in any case.
"""

from ordertrainer.tracking.run import tracked
from ordertrainer.tracking.settings import HELP, Server, TrackingError, server
from ordertrainer.tracking.watching import Tracked

__all__ = ["HELP", "Server", "Tracked", "TrackingError", "server", "tracked"]
