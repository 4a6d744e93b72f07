"""Packages of which a process imports what it uses, not all that they hold.

`import kubernetes.aio.client` first runs the packages above it, which import a second client, for
threads, with the logins of every cloud: a third of the processor time that the operator's imports
took. kopf looks for that second client too. So these packages are put into `sys.modules` without
having been run; a submodule is imported where somebody asks for it, and whoever asks for anything
else gets the package as it is.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec


def import_by_parts(package: str) -> None:
    """Have a package run only when something besides its submodules is asked of it.

    Args:
        package: its full name; nothing happens where it is imported already, or not installed.
    """
    if package in sys.modules:
        return
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # of the package above it
        return
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, module_from_spec(spec)

    def ask(name: str) -> object:
        part = f"{package}.{name}"
        if find_spec(part) is not None:
            return import_module(part)
        del module.__dict__["__getattr__"]
        loader.exec_module(module)
        return getattr(module, name)

    module.__dict__["__getattr__"] = ask
    sys.modules[package] = module
