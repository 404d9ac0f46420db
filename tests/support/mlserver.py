"""A tracking server of MLflow's REST API 2.0 as its documentation has it: five calls, strict about every field. In memory."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATH = "/api/2.0/mlflow/"
FIELDS = {
    "experiments/create": {"name": str},
    "runs/create": {"experiment_id": str, "run_name": str, "start_time": int, "tags": list},
    "runs/log-batch": {"run_id": str, "metrics": list, "params": list, "tags": list},
    "runs/update": {"run_id": str, "status": str, "end_time": int},
}
STATUSES = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"}
LIMITS = {"metrics": 1000, "params": 100, "tags": 100}


class RefusedError(Exception):
    """The request is not what the documentation says."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Tracking:
    """What a server keeps.

    Attributes:
        fails: status to answer everything with, for as long as it is set.
        silent: event to wait for before anything is answered.
    """

    def __init__(self):
        self.experiments, self.runs, self.calls, self.headers = {}, {}, [], []
        self.fails, self.silent = 0, None

    def answer(self, method, call, asked):
        if self.silent is not None:
            self.silent.wait(30)
        if self.fails:
            raise RefusedError(self.fails, "TEMPORARILY_UNAVAILABLE" if self.fails == 503 else "PERMISSION_DENIED", "as told")
        if (method, call) == ("GET", "experiments/get-by-name"):
            found = self.experiments.get(asked["experiment_name"][0])
            if found is None:
                raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", "no such experiment")
            return {"experiment": {"experiment_id": found, "name": asked["experiment_name"][0]}}
        if method != "POST" or call not in FIELDS:
            raise RefusedError(404, "ENDPOINT_NOT_FOUND", f"{method} {call}")
        for key, value in asked.items():
            if not isinstance(value, FIELDS[call].get(key, ())):
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"{call}: {key} = {value!r}")
        return getattr(self, call.replace("/", "_").replace("-", "_"))(asked)

    def experiments_create(self, asked):
        if asked["name"] in self.experiments:
            raise RefusedError(400, "RESOURCE_ALREADY_EXISTS", "exists")
        self.experiments[asked["name"]] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[asked["name"]]}

    def runs_create(self, asked):
        if asked["experiment_id"] not in self.experiments.values():
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", "no such experiment")
        run_id = f"{len(self.runs):032x}"
        self.runs[run_id] = {"name": asked["run_name"], "status": "RUNNING", "metrics": [], "params": {}, "tags": {}}
        self.runs[run_id]["tags"] |= pairs(asked["tags"])
        return {"run": {"info": {"run_id": run_id, "status": "RUNNING"}}}

    def runs_log_batch(self, asked):
        run = self.run(asked)
        if sum(len(asked.get(kind, [])) for kind in LIMITS) > 1000 or any(len(asked.get(k, [])) > n for k, n in LIMITS.items()):
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", "too many")
        for metric in asked.get("metrics", []):
            types = {"key": str, "value": float, "timestamp": int, "step": int}
            if {key: type(value) for key, value in metric.items()} != types:
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"metric {metric}")
        for key, value in pairs(asked.get("params", [])).items():
            if run["params"].setdefault(key, value) != value:
                raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"param {key} was {run['params'][key]}")
        run["metrics"] += asked.get("metrics", [])
        run["tags"] |= pairs(asked.get("tags", []))
        return {}

    def runs_update(self, asked):
        run = self.run(asked)
        if asked["status"] not in STATUSES:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", asked["status"])
        run["status"] = asked["status"]
        return {"run_info": {"run_id": asked["run_id"], "status": asked["status"]}}

    def run(self, asked):
        if asked["run_id"] not in self.runs:
            raise RefusedError(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={asked['run_id']} not found")
        return self.runs[asked["run_id"]]


def pairs(listed):
    if any(set(each) != {"key", "value"} or not all(isinstance(v, str) for v in each.values()) for each in listed):
        raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"no pairs: {listed}")
    return {each["key"]: each["value"] for each in listed}


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for a server."""

    def handle_any(self):
        kept, url = self.server.kept, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = url.path.removeprefix(PATH)
        kept.calls.append(call)
        kept.headers.append(dict(self.headers))
        try:
            asked = parse_qs(url.query) if self.command == "GET" else json.loads(body)
            status, told = 200, kept.answer(self.command, call, asked)
        except RefusedError as refused:
            status, told = refused.status, {"error_code": refused.code, "message": str(refused)}
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    do_GET = do_POST = handle_any  # noqa: N815  names of http.server

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(kept, port=0):
    """Serve what is kept; yields the address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads, server.kept = True, kept
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
