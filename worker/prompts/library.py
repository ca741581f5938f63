"""The prompt library: Parley's prompts, and the operator's files that replace some of them.

Called once at start, by the composition root; an error in a file ends it with a sentence.
Rendering is pure.
"""

import difflib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from shared.errors import SettingsError
from worker.prompts.template import ENDING, FIELDS, RenderedPrompt, Template, fill, parse

MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class PromptLibrary:
    """All prompts of this process."""

    templates: Mapping[str, Template]

    def render(self, name: str, **fields: str) -> RenderedPrompt:
        """Fill in a prompt; a field's content is never parsed as a prompt itself.

        Raises:
            KeyError: there is no such prompt, or one of its fields is not given.
        """
        return fill(self.templates[name], fields)

    def version(self, name: str) -> str:
        """The version that a prompt's file declares."""
        return self.templates[name].version


def fresh_mark() -> str:
    """A random delimiter around a person's text; no message can contain it in advance."""
    return f"====={secrets.token_hex(MARK_BYTES)}====="


def read_library(folder: Path | None) -> PromptLibrary:
    """Parley's prompts, with those of the folder in their places.

    Raises:
        SettingsError: the folder does not exist, a file has no known prompt's name, or is invalid.
    """
    texts = resources.files("worker.prompts") / "texts"
    ours = {
        name: parse(name, (texts / f"{name}{ENDING}").read_text(encoding="utf-8"))
        for name in FIELDS
    }
    return PromptLibrary({**ours, **(_theirs(folder) if folder else {})})


def _theirs(folder: Path) -> dict[str, Template]:
    if not folder.is_dir():
        raise SettingsError(f"PARLEY_PROMPTS_DIR names {folder}, which is not a folder.")
    found: dict[str, Template] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if file.suffix != ENDING or file.stem not in FIELDS:
            names = [f"{name}{ENDING}" for name in FIELDS]
            near = difflib.get_close_matches(file.name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(names)}."
            raise SettingsError(f"PARLEY_PROMPTS_DIR holds {file.name}, which is no prompt: {hint}")
        try:
            found[file.stem] = parse(file.stem, file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"PARLEY_PROMPTS_DIR: {file.name} cannot be read.") from error
    return found
