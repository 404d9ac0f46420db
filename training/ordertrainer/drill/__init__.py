"""The drill: break a disposable host on purpose, watch orderd repair it, and measure all of it from outside.

Touches: nothing itself. Three programs take part, each in a process of its own: the driver (this room), the prober
(`probe_program`), which never hears what orderd says, and the watcher (`watch_program`), which never sees what the prober
measures. A verdict needs both.
"""
