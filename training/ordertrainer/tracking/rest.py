"""The calls of MLflow's REST API 2.0 that a training needs, with the standard library. Touches the network.

The packages mlflow and mlflow-skinny would bring a web framework, a vendor's SDK and two dozen more for five calls,
and refuse releases that others here need. The API is documented, kept, and small.

References:
    MLflow, REST API (https://mlflow.org/docs/latest/rest-api.html): Create Experiment, Get Experiment By Name, Create Run, Update
    Run, Log Batch with its limits (at most 1000 metrics, 100 parameters and 100 tags, 1000 in all, and 1 MB).
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from ordertrainer.tracking.settings import Server

PATH: Final = "/api/2.0/mlflow/"
TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 1 << 20
METRICS_MAX: Final = 1000
OTHERS_MAX: Final = 100
ABSENT: Final = "RESOURCE_DOES_NOT_EXIST"
EXISTS: Final = "RESOURCE_ALREADY_EXISTS"

Metric = Mapping[str, Any]
"""key, value, timestamp in ms since 1970, step."""


class RestError(Exception):
    """A call did not do what it should.

    Attributes:
        code: MLflow's, for example RESOURCE_DOES_NOT_EXIST; empty where nobody answered in its manner.
        again: the same call may succeed later: nobody was there, or the server is in trouble.
    """

    def __init__(self, message: str, *, code: str = "", again: bool = True) -> None:
        """Say what happened."""
        super().__init__(message)
        self.code, self.again = code, again


class Rest:
    """One server."""

    def __init__(self, server: Server, timeout_s: float = TIMEOUT_S) -> None:
        """Speak to a server.

        Args:
            server: where.
            timeout_s: for each of connecting, sending and receiving.
        """
        self._server, self._timeout_s = server, timeout_s

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made where it is missing."""
        try:
            return str(
                self._ask("GET", f"experiments/get-by-name?{urlencode({'experiment_name': name})}")["experiment"]["experiment_id"]
            )
        except RestError as error:
            if error.code != ABSENT:
                raise
        try:
            return str(self._ask("POST", "experiments/create", {"name": name})["experiment_id"])
        except RestError as error:
            if error.code != EXISTS:  # somebody else has just made it
                raise
        return self.experiment(name)

    def create_run(self, experiment_id: str, name: str, start_ms: int, tags: Mapping[str, str]) -> str:
        """Begin a run and return its id."""
        asked = {"experiment_id": experiment_id, "run_name": name, "start_time": start_ms, "tags": _pairs(tags)}
        return str(self._ask("POST", "runs/create", asked)["run"]["info"]["run_id"])

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Add to a run; what is too much for one call goes in several."""
        several = [list(metrics[at : at + METRICS_MAX]) for at in range(0, len(metrics), METRICS_MAX)]
        for batch in several:
            self._ask("POST", "runs/log-batch", {"run_id": run_id, "metrics": batch})
        for kind, pairs in (("params", _pairs(params or {})), ("tags", _pairs(tags or {}))):
            for at in range(0, len(pairs), OTHERS_MAX):
                self._ask("POST", "runs/log-batch", {"run_id": run_id, kind: pairs[at : at + OTHERS_MAX]})

    def update_run(self, run_id: str, status: str, end_ms: int | None = None) -> None:
        """Say how a run is: RUNNING, FINISHED, FAILED or KILLED, and since when it is over."""
        asked = {"run_id": run_id, "status": status} | ({} if end_ms is None else {"end_time": end_ms})
        self._ask("POST", "runs/update", asked)

    def _ask(self, method: str, call: str, asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self._server.authorization:
            headers["Authorization"] = self._server.authorization
        body = None if asked is None else json.dumps(asked, allow_nan=False).encode()
        request = urllib.request.Request(self._server.uri + PATH + call, body, headers, method=method)  # noqa: S310  http(s) alone gets here
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310  the same
                told = json.loads(answer.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except (OSError, ValueError) as error:
            raise RestError(f"{getattr(error, 'reason', None) or error or type(error).__name__}") from error
        return told if isinstance(told, dict) else {}


def _refusal(error: urllib.error.HTTPError) -> RestError:
    try:
        told = json.loads(error.read(ANSWER_BYTES_MAX))
        code, message = str(told["error_code"]), str(told.get("message", ""))
    except (OSError, ValueError, KeyError, TypeError):
        code, message = "", error.reason
    server_side = error.code >= 500 or error.code == 429  # noqa: PLR2004  HTTP's own numbers
    return RestError(f"HTTP {error.code} {code} {message}".strip(), code=code, again=server_side)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
