"""Small HTML pages with tables and plots, for reports that people look at before they read."""

import html
import io
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

__all__ = ["page", "png", "table"]


def png(figure: Figure) -> bytes:
    """A figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def page(title: str, sections: Sequence[str]) -> str:
    """An HTML page of ready-made sections."""
    return _HTML.format(title=html.escape(title), body="\n".join(sections))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table; `head` may be empty."""

    def row(cells: Sequence[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    lines = [*([row(head, "th")] if head else []), *(row(cells, "td") for cells in rows)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
td, th {{ border-bottom: 1px solid #ddd; padding: .2rem .8rem .2rem 0; text-align: left }}
img {{ max-width: 100% }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""
