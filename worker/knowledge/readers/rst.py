"""The reader of reStructuredText; Sphinx's extensions are read as text.

Files that a document includes are not opened, and raw HTML is dropped.
"""

import re
from types import ModuleType
from typing import Any, ClassVar

from docutils import core, nodes
from docutils.parsers.rst import Directive, directives, roles
from docutils.statemachine import StringList

from worker.knowledge.documents import Document, Outline

ROLE = re.compile(r":([A-Za-z][\w+.:-]*+)(?P<text>(?<=:)`)?")
"""A role's name with the colon behind it, if its text follows; else a run of such characters."""
DIRECTIVE = re.compile(r"^[ \t]*\.\. +([\w][\w+.:-]*)::", re.MULTILINE)
CODE = frozenset(
    """
    code-block sourcecode doctest testcode prompt ipython console productionlist
    """.split()  # noqa: SIM905 - quoted words are hard to read
)
SILENT = frozenset(
    """
    toctree index highlight currentmodule module automodule autoclass autofunction tabularcolumns
    include literalinclude raw image figure plot graphviz default-role sectionauthor codeauthor
    testsetup testcleanup meta only ifconfig
    """.split()  # noqa: SIM905 - the same
)
MIN_WORDS = 3
"""On a directive's own line: fewer are a version or a name."""
SKIPPED = (
    nodes.comment,
    nodes.system_message,
    nodes.target,
    nodes.substitution_definition,
    nodes.docinfo,
    nodes.image,
    nodes.footnote,
    nodes.citation,
    nodes.raw,
    nodes.pending,
)
SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "doctitle_xform": False,
    "smart_quotes": False,
    "syntax_highlight": "none",
    "warning_stream": False,
}


def read_rst(text: str, name: str) -> Document:
    """Read sections, paragraphs, lists, tables and code."""
    for role in _roles_in(text) - _known(roles, "_role_registry"):
        roles.register_local_role(role, _read_role)  # type: ignore[arg-type]  # wants references
    theirs = _known(directives, "_directive_registry") - CODE - SILENT
    for directive in set(DIRECTIVE.findall(text)) - theirs:
        directives.register_directive(directive, _AnyDirective)
    tree = core.publish_doctree(text, settings_overrides=SETTINGS)
    outline = Outline()
    _add_children(outline, tree, 1)
    return outline.finish(name)


def _roles_in(text: str) -> set[str]:
    return {found[1].removesuffix(":") for found in ROLE.finditer(text) if found["text"]}


def _known(module: ModuleType, registry: str) -> set[str]:
    """The names that docutils knows already; it has no function that lists them.

    Includes ours once registered, so that a later file need not register them again.
    """
    return set(vars(module)[registry])


def _read_role(
    _role: str,
    _raw: str,
    text: str,
    *_: object,
    **__: object,
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Read ``:doc:`Installing <install>` `` as its words; ``~`` shortens a name."""
    shown = _without_target(text) or text
    return [nodes.inline(text, shown.lstrip("~!"))], []


def _without_target(text: str) -> str:
    """The text without the ``<target>`` at its end."""
    words = text.removesuffix("\n")
    if not words.endswith(">"):
        return text
    start = words.find("<", words.rfind(">", 0, -1) + 1)
    return text if start < 0 else words[:start].rstrip() + text[len(words) :]


class _Options(dict[str, Any]):
    """Accepts any option."""

    def __missing__(self, _key: str) -> Any:  # noqa: ANN401 - as docutils calls it
        return directives.unchanged


class _AnyDirective(Directive):
    """A directive of Sphinx or of an extension: its content is read as text."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = _Options(name=directives.unchanged)

    def run(self) -> list[nodes.Node]:
        """The nodes that replace it."""
        text = "\n".join(self.content)
        if self.name in SILENT:
            return []
        if self.name in CODE:
            return [nodes.literal_block(text, text)]
        # A text that begins on the directive's own line or the next one counts as its argument.
        first, *more = "".join(self.arguments).split("\n")
        begun = [*([first] if len(first.split()) >= MIN_WORDS else []), *more]
        lines = StringList([*begun, "", *self.content] if begun else list(self.content), "")
        holder = nodes.container(text)
        self.state.nested_parse(lines, self.content_offset, holder)
        return list(holder.children)


def _add_children(outline: Outline, node: nodes.Element, depth: int) -> None:
    for child in node.children:
        _add(outline, child, depth)


def _add(outline: Outline, node: nodes.Node, depth: int) -> None:
    match node:
        case _ if isinstance(node, SKIPPED):
            return
        case nodes.title() | nodes.subtitle():
            outline.add_heading(depth - 1, node.astext())
        case nodes.section():
            _add_children(outline, node, depth + 1)
        case nodes.literal_block() | nodes.doctest_block():
            outline.add_code(node.astext())
        case nodes.row():
            outline.add(" | ".join(cell.astext() for cell in node.children))
        case nodes.definition_list_item() | nodes.field():
            _add_definition(outline, node, depth)
        case nodes.TextElement() | nodes.Text():
            outline.add(node.astext())
        case nodes.Element():
            _add_children(outline, node, depth)


def _add_definition(outline: Outline, node: nodes.Element, depth: int) -> None:
    """Join a term and the beginning of its definition."""
    term, *_, body = node.children
    first, *rest = body.children if isinstance(body, nodes.Element) else [body]
    if isinstance(first, nodes.paragraph):
        outline.add(f"{term.astext()}: {first.astext()}")
    else:
        outline.add(term.astext())
        _add(outline, first, depth)
    for child in rest:
        _add(outline, child, depth)
