"""Evaluations as people read them."""

import io

from worker.evaluation.report import Evaluation, ReportTable, show


def test_no_figure_of_a_wide_table_is_cut_where_80_columns_are_all_there_is() -> None:
    name = "a-model-with-a-long-name-2507"
    columns = ("model", "tokens/s alone", *(f"figure {number}" for number in range(9)))
    row = (name, "1,234.5", *(f"{number},000 MB" for number in range(9)))
    out = io.StringIO()

    show(Evaluation("models", {}, (ReportTable("Models", columns, (row,)),)), out)

    assert out.getvalue().splitlines()[-2].split("  ")[1].strip() == name
    assert all(cell in out.getvalue() for cell in row)
    assert "…" not in out.getvalue()
