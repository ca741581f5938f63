"""Finds the regular expressions whose time grows faster than the text that they are given.

``python -m tests.growth.expressions`` imports every module of Parley, takes the expressions that
stand in them, and runs each on texts made for it: for every repetition in the expression, what
leads to it, and what it repeats again and again. An expression whose time grows much faster than
the length is named, with the text. An expression that only a call can build is refused, as it
cannot be tried: it belongs in a constant.
"""

import ast
import importlib
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import regex  # type: ignore[import-untyped]  # its types are a package of their own

from tests.growth import samples

ROOT = Path(__file__).parents[2]
PACKAGES = ("bots", "worker", "shared")
LENGTHS = (3_000, 12_000)
SUSPICIOUS_S = 0.0015
"""For the shorter text. A linear expression takes a twentieth of it, a quadratic one ten times."""
MOST_GROWTH = 8.0
"""For four times the text: a linear expression takes four times as long, a quadratic one 16."""
PATIENCE_S = 1.0
"""Processor time for one text; what takes longer does not end for an exponential expression."""
FUNCTIONS = {"compile", "match", "fullmatch", "search", "findall", "finditer"} | {
    "sub",
    "subn",
    "split",
}
ENDINGS = ("", "\n\x01", " !")
"""What makes the end of a text fail to match."""
Pattern = Any
"""Of ``re`` or of ``regex``."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression in the source."""

    where: str
    pattern: Pattern
    methods: frozenset[str]
    """How the source uses it: ``match``, ``fullmatch``, ``search`` (all others)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an expression."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class _TooLong(BaseException):
    """Ends an expression that takes too long."""


def main() -> int:
    """Name each expression that grows too fast; returns the exit code."""
    expressions, findings = collect(ROOT, PACKAGES)
    once = {(id(one.pattern), one.methods): one for one in expressions}
    findings += [found for one in once.values() if (found := check(one)) is not None]
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"{len(once)} regular expressions, {len(findings)} of them refused\n")
    return 1 if findings else 0


def check(expression: Expression) -> Finding | None:
    """The text for which an expression grows too fast; None if there is none."""
    attacks = samples.attacks_on(expression.pattern)
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        return _first_finding(expression, attacks)
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _first_finding(expression: Expression, attacks: Sequence[samples.Attack]) -> Finding | None:
    for method in sorted(expression.methods):
        for attack in attacks:
            grown = _growth(expression.pattern, method, attack)
            if grown is not None:
                shown = expression.pattern.pattern
                return Finding(
                    expression.where,
                    f"{shown[:100]!r} {grown} on {attack.prefix!r}, then {attack.pump!r} again and "
                    f"again, in {method}: use possessive repetitions (*+), atomic groups (?>...) or"
                    " a bound, or look back before its first repetition",
                )
    return None


def _growth(pattern: Pattern, method: str, attack: samples.Attack) -> str | None:
    for ending in ENDINGS:
        short = attack.text(LENGTHS[0], ending)
        first_s = _time(pattern, method, short)
        if first_s >= SUSPICIOUS_S:
            first_s = min(first_s, _time(pattern, method, short))
        if first_s < SUSPICIOUS_S:
            continue
        if first_s >= PATIENCE_S:
            return f"does not end within {PATIENCE_S:.0f} s for {LENGTHS[0]:,} characters"
        growth = _time(pattern, method, attack.text(LENGTHS[1], ending)) / first_s
        if growth > MOST_GROWTH:
            return f"takes {growth:.0f} times as long for four times the text"
    return None


def _time(pattern: Pattern, method: str, text: str) -> float:
    """The processor time of one use, in seconds; ``PATIENCE_S`` if it does not end."""
    target = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_S)
    start = time.process_time()
    try:
        _use(pattern, method, target)
    except (_TooLong, TimeoutError):
        return PATIENCE_S
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - start


def _use(pattern: Pattern, method: str, text: str | bytes) -> None:
    kwargs = {"timeout": PATIENCE_S} if isinstance(pattern, regex.Pattern) else {}
    if method == "search":
        deque(pattern.finditer(text, **kwargs), maxlen=0)
    else:
        getattr(pattern, method)(text, **kwargs)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong


def collect(root: Path, packages: Sequence[str]) -> tuple[list[Expression], list[Finding]]:
    """Every expression of some packages, and the places where one cannot be known."""
    files = sorted(file for package in packages for file in (root / package).rglob("*.py"))
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    names = {file: ".".join(file.relative_to(root).with_suffix("").parts) for file in files}
    uses = _uses_of_names({names[file]: tree for file, tree in trees.items()})
    trees = {file: tree for file, tree in trees.items() if _uses_expressions(tree)}
    expressions: list[Expression] = []
    findings: list[Finding] = []
    for file, tree in trees.items():
        module = importlib.import_module(names[file])
        found = _Found(str(file.relative_to(root)), module, uses, tree)
        expressions += found.in_constants()
        for one in found.in_calls():
            if isinstance(one, Expression):
                expressions.append(one)
            else:
                findings.append(one)
    return expressions, findings


def _uses_expressions(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Import) and any(name.name in {"re", "regex"} for name in node.names)
        for node in ast.walk(tree)
    )


def _uses_of_names(trees: Mapping[str, ast.AST]) -> Mapping[tuple[str, str], frozenset[str]]:
    """How each constant is used: of module and name, such as ``LINK``, the methods."""
    uses: dict[tuple[str, str], set[str]] = {}
    for module, tree in trees.items():
        origins = {
            name.asname or name.name: (str(node.module), name.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS - {"compile"}:
                value = node.value
                if isinstance(value, ast.Name):
                    key = origins.get(value.id, (module, value.id))
                elif isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
                    key = (".".join(origins.get(value.value.id, ("", ""))), value.attr)
                else:
                    continue
                uses.setdefault(key, set()).add(_method(node.attr))
    return {name: frozenset(methods) for name, methods in uses.items()}


def _method(function: str) -> str:
    return function if function in {"match", "fullmatch"} else "search"


@dataclass(frozen=True, slots=True)
class _Found:
    """The expressions of one module."""

    where: str
    module: ModuleType
    uses: Mapping[tuple[str, str], frozenset[str]]
    tree: ast.Module

    def in_constants(self) -> Iterator[Expression]:
        """Those that the module's names hold, in tuples and mappings, too."""
        bound = {
            name.id
            for node in self.tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
        for name in sorted(bound):
            for pattern in _patterns_in(getattr(self.module, name, None)):
                methods = self.uses.get((self.module.__name__, name)) or self._methods_of_items()
                yield Expression(f"{self.where}, {name}", pattern, methods)

    def _methods_of_items(self) -> frozenset[str]:
        """How the module uses what it takes from tuples and mappings of expressions."""
        used = {
            _method(node.attr)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Attribute)
            and node.attr in FUNCTIONS
            and node.attr not in {"compile", "split"}
            and not (isinstance(node.value, ast.Name) and node.value.id in {"re", "regex"})
            and not (isinstance(node.value, ast.Name) and node.value.id.isupper())
        }
        return frozenset(used) or frozenset({"search", "fullmatch"})

    def in_calls(self) -> Iterator[Expression | Finding]:
        """Those that a call such as ``re.sub("...", ...)`` in a function compiles."""
        for function in ast.walk(self.tree):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if function.name in self._called_for_constants():
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _is_of_re(node.func) and node.args:
                    yield self._of_call(node)

    def _called_for_constants(self) -> frozenset[str]:
        """Functions that the module calls itself: what they build is in its constants."""
        return frozenset(
            node.func.id
            for statement in self.tree.body
            if isinstance(statement, (ast.Assign, ast.AnnAssign))
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        )

    def _of_call(self, node: ast.Call) -> Expression | Finding:
        place = f"{self.where}:{node.lineno}"
        assert isinstance(node.func, ast.Attribute)
        function = node.func.attr
        given = [key.value for key in node.keywords if key.arg == "flags"]
        flags = [*node.args[PLACE_OF_FLAGS.get(function, 2) :], *given]
        source = ast.fix_missing_locations(_Escapes().visit(node.args[0]))
        try:
            pattern, number = (
                eval(ast.unparse(part), vars(self.module))
                for part in (source, flags[0] if flags else ast.Constant(0))
            )
        except NameError:
            shown = ast.unparse(node.args[0])
            return Finding(place, f"{shown} is built by a call: make it a constant of the module")
        return Expression(place, re.compile(pattern, number), frozenset({_method(function)}))


PLACE_OF_FLAGS = {"compile": 1, "split": 3, "sub": 4, "subn": 4}


class _Escapes(ast.NodeTransformer):
    """Replaces ``re.escape(...)``, which only adds letters, by a word."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return ast.Constant("aa0") if ast.unparse(node.func) == "re.escape" else node


def _is_of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in FUNCTIONS
        and isinstance(function.value, ast.Name)
        and function.value.id in {"re", "regex"}
    )


def _patterns_in(value: object) -> Iterator[Pattern]:
    if isinstance(value, (re.Pattern, regex.Pattern)):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _patterns_in(item)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from _patterns_in(item)


if __name__ == "__main__":
    sys.exit(main())
