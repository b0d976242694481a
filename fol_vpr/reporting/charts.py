"""Figures of Plotly that fit the pages: margins, axes, legends, and colours with a meaning.

Plotly, because a reader wants to zoom into a trajectory, hide one kind of answer by its legend,
read a value at the cursor, and click on a mark to see its images. With the SVG of matplotlib, each
of these would be JavaScript of our own. It costs 2.0 MB per page.
"""

from __future__ import annotations

from typing import Any

from plotly.graph_objects import Figure

from fol_vpr.errors import escape_controls

RIGHT, WRONG, UNDECIDED, GREY = '#1b9e77', '#e0702a', '#c79a16', '#8b919b'
"""Right, wrong, undecided, and what is neither; told apart also by the colour-blind."""
SERIES = ('#4f7fd6', '#e0702a', '#1b9e77', '#b45fc4', '#c79a16', '#d6536d', '#5aa7b8', '#8b919b')
"""Colours of series that mean neither right nor wrong, legible on white and on black."""


def new_figure(
    x: str, y: str, *, equal: bool = False, legend: bool = True, **layout: Any
) -> Figure:
    """An empty figure.

    Args:
        x, y: what the axes show, with the unit.
        equal: whether a length is the same along both axes, as on a map.
        legend: whether a legend stands above the figure; a click on an entry hides its series.
        layout: further values of Plotly's layout.
    """
    figure = Figure()
    figure.update_layout(
        template='none',
        # The tools of a chart stand in the right margin, so that they never cover the legend.
        margin={'l': 56, 'r': 44, 't': 40 if legend else 16, 'b': 48},
        modebar={'orientation': 'v'},
        colorway=SERIES,
        hovermode='closest',
        showlegend=legend,
        legend={'orientation': 'h', 'y': 1.02, 'yanchor': 'bottom', 'x': 0, 'xanchor': 'left'},
        **layout,
    )
    figure.update_xaxes(title_text=x, zeroline=False, automargin=True)
    figure.update_yaxes(title_text=y, zeroline=False, automargin=True)
    if equal:
        figure.update_layout(dragmode='pan')
        figure.update_yaxes(scaleanchor='x', scaleratio=1)
    return figure


def plain(name: str) -> str:
    """A name as Plotly shows it letter by letter: its texts may hold tags, links and variables."""
    name = escape_controls(name, keep='').replace('&', '&amp;').replace('<', '&lt;')
    return name.replace('%{', '%&#123;')
