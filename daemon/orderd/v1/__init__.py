"""The gRPC interface of orderd, generated from proto/orderd/v1 by ``python proto/generate.py``. Pure.

Everything here but this docstring is generated and checked fresh by tests/contract/test_proto_fresh.py.
"""
