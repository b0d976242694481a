'use strict';
(() => {
  const root = document.documentElement;
  const preferred = matchMedia('(prefers-color-scheme: dark)');
  const figures = JSON.parse(document.getElementById('figures').textContent);
  const plots = [...document.querySelectorAll('.plot')];

  // The reader's choice, where the browser lets a file keep one.
  const kept = (value) => {
    try {
      if (value !== undefined) localStorage.setItem('fol_vpr-theme', value);
      return localStorage.getItem('fol_vpr-theme');
    } catch { return null; }
  };
  const setTheme = (theme) => { root.dataset.theme = theme; colourPlots(); };
  const wanted = () => kept() || (preferred.matches ? 'dark' : 'light');
  preferred.addEventListener('change', () => setTheme(wanted()));
  document.getElementById('theme').addEventListener('click', () => {
    const theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
    kept(theme);
    setTheme(theme);
  });
  addEventListener('beforeprint', () => setTheme('light'));
  addEventListener('afterprint', () => setTheme(wanted()));

  function themed(layout) {
    const css = getComputedStyle(root);
    const colour = (name) => css.getPropertyValue(name).trim();
    const found = {
      'font.color': colour('--text'), 'font.family': getComputedStyle(document.body).fontFamily,
      'font.size': 12, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
      'hoverlabel.bgcolor': colour('--panel'), 'hoverlabel.bordercolor': colour('--line'),
      'hoverlabel.font.color': colour('--text'), 'hoverlabel.align': 'left',
      'modebar.bgcolor': 'rgba(0,0,0,0)', 'modebar.color': colour('--soft'),
      'modebar.activecolor': colour('--link'),
    };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      found[`${axis}.gridcolor`] = colour('--grid');
      found[`${axis}.linecolor`] = colour('--line');
      found[`${axis}.zerolinecolor`] = colour('--line');
    }
    return found;
  }

  function colourPlots() {
    if (!window.Plotly) return;
    for (const plot of plots) if (plot.layout) Plotly.relayout(plot, themed(plot.layout));
  }

  async function unpack(element) {
    const bytes = Uint8Array.from(atob(element.textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const script = document.createElement('script');
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  const node = (tag, text, parent, className) => {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (className) made.className = className;
    if (parent) parent.append(made);
    return made;
  };

  function show(panel, details, pictures) {
    panel.replaceChildren();
    node('h4', details.title, panel);
    if (details.pictures.length) {
      const row = node('div', '', panel, 'pictures');
      for (const picture of details.pictures) {
        const figure = node('figure', '', row);
        const button = node('button', '', figure, 'enlarge');
        button.type = 'button';
        const image = node('img', '', button);
        image.src = pictures[picture.src];
        image.alt = picture.caption;
        node('figcaption', picture.caption, figure);
      }
    }
    const list = node('dl', '', panel, 'facts');
    for (const [name, value] of details.facts) {
      const pair = node('div', '', list);
      node('dt', name, pair);
      node('dd', value, pair);
    }
  }

  async function draw() {
    if (!plots.length) return;
    await unpack(document.getElementById('plotly'));
    const narrow = matchMedia('(max-width: 720px)').matches;
    for (const plot of plots) {
      const figure = figures[plot.dataset.figure];
      plot.replaceChildren();
      if (narrow) figure.layout.margin.r = 12;  // no tools stand there
      await Plotly.newPlot(plot, figure.data, figure.layout, {
        responsive: true, displaylogo: false, scrollZoom: figure.layout.dragmode === 'pan' && !narrow,
        displayModeBar: narrow ? false : 'hover',
        // Named one by one: among Plotly's own is one that sends the chart to a server.
        modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d']],
        toImageButtonOptions: { format: 'svg', filename: 'figure' },
      });
      await Plotly.relayout(plot, themed(plot.layout));
      const panel = plot.parentElement.querySelector('.details');
      if (panel) plot.on('plotly_click', (event) => {
        const key = String([event.points[0].customdata].flat()[0]);
        if (key in figure.details) show(panel, figure.details[key], figure.pictures);
      });
    }
    root.dataset.drawn = 'yes';
  }

  const large = document.getElementById('large');
  document.addEventListener('click', (event) => {
    const button = event.target.closest('.enlarge');
    if (button) {
      const image = button.querySelector('img');
      large.querySelector('img').src = image.src;
      large.querySelector('p').textContent = image.alt;
      large.showModal();
    } else if (event.target === large || event.target.closest('dialog button')) large.close();
  });

  for (const table of document.querySelectorAll('.sortable')) {
    const body = table.tBodies[0];
    table.tHead.addEventListener('click', (event) => {
      const head = event.target.closest('th');
      if (!head) return;
      const up = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of head.parentElement.children) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = (row) => row.children[head.cellIndex].textContent.trim();
      const order = (a, b) => {
        const numbers = [parseFloat(key(a)), parseFloat(key(b))];
        if (numbers.every(Number.isFinite)) return numbers[0] - numbers[1];
        return key(a).localeCompare(key(b), undefined, { numeric: true });
      };
      const rows = [...body.rows].sort(order);
      body.append(...(up ? rows : rows.reverse()));
    });
  }

  root.dataset.theme = wanted();
  draw().catch((error) => {
    root.dataset.drawn = 'failed';
    console.error(error);
    for (const text of document.querySelectorAll('.loading'))
      text.textContent = 'This chart needs a newer browser.';
  });
})();
