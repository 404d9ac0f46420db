"""What orderd holds in memory for its identity."""

import subprocess
import sys


def test_orderd_at_rest_holds_no_crypto_library():
    """Everything the daemon imports, identity and mutual TLS among it, comes without the library that makes keys."""
    crypto = "[m for m in sys.modules if m.split('.')[0] in ('cryptography', '_cffi_backend')]"
    ask = f"import sys, orderd.app; sys.exit(' '.join({crypto}) or 0)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_grpc_is_told_tls_1_3_before_it_is_imported():
    """Whichever part of orderd is imported first, gRPC's setting stands in the environment when gRPC reads it."""
    first = "import builtins, os, sys; real = builtins.__import__\n"
    watch = (
        "def watched(name, *more, **other):\n"
        "    if name.split('.')[0] == 'grpc' and 'grpc' not in sys.modules:\n"
        "        assert 'PSK' in os.environ.get('GRPC_SSL_CIPHER_SUITES', ''), name\n"
        "    return real(name, *more, **other)\n"
        "builtins.__import__ = watched\n"
    )
    for module in (
        "orderd.app",
        "orderd.ctl.main",
        "orderd.identity.enrolment",
        "ordertrainer.serve.cli",
        "ordertrainer.collect.fleet",
    ):
        done = subprocess.run(
            [sys.executable, "-c", f"{first}{watch}import {module}"], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"{module}: {done.stderr[-500:]}"
