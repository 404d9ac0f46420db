"""The gRPC interface of orderd on its unix socket. Touches the socket's folder; asks the journal, the hub and the loop's view.

No process that serves gRPC may fork: with fork support on, it hangs. The variable has to be set before grpc is first imported.
"""

import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from orderd.rpc.server import RpcServer, serve
from orderd.rpc.view import HostView

__all__ = ["HostView", "RpcServer", "serve"]
