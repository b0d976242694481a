"""An extension of Griffe that leaves constants out of the API pages: they would come first."""

from __future__ import annotations

from typing import Any

from griffe import Extension, Module


class WithoutConstants(Extension):  # type: ignore[misc]  # skipped: see pyproject.toml
    """Names in capitals are not exported, as far as the pages are concerned."""

    def on_module(self, *, mod: Module, **_: Any) -> None:
        """Called by Griffe for each module that it has read."""
        if mod.exports is not None:
            mod.exports = [name for name in mod.exports if not str(name).isupper()]
        for name, member in mod.members.items():
            if name.isupper() and not member.is_alias:
                member.public = False
