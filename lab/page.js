'use strict';
(() => {
  const root = document.documentElement;
  let errors = 0;
  window.addEventListener('error', () => { root.dataset.errors = String(++errors); });
  root.dataset.errors = '0';
  const page = JSON.parse(document.getElementById('data').textContent);
  const MOST_CHARTS = 12;  // on the page at once
  const hidden = new Set();
  const chosen = {};
  let otherX = false;
  let drawn = [];

  const $ = id => document.getElementById(id);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === 'text') element.textContent = value;
      else if (value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  const names = page.names.slice();
  page.charts.forEach(c => c.series.forEach(s => { if (!names.includes(s.name)) names.push(s.name); }));
  const color = name => page.colors[names.indexOf(name) % page.colors.length];
  // When the colors are used up, they repeat with another symbol.
  const SYMBOLS = ['circle', 'triangle', 'rect', 'rectRot'];
  const symbol = name => SYMBOLS[Math.floor(names.indexOf(name) / page.colors.length) % SYMBOLS.length];
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;

  // Values: four digits, or as many as needed.
  const show = v => {
    if (v === null || v === undefined) return '–';
    const a = Math.abs(v);
    if (a !== 0 && (a < 1e-3 || a >= 1e6)) return v.toExponential(2);
    return String(Number(v.toPrecision(4)));
  };

  // Charts and rows that match the selection; a key that they do not have matches.
  const fits = keys => Object.entries(chosen).every(([k, v]) => v === '' || !(k in keys) || keys[k] === v);

  function points(series, values) {
    const xs = otherX && series.x2 ? series.x2 : series.x;
    return xs.map((x, i) => ({x, y: values[i]}));
  }

  // A symbol at about 12 points of a curve; circles at all, or none if there are many.
  function pointRadius(series) {
    const count = series.x.length, every = Math.ceil(count / 12);
    if (symbol(series.name) === 'circle') return count > 60 ? 0 : 2;
    return context => context.dataIndex % every === 0 ? 4 : 0;
  }

  function datasets(chart) {
    const list = [];
    for (const s of chart.series) {
      if (hidden.has(s.name)) continue;
      const c = color(s.name);
      if (s.low) {
        const band = {borderWidth: 0, pointRadius: 0, pointHitRadius: 0, band: true, order: 2};
        list.push({...band, data: points(s, s.low), fill: false});
        list.push({...band, data: points(s, s.high), fill: '-1', backgroundColor: c + '30'});
      }
      list.push({
        label: s.name, data: points(s, s.y), borderColor: c, backgroundColor: c, borderWidth: 2, fill: false, order: 1,
        pointStyle: symbol(s.name), pointRadius: pointRadius(s), pointHoverRadius: 5, borderDash: s.dashed ? [6, 4] : [], tension: 0, series: s,
        spanGaps: false,
      });
    }
    return list;
  }

  function axis(log, label) {
    return {
      type: log ? 'logarithmic' : 'linear', grid: {color: css('--grid')}, border: {display: false},
      ticks: {color: css('--soft'), maxTicksLimit: 7, ...(log ? {callback: logTick} : {})},
      title: {display: true, text: label, color: css('--soft')},
    };
  }
  // Ticks at 1, 2 and 5 times powers of ten; only at the powers if there are many.
  function logTick(value, index, ticks) {
    const lead = Math.round(value / Math.pow(10, Math.floor(Math.log10(value) + 1e-9)));
    const range = Math.log10(ticks[ticks.length - 1].value / ticks[0].value);
    return lead === 1 || (range < 2.5 && (lead === 2 || lead === 5)) ? show(value) : '';
  }

  function draw(canvas, chart) {
    const x = axis(chart.logX && !(otherX && chart.x2Label), otherX && chart.x2Label ? chart.x2Label : chart.xLabel);
    const y = axis(chart.logY, chart.yLabel);
    if (chart.yMin !== null) y.suggestedMin = chart.yMin;
    if (chart.yMax !== null) y.max = chart.yMax;
    return new Chart(canvas, {
      type: 'line',
      data: {datasets: datasets(chart)},
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, normalized: false, parsing: false,
        interaction: {mode: 'nearest', axis: 'x', intersect: false},
        scales: {x, y},
        plugins: {
          legend: {display: false},
          tooltip: {
            filter: item => !item.dataset.band,
            itemSort: (a, b) => b.parsed.y - a.parsed.y,
            callbacks: {
              title: items => items.length ? `${x.title.text}: ${show(items[0].parsed.x)}` : '',
              label: item => {
                const s = item.dataset.series, i = item.dataIndex;
                const range = s.low && s.low[i] !== null ? `  (${show(s.low[i])} to ${show(s.high[i])})` : '';
                return ` ${s.name}: ${show(s.y[i])}${range}`;
              },
            },
          },
        },
      },
    });
  }

  const isBlank = canvas => {
    if (!canvas.width || !canvas.height) return true;
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 0) return false;
    return true;
  };

  function showCharts() {
    drawn.forEach(c => c.destroy());
    drawn = [];
    const box = $('charts');
    box.replaceChildren();
    if (typeof Chart === 'undefined') {
      root.dataset.charts = '0';
      box.append(make('p', {class: 'notice', text: 'There are no charts here: Chart.js was not installed where this page was written (Debian’s package libjs-chart.js).'}));
      return;
    }
    const all = page.charts.filter(c => fits(c.keys));
    const list = all.slice(0, MOST_CHARTS);
    let section = null, grid = null;
    const canvases = [];
    for (const chart of list) {
      if (chart.section !== section) {
        section = chart.section;
        grid = make('div', {class: 'grid'});
        box.append(make('h2', {text: section}), grid);
      }
      const canvas = make('canvas', {role: 'img', 'aria-label': `${chart.title}: ${chart.yLabel} against ${chart.xLabel}`});
      const card = make('div', {class: 'card'}, make('h3', {text: chart.title}), make('div', {class: 'plot'}, canvas));
      if (chart.note) card.append(make('p', {class: 'note', text: chart.note}));
      grid.append(card);
      canvases.push([canvas, chart]);
    }
    if (all.length > list.length) {
      box.append(make('p', {class: 'note', text: `${list.length} of ${all.length} charts are shown; choose above to see others.`}));
    }
    drawn = canvases.map(([canvas, chart]) => draw(canvas, chart));
    root.dataset.charts = String(list.length);
    root.dataset.drawn = String(canvases.filter(([canvas]) => !isBlank(canvas)).length);
  }

  function showTables() {
    const box = $('tables');
    box.replaceChildren();
    for (const table of page.tables) {
      const rows = table.rows.filter(row => fits(row.keys) && !hidden.has(row.keys.norm));
      const numeric = table.header.map((_, i) => rows.every(r => /^[-+−–]?$|^[-+−<>]?[\d.]/.test(r.cells[i] || '')));
      const longest = table.header.map((_, i) => rows.reduce((n, r) => Math.max(n, (r.cells[i] || '').length), 0));
      // Long texts stand below their row, over its whole width.
      const isLong = table.header.map((_, i) => longest[i] > 60);
      const short = table.header.map((_, i) => i).filter(i => !isLong[i]);
      const kind = i => numeric[i] ? undefined : 'text';
      const head = make('tr', {}, ...short.map(i => make('th', {text: table.header[i], class: kind(i), scope: 'col'})));
      const body = rows.flatMap(row => {
        const long = row.cells.map((cell, i) => i).filter(i => isLong[i] && row.cells[i]);
        const line = make('tr', long.length ? {class: 'above'} : {}, ...short.map(i =>
          make('td', {text: row.cells[i], class: kind(i), 'data-label': table.header[i]})));
        return [line, ...long.map(i => make('tr', {class: 'below'},
          make('td', {text: row.cells[i], class: 'text', colspan: short.length, 'data-label': table.header[i]})))];
      });
      const card = make('div', {class: 'card'},
        make('div', {class: 'scroll', tabindex: '0'}, make('table', {}, make('thead', {}, head), make('tbody', {}, ...body))));
      if (table.note) card.append(make('p', {class: 'note', text: table.note}));
      box.append(make('h2', {text: table.title}), card);
    }
  }

  function addSelect(box, key, values) {
    const select = make('select', {'aria-label': key}, make('option', {value: '', text: 'all'}),
      ...values.map(v => make('option', {value: v, text: v})));
    select.value = chosen[key];
    select.addEventListener('change', () => { chosen[key] = select.value; showCharts(); showTables(); });
    box.append(make('label', {}, key, select));
  }

  function showControls() {
    const box = $('controls');
    const values = {};
    for (const chart of page.charts) {
      for (const [k, v] of Object.entries(chart.keys)) (values[k] = values[k] || new Set()).add(v);
    }
    for (const [key, set] of Object.entries(values)) {
      if (set.size > 1) {
        const list = [...set];
        chosen[key] = page.charts.length > MOST_CHARTS ? list[0] : '';
        addSelect(box, key, list);
      }
    }
    const chips = make('div', {class: 'chips', role: 'group', 'aria-label': 'Series'});
    for (const name of names) {
      if (!page.charts.some(c => c.series.some(s => s.name === name))) continue;
      const chip = make('button', {type: 'button', class: 'chip', 'aria-pressed': 'true', style: `--c:${color(name)}`,
        'data-symbol': symbol(name),
        title: 'Click: switch. Double click: this one alone, or all.'}, make('i'), name);
      const press = () => {
        for (const c of chips.children) c.setAttribute('aria-pressed', String(!hidden.has(c.textContent)));
        showCharts();
        showTables();
      };
      chip.addEventListener('click', () => { hidden.has(name) ? hidden.delete(name) : hidden.add(name); press(); });
      chip.addEventListener('dblclick', () => {
        const alone = names.every(n => n === name || hidden.has(n));
        hidden.clear();
        if (!alone) names.forEach(n => { if (n !== name) hidden.add(n); });
        press();
      });
      chips.append(chip);
    }
    box.append(chips);
    const other = page.charts.find(c => c.x2Label);
    if (other) {
      const button = make('button', {type: 'button', text: `against ${other.x2Label}`});
      button.addEventListener('click', () => {
        otherX = !otherX;
        button.textContent = `against ${otherX ? other.xLabel : other.x2Label}`;
        showCharts();
      });
      box.append(button);
    }
    box.hidden = page.charts.length === 0 || typeof Chart === 'undefined';
  }

  function showTheme() {
    $('theme').textContent = isDark() ? '☀ light' : '☾ dark';
    if (typeof Chart !== 'undefined') {
      Chart.defaults.color = css('--soft');
      Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    }
  }

  $('title').textContent = page.title;
  $('subtitle').textContent = page.subtitle;
  page.notices.forEach(text => $('notices').append(make('div', {class: 'notice', text})));
  for (const v of page.verdicts) {
    $('verdicts').append(make('div', {class: `card verdict ${v.tone}`}, make('h3', {text: v.title}),
      make('ul', {}, ...v.lines.map(text => make('li', {text})))));
  }
  for (const [name, value] of page.settings) {
    $('settings').querySelector('dl').append(make('dt', {text: name}), make('dd', {text: value}));
  }
  $('theme').addEventListener('click', () => { root.dataset.theme = isDark() ? 'light' : 'dark'; showTheme(); showCharts(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { showTheme(); showCharts(); });
  showTheme();
  showControls();
  showCharts();
  showTables();

  // page.html#all draws every chart, one screen after another, and counts those that are not blank.
  if (location.hash === '#all' && typeof Chart !== 'undefined') {
    let good = 0;
    const box = make('div', {class: 'plot', style: 'width:480px'});
    document.body.append(box);
    for (const chart of page.charts) {
      const canvas = make('canvas');
      box.replaceChildren(canvas);
      const c = draw(canvas, chart);
      good += isBlank(canvas) || chart.series.every(s => s.y.every(v => v === null)) ? 0 : 1;
      c.destroy();
    }
    box.remove();
    root.dataset.charts = String(page.charts.length);
    root.dataset.drawn = String(good);
  }
  root.dataset.ready = 'yes';
})();
