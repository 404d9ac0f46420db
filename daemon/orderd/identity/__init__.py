"""Who this host is to its fleet: its key, its certificate, the fleet's authority. Touches one directory.

Renewing asks the trainer. The key is made here and never leaves. What needs a crypto library (keys, requests, checking an
answer) runs in ``python -m orderd.identity``, a process that is thrown away; the daemon itself only hands PEM files to gRPC.
"""
