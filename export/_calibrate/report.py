"""A calibration as one self-contained HTML page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from html import escape

from export._calibrate.plot import figure
from export._calibrate.text import degree_cells, facts, residual_cells
from export._cards.description import formula, kind, names, terms
from export._cards.words import labelled, number, plain
from train._calibration.result import Calibration
from train._readings.readings import LeftOut

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --rule: #d8d8d8;
  --paper: #ffffff; --tint: #f4f6f8; --warn: #fff3d6; --mark: #1f5f99; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #a5a5a5; --rule: #3c3f43;
  --paper: #16181b; --tint: #212429; --warn: #43360f; --mark: #8fc1ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 52rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; }
.lead, figcaption { color: var(--soft); }
.equation { background: var(--tint); border-left: 4px solid var(--mark); padding: .75rem 1rem;
  font: 1.05rem/1.6 ui-monospace, monospace; }
.equation span { white-space: nowrap; }
.warning { background: var(--warn); padding: .6rem 1rem; border-radius: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; overflow-wrap: normal; }
th { font-weight: 600; }
td.right, th.right { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; height: auto; padding: .5rem; background: #ffffff;
  border: 1px solid var(--rule); border-radius: 4px; }
.sentences td:last-child { min-width: 15rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { background: var(--tint); padding: .75rem 1rem; overflow-x: auto; }
@media print { :root { --ink: #000; --soft: #333; --paper: #fff; --tint: #f4f4f4; --warn: #f4f4f4;
  --rule: #bbb; --mark: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, table, .equation, .warning { break-inside: avoid; }
  h2 { break-after: avoid; } }
"""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LEVEL = 0.95


def drawing(calibration: Calibration, t: float, file_type: str) -> bytes:
    """Return the plot as "png", "svg" or "pdf": the same bytes each time."""
    import matplotlib as mpl

    image = io.BytesIO()
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    with mpl.rc_context({"svg.hashsalt": calibration.name}), warnings.catch_warnings():
        # A letter missing from the font is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure(calibration, t, _LEVEL).savefig(
            image, format=file_type, dpi=150, metadata=dates.get(file_type)
        )
    return image.getvalue()


def page(
    calibration: Calibration,
    t: float,
    *,
    row_word: str,
    source: Sequence[tuple[str, str]],
    notes: Sequence[str],
    left_out: Sequence[LeftOut],
    left_out_count: int,
    commands: Sequence[str],
) -> str:
    """Return the page. Everything that comes from a file of readings is escaped.

    Args:
        calibration: the calibration.
        t: quantile of Student's distribution for the bands at 95 %.
        row_word: what row numbers count, "row" or "line".
        source: origin of the readings and the artifact, as pairs of a name and a value.
        notes: remarks on the readings.
        left_out: the first rows left out, and why.
        left_out_count: number of rows left out.
        commands: commands to use the artifact.
    """
    inputs, y = names(calibration)
    shown = ", ".join(labelled(name, calibration.unit_x) for name in inputs)
    title = f"{calibration.name}: {kind(calibration)}"
    svg = _COMMENT.sub("", drawing(calibration, t, "svg").decode())
    svg = svg[svg.index("<svg") :]
    caption = "Readings against the plane's predictions; below, the residuals."
    if not calibration.features:
        caption = (
            f"Readings with the curve, its interval and that of a further reading at {_LEVEL:.0%}; "
            f"below, the residuals over {inputs[0]}."
        )
    # The equation may break before a sign.
    pieces = re.split(r" (?=[+-] )", formula(calibration))
    equation = " ".join(f"<span>{escape(piece)}</span>" for piece in pieces)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(labelled(y, calibration.unit_y))} from {escape(shown)}</p>',
        f'<p class="equation">{equation}</p>',
        *(f'<p class="warning">{escape(plain(text))}</p>' for text in calibration.warnings),
        *(f'<p class="warning">{escape(plain(text))}</p>' for text in notes),
        f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>",
        "<h2>Coefficients</h2>",
        _coefficients(calibration),
        "<h2>How good it is</h2>",
        _table((), facts(calibration), right=()),
    ]
    if calibration.selection:
        parts += ["<h2>Degrees compared</h2>", _degrees(calibration)]
    if calibration.largest_residuals and calibration.residual_sd:
        parts += ["<h2>Largest residuals</h2>", _residuals(calibration, row_word)]
    if left_out_count:
        parts += [
            "<h2>Rows left out</h2>",
            f"<p>{left_out_count:,} in all"
            + (f", the first {len(left_out):,} of them:" if len(left_out) < left_out_count else ":")
            + "</p>",
            _left_out(left_out, row_word),
        ]
    parts += [
        "<h2>How to use it</h2>",
        f"<pre>{escape(chr(10).join(commands))}</pre>",
        "<h2>Where it comes from</h2>",
        _table((), [(name, plain(value)) for name, value in source], right=()),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Nothing on the page runs or is fetched, whatever the readings contain.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _left_out(left_out: Sequence[LeftOut], row_word: str) -> str:
    rows = [(plain(row.file), f"{row.row:,}", plain(row.reason)) for row in left_out]
    if any(row.file for row in left_out):
        return _table(("file", row_word, "why"), rows, right=(1,))
    return _table((row_word, "why"), [row[1:] for row in rows], right=(0,))


def _coefficients(calibration: Calibration) -> str:
    rows = [
        (term or "1", repr(row.value), number(row.standard_error, 6), "" if unit == "1" else unit)
        for row, (term, unit) in zip(calibration.coefficients, terms(calibration), strict=True)
    ]
    shown = 4 if any(unit for *_, unit in rows) else 3
    head = ("term", "coefficient", "standard error", "unit")
    return _table(head[:shown], [row[:shown] for row in rows], right=(1, 2))


def _degrees(calibration: Calibration) -> str:
    table = _table(*degree_cells(calibration), right=(0, 1, 2, 3))
    return f'<div class="sentences">{table}</div>'


def _residuals(calibration: Calibration, row_word: str) -> str:
    head, rows = residual_cells(calibration, row_word)
    return _table(head, rows, right=range(len(head)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        places = [' class="right"' if index in right else "" for index in range(len(cells))]
        shown = [
            f"<{tag}{place}>{escape(cell)}</{tag}>"
            for place, cell in zip(places, cells, strict=True)
        ]
        return f"<tr>{''.join(shown)}</tr>"

    top = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'
