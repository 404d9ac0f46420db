"""The trainer's ear: takes telemetry over gRPC and keeps it as Parquet.

    async with TrainerServer(Path("data"), listen=("127.0.0.1:7443",)) as server: ...   # inside an event loop
    with TrainerThread(Path("data"), listen=("127.0.0.1:7443",)) as trainer: ...        # from synchronous code

What an acknowledgement promises and how it survives a crash is told in `store`.
"""

from ordertrainer.serve.errors import ServeError
from ordertrainer.serve.server import TrainerServer
from ordertrainer.serve.thread import TrainerThread

__all__ = ["ServeError", "TrainerServer", "TrainerThread"]
