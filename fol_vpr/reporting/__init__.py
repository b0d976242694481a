"""Pages to look at and to give away: one HTML file each, which needs nothing but a browser.

A page is made of sections, and a section of blocks::

    from fol_vpr.reporting import Cards, Chart, Page, Table
    from fol_vpr.reporting.charts import new_figure

    page = Page('Evaluation', 'evening drive against day', [('Weights', 'fol_tiny')])
    recall = page.section('Recall', 'The share of queries whose place is among the first K.')
    recall.add(Cards([Card('94.5 %', 'Recall@1', 'right')]))
    recall.add(Table(['K', 'Recall'], [[1, '94.5 %'], [5, '98.9 %']], 'Recall@K.'))
    figure = new_figure('recall', 'precision')
    figure.add_scatter(x=[0, 1], y=[1, 0.9], name='similarity')
    recall.add(Chart(figure, 'Precision over recall.'))
    page.write('out.html')

Blocks are `Text`, `Note`, `Cards`, `Table`, `Chart` and `Gallery` of `fol_vpr.reporting.page`. All
texts are plain: they are escaped, and never read as HTML. Charts are figures of Plotly, in whose
traces the colours of `fol_vpr.reporting.charts` are legible on light and dark pages; fonts, grids
and backgrounds are coloured by the page. A chart with `details` shows, on a click on a mark, the
pictures and facts of the key in that mark's `customdata`.
"""

from fol_vpr.reporting.page import (
    Block,
    Card,
    Cards,
    Chart,
    Details,
    Gallery,
    GalleryItem,
    Note,
    Page,
    Picture,
    Section,
    Table,
    Text,
)

__all__ = [
    'Block',
    'Card',
    'Cards',
    'Chart',
    'Details',
    'Gallery',
    'GalleryItem',
    'Note',
    'Page',
    'Picture',
    'Section',
    'Table',
    'Text',
]
