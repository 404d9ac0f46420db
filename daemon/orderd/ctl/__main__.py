"""``python -m orderd.ctl`` is orderctl."""

from orderd.ctl.main import main

main()
