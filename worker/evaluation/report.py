"""The report of an evaluation: figures for programs, tables and remarks for people.

Every ``parley eval`` command builds one ``Evaluation`` and passes it to ``show``; ``parley eval
models`` runs them all and reads their figures.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import rich.box
from rich.console import Console
from rich.table import Table as RichTable

Figure = int | float | str | bool | None | Mapping[str, "Figure"] | Sequence["Figure"]
"""A JSON value."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows for people; every cell is formatted already."""

    title: str
    columns: tuple[str, ...]
    """The first holds the rows' names."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of one evaluation."""

    name: str
    """The command: ``qa``, ``sentiment``, ``translation``, ``models``."""
    figures: Mapping[str, Figure]
    """The complete output of ``--json``. Other people's tools rely on its keys."""
    tables: tuple[ReportTable, ...] = ()
    remarks: tuple[str, ...] = field(default=())
    """Sentences below the tables: the data, what was left out, what the figures do not show."""


def show(evaluation: Evaluation, out: TextIO, *, as_json: bool = False) -> None:
    """Print an evaluation, for people or as one JSON object on one line."""
    if as_json:
        out.write(json.dumps(evaluation.figures) + "\n")
        return
    console = Console(file=out, soft_wrap=True)
    for table in evaluation.tables:
        console.print(_laid_out(table))
    for remark in evaluation.remarks:
        console.print(remark, highlight=False, markup=False)


def _laid_out(table: ReportTable) -> RichTable:
    laid_out = RichTable(title=table.title, box=rich.box.SIMPLE_HEAD, title_justify="left")
    for number, column in enumerate(table.columns):
        laid_out.add_column(
            column, justify="right" if number else "left", min_width=_widest(table, number)
        )
    for row in table.rows:
        laid_out.add_row(*row)
    return laid_out


def _widest(table: ReportTable, column: int) -> int:
    """The width of a column: its name is wrapped between words, its cells are not.

    Also where the terminal, or the 80 columns of a file, are narrower than the table.
    """
    words = table.columns[column].split()
    return max(map(len, (*words, *(row[column] for row in table.rows))), default=0)
