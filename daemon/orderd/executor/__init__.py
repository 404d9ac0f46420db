"""Runs catalogued repairs as root: orderd-exec, the warm Ansible process beside it, and the client orderd uses.

Import what you need from the modules: ``client`` and ``messages`` are light, ``zygote`` is the only place that imports ansible.
"""
