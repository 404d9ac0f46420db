"""orderd keeps a Linux host in order: it samples, diagnoses, repairs through Ansible playbooks and proves the repair.

gRPC reads its settings once, when it is first imported, so they are set before anything else of orderd is: TLS 1.3 only. gRPC
for Python has no setting for the lowest version of TLS; the one TLS 1.2 suite left needs a shared key that nobody has, so that no
handshake below 1.3 ends well. ``identity.tls`` asks again at every call.
"""

import os

os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-PSK-CHACHA20-POLY1305"

__version__ = "0.1.0"
