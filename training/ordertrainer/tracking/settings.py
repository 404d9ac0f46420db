"""Which MLflow server, and what a run is filed under. Reads the environment, in MLflow's own names.

    MLFLOW_TRACKING_URI        http(s)://HOST:PORT[/PATH]; other stores need the package mlflow and are left alone
    MLFLOW_EXPERIMENT_NAME     "ordertrainer" where it is not set
    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD

Secrets belong there: a command line is for everybody to read.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

URI: Final = "MLFLOW_TRACKING_URI"
EXPERIMENT: Final = "ordertrainer"
HELP: Final = f"Log to this MLflow tracking server, http(s)://HOST:PORT; {URI} by default, nothing where neither is given."


class TrackingError(Exception):
    """What was given names no server that can be told of a training; the message says which value, and what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A tracking server.

    Attributes:
        uri: http or https, without a slash at its end.
        experiment: what runs are filed under.
        authorization: header, empty without one; never printed and never kept.
    """

    uri: str
    experiment: str = EXPERIMENT
    authorization: str = ""


def server(uri: str | None, environment: Mapping[str, str]) -> Server | None:
    """Return the server that trainings are told to, None without one.

    Args:
        uri: as given on the command line; None: as the environment has it.
        environment: variables.

    Raises:
        TrackingError: what was given is no http(s) address. In the environment such a value may be meant for other programs.
    """
    given = uri if uri is not None else environment.get(URI, "")
    if not given:
        return None
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        if uri is None:
            return None
        raise TrackingError(f"--mlflow {uri}: not the address of a tracking server; give http(s)://HOST:PORT")
    return Server(
        # Without a name and password that may stand in it: addresses are printed and kept.
        uri=parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/"),
        experiment=environment.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT,
        authorization=_authorization(parts, environment),
    )


def _authorization(parts: SplitResult, environment: Mapping[str, str]) -> str:
    name = parts.username or environment.get("MLFLOW_TRACKING_USERNAME")
    password = parts.password if parts.username else environment.get("MLFLOW_TRACKING_PASSWORD")
    if name and password is not None:
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else ""
