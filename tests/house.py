"""The house rules that can be measured: folders, circles, names, lengths.

``python -m tests.house`` prints what it finds; ``test_house.py`` asks that it finds nothing.
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tests.test_architecture import FILES, ROOT, ours

MAX_FILES = 17
"""More than one look takes in; ``__init__.py`` does not count."""
MAX_LINES = 55
"""The longest function of the code bases that we look up to has about as many."""
OLD_WORDS = frozenset(
    {
        "acts",
        "bodies",
        "choosing",
        "clerk",
        "customs",
        "departure",
        "desk",
        "disarming",
        "errands",
        "evidence",
        "floods",
        "frozen_head",
        "gatherer",
        "hearer",
        "hermit",
        "launcher",
        "library",
        "lineup",
        "lookback",
        "manner",
        "manners",
        "mind",
        "minds",
        "mood",
        "offers",
        "operating",
        "opting",
        "pace",
        "phrases",
        "places",
        "preferring",
        "presses",
        "promptness",
        "reading",
        "rounded",
        "sealing",
        "showing",
        "situating",
        "solitude",
        "speech",
        "suspects",
        "talk",
        "told",
        "turnstile",
        "unasked",
        "verbs",
        "wedge",
        "wording",
        "wordings",
        "works",
    }
)
"""Words that only this project used for these things, or that stood for several of them."""
ALLOWED = {"worker.prompts.library", "PromptLibrary"}
"""A collection of prompts is what a reader expects of that name."""


def crowded_folders() -> list[str]:
    """Folders with more files than ``MAX_FILES``."""
    sizes = Counter(
        file.parent.relative_to(ROOT).as_posix()
        for file in FILES.values()
        if file.name != "__init__.py"
    )
    return [
        f"{folder}: {size} files, at most {MAX_FILES}"
        for folder, size in sorted(sizes.items())
        if size > MAX_FILES
    ]


def circles() -> list[str]:
    """Files and folders beside each other that import each other, directly or by a way round."""
    return [
        f"{folder or 'packages'}: {member} reaches itself"
        for folder, arrows in sorted(_arrows().items())
        for member in sorted(arrows)
        if member in _reached(arrows, member)
    ]


def _arrows() -> dict[str, dict[str, set[str]]]:
    """Folder -> what lies in it, a file or a folder -> what that imports of its neighbours."""
    arrows: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module, file in FILES.items():
        if file.name == "__init__.py":
            continue
        for other in ours(module):
            folder, here, there = _parting(module, other)
            if here and there:
                arrows[folder][here].add(there)
    return arrows


def _parting(module: str, other: str) -> tuple[str, str, str]:
    """The folder that two modules have in common, and the names below it at which they part."""
    here, there = module.split("."), other.split(".")
    depth = 0
    while depth < min(len(here), len(there)) and here[depth] == there[depth]:
        depth += 1
    rest = [path[depth] if depth < len(path) else "" for path in (here, there)]
    return ".".join(here[:depth]), rest[0], rest[1]


def _reached(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(arrows.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += arrows.get(name, ())
    return reached


def _definitions() -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module, file in FILES.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node


def double_names() -> list[str]:
    """Public classes of one name."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module, node in _definitions():
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            homes[node.name].append(module)
    return [f"{name}: {', '.join(found)}" for name, found in homes.items() if len(found) > 1]


def long_functions() -> list[str]:
    """Functions of more lines than ``MAX_LINES``."""
    return [
        f"{module}.{node.name}: {lines} lines, at most {MAX_LINES}"
        for module, node in _definitions()
        if not isinstance(node, ast.ClassDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_LINES
    ]


def old_words() -> list[str]:
    """Paths and classes with a word that newcomers do not look for."""
    paths = [
        module for module in FILES if set(module.split(".")) & OLD_WORDS and module not in ALLOWED
    ]
    classes = [
        f"{module}.{node.name}"
        for module, node in _definitions()
        if isinstance(node, ast.ClassDef)
        and {word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", node.name)} & OLD_WORDS
        and node.name not in ALLOWED
    ]
    return paths + classes


RULES = {
    "at most 17 files a folder": crowded_folders,
    "no circle of files or folders": circles,
    "no class name twice": double_names,
    "no function above 55 lines": long_functions,
    "the field's words in paths and classes": old_words,
}

if __name__ == "__main__":
    broken = {rule: found for rule, find in RULES.items() if (found := find())}
    for rule in RULES:
        sys.stdout.write(f"{'FAIL' if rule in broken else 'ok  '}  {rule}\n")
        sys.stdout.writelines(f"      {line}\n" for line in broken.get(rule, ()))
    sys.exit(1 if broken else 0)
