"""`fol_vpr compare`: files in; a table, JSON and a page out."""

from __future__ import annotations

import json

import pytest
from helpers.evaluation.results import RIGHT, WRONG, line, small_result

from fol_vpr.cli.main import main


@pytest.fixture
def files(tmp_path):
    """Two results, of which the second is better."""
    paths = []
    for name, firsts in (('plain', [WRONG] * 12), ('reranked', [RIGHT] * 11 + [WRONG])):
        path = tmp_path / f'{name}.json'
        with open(path, 'w') as file:
            small_result(firsts, plotted=line(12)).write(file)
        paths.append(str(path))
    return paths


def test_a_table_names_the_files_and_what_changed(files, capsys):
    assert main(['compare', *files, '--changed', '2']) == 0
    out = capsys.readouterr().out
    assert 'only plain' in out
    assert 'Recall@1, final order' in out
    assert 'reranked has more, which is better: +91.7' in out
    assert '0 right only in plain, 11 right only in reranked' in out
    assert 'and 9 more' in out
    assert "McNemar's exact test" in out
    assert 'WARNING' not in out


def test_json_holds_everything(files, tmp_path, capsys):
    out = tmp_path / 'out.json'
    assert main(['compare', *files, '--names', 'A, B', f'--json={out}']) == 0
    assert 'only A' in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert found['format'] == 'fol_vpr comparison'
    assert found['command'].startswith('fol_vpr compare ')
    (other,) = found['others']
    assert (other['name'], other['queries_in_common'], len(other['changed'])) == ('B', 12, 11)
    share = other['shares'][0]
    assert (share['first_only'], share['second_only']) == (0, 11)
    assert share['p_value'] == pytest.approx(2**-10)
    assert other['changed'][0]['second']['place_id'] == 'day/000'


def test_json_alone_on_stdout(files, capsys):
    assert main(['compare', *files, '--json=-']) == 0
    assert json.loads(capsys.readouterr().out)['baseline']['name'] == 'plain'


def test_results_of_one_name_are_told_by_their_folders(files, tmp_path, capsys):
    (tmp_path / 'x').mkdir()
    second = tmp_path / 'x' / 'plain.json'
    second.write_text((tmp_path / 'reranked.json').read_text())
    assert main(['compare', files[0], str(second)]) == 0
    assert f'only {tmp_path}/x/plain' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['{0}'], 'expected at least two'),
        (['{0}', '{0}'], 'two results are called'),
        (['{0}', '{1}', '--names', 'A'], '--names has 1 names'),
        (['{0}', '{1}', '--changed', '-1'], 'expected at least 0'),
        (['{0}', 'nowhere.json'], 'nowhere.json does not exist'),
        (['{0}', '{1}', '--output', 'no/such/folder.html'], 'there is no folder'),
    ],
)
def test_what_cannot_be_is_said(files, capsys, words, message):
    assert main(['compare', *(word.format(*files) for word in words)]) == 2
    assert message in capsys.readouterr().err


def test_a_comparison_is_no_result(files, tmp_path, capsys):
    assert main(['compare', *files, f'--json={tmp_path / "c.json"}']) == 0
    assert main(['compare', files[0], str(tmp_path / 'c.json')]) == 2
    assert "'fol_vpr comparison'" in capsys.readouterr().err


def test_the_page_opens_in_a_browser(files, tmp_path, capsys):
    pytest.importorskip('plotly')
    from helpers.browser import loaded_by, opened

    page = tmp_path / 'out.html'
    assert main(['compare', *files, '--output', str(page)]) == 0
    html = page.read_text()
    assert loaded_by(html) == []
    shown = opened(page, tmp_path)
    # Plotly has drawn the recalls, their differences and the plan.
    assert shown.count('class="main-svg"') >= 3
    assert 'reranked has more, which is better' in shown
    assert 'right only in reranked' in shown


def test_a_name_cannot_be_html(files, tmp_path):
    pytest.importorskip('plotly')
    page = tmp_path / 'out.html'
    evil = '<img src=http://a.org/x>,<b>%{y}'
    assert main(['compare', *files, '--names', evil, '--output', str(page)]) == 0
    assert '<img src=http' not in page.read_text()


def test_a_name_is_no_link_in_a_chart(files, tmp_path):
    """Plotly makes links of `<a>` in names, and looks for variables in what a cursor shows."""
    pytest.importorskip('plotly')
    from helpers.browser import opened

    page = tmp_path / 'out.html'
    evil = '<a href="http://a.org/x">a</a>,b%{y}'
    assert main(['compare', *files, '--names', evil, '--output', str(page)]) == 0
    assert '%{y}\\u003c/extra' not in page.read_text()
    shown = opened(page, tmp_path)
    assert 'xlink:href="http://a.org' not in shown
    assert shown.count('&lt;a href="http://a.org/x"&gt;a&lt;/a&gt;</text>') >= 1
    assert 'b%{y}</text>' in shown
