"""Imports everything a local playbook needs, once, before the first fork. Touches sys.modules and Ansible's plugin caches.

What is loaded here was found by comparing sys.modules before and after a run; anything missed is loaded later, more slowly, and
works all the same. Call :func:`preload` before anything else of ansible is imported: Ansible reads its settings on import.
"""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Final

from orderd.memory import trim

CONFIG_FILE: Final = Path(__file__).with_name("ansible.cfg")
STATIC_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "ANSIBLE_CONFIG": str(CONFIG_FILE),
}
"""The whole environment of a repair, apart from the paths of its workspace: nothing is inherited from whoever started us."""

_MODULES: Final = (
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.executor.playbook_executor",
    "ansible.executor.process.worker",
    "ansible.executor.task_queue_manager",
    "ansible.module_utils.basic",
    "ansible.module_utils.facts.system.service_mgr",
    "ansible.module_utils.service",
    "ansible.playbook.role",
    "ansible.plugins.vars.host_group_vars",
    "ansible._internal._templating._engine",
    "ansible._internal._ansiballz._builder",
    "ansible.module_utils._internal._ansiballz._loader",
    "ansible_runner",
    "ansible_runner.config.runner",
    "ansible_runner.runner",
    "jinja2.nativetypes",
    "runpy",
    "orderd.executor.zygote.modules",
    "orderd.executor.zygote.server",
)
_WHOLE_LOADERS: Final = ("connection_loader", "shell_loader", "become_loader", "callback_loader")
"""Ansible loads every plugin of these kinds at the start of every play and parses its documentation: half of a warm run."""
_PLUGINS: Final = {
    "action_loader": ("normal", "command", "shell", "service", "copy", "template", "debug", "set_fact", "assert", "fail"),
    "strategy_loader": ("linear",),
    "inventory_loader": ("host_list",),
    "cache_loader": ("memory",),
}


def preload() -> None:
    """Import Ansible and its plugins, then give back what only that needed and freeze the collector: forks share the memory."""
    os.environ.clear()
    os.environ.update(STATIC_ENVIRONMENT)
    sys.argv = ["ansible-playbook"]  # Ansible names itself after it
    with _left_out("cryptography"):
        for name in _MODULES:
            importlib.import_module(name)
        _load_plugins()
    trim()


@contextlib.contextmanager
def _left_out(package: str) -> Generator[None]:
    """Let a package seem absent while Ansible is imported.

    Ansible takes cryptography for vaults alone and does without when there is none; it is 8 MiB of 48, and no repair has a vault.
    """
    sys.modules[package] = None  # type: ignore[assignment]  that is how an import is made to fail
    try:
        yield
    finally:
        del sys.modules[package]


def _load_plugins() -> None:
    from ansible import constants
    from ansible.plugins import loader

    loader.init_plugin_loader(getattr(constants, "COLLECTIONS_PATHS"))  # noqa: B009  made when Ansible is imported
    _never_initialise_again()
    for name, plugins in _PLUGINS.items():
        for plugin in plugins:
            getattr(loader, name).get(plugin, class_only=True)
    for name in _WHOLE_LOADERS:
        list(getattr(loader, name).all(class_only=True))
    list(loader.filter_loader.all())
    list(loader.test_loader.all())


def _already_done(*_arguments: object, **_options: object) -> None:
    """Stand in for init_plugin_loader."""


def _never_initialise_again() -> None:
    """Keep the command line from installing the collection finder a second time in a forked process."""
    import ansible.cli
    import ansible.cli.playbook

    for module in (ansible.cli, ansible.cli.playbook):
        if hasattr(module, "init_plugin_loader"):
            setattr(module, "init_plugin_loader", _already_done)  # noqa: B010  not every version of Ansible has it
    warnings.filterwarnings("ignore", message=".*CollectionFinder.*")
