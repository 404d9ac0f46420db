"""`python -m ordertrainer.ground`: the same commands as `ordertrainer host`."""

from ordertrainer.ground.cli import host_app

host_app(prog_name="ordertrainer host")
