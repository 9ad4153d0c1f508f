// The map of stored hours, a row for each symbol.

const ROW_PIXELS = 18;
const MARKED_AT_MOST = 4000;

function showKey() {
  const key = document.getElementById('coverage-key');
  const counts = {};
  for (const one of data.symbols) {
    // As in the totals, the hour in progress counts only where it is not stored yet.
    const letters = one.states.endsWith('w') ? one.states : one.states.slice(0, -1);
    for (const letter of letters) counts[letter] = (counts[letter] ?? 0) + 1;
  }
  key.replaceChildren();
  for (const state of STATES) {
    if (!data.symbols.some((one) => one.states.includes(state.letter))) continue;
    const item = document.createElement('li');
    const mark = document.createElement('span');
    mark.className = 'mark';
    mark.style.background = state[theme()];
    mark.style.color = theme() === 'dark' ? '#101317' : '#16202c';
    mark.textContent = state.mark;
    item.append(mark, [state.label, counts[state.letter]?.toLocaleString('en')].filter(Boolean).join(': '));
    key.append(item);
  }
}

// Steps of one color each: state i has the value i.
function stateScale() {
  const colors = STATES.map((state) => state[theme()]);
  return colors.flatMap((color, i) => [[i / colors.length, color], [(i + 1) / colors.length, color]]);
}

function mapTrace(shown) {
  const values = Object.fromEntries(STATES.map((state, i) => [state.letter, i]));
  const labels = Object.fromEntries(STATES.map((state) => [state.letter, state.label]));
  const times = data.hours.map(timeText);
  return {
    type: 'heatmap',
    x: data.hours,
    customdata: shown.map(() => times),
    y: shown.map((one) => plain(one.label)),
    z: shown.map((one) => Array.from(one.states, (letter) => values[letter] ?? null)),
    text: shown.map((one) => Array.from(one.states, (letter, i) => {
      const price = one.prices[i];
      return price === null ? labels[letter] : `${labels[letter]}<br>${priceText(price)} ${plain(one.currency)}`;
    })),
    hovertemplate: '<b>%{y}</b>  %{customdata}<br>%{text}<extra></extra>',
    hoverongaps: false,
    colorscale: stateScale(),
    zmin: -0.5,
    zmax: STATES.length - 0.5,
    showscale: false,
    xgap: data.hours.length > 200 || narrow.matches ? 0 : 1,
    ygap: 2,
  };
}

// Marks over the cells that are not stored, so that the map does not speak by color alone.
function markTraces(shown) {
  if (narrow.matches && data.hours.length > 49) return []; // the cells are narrower than a mark
  const looks = { m: 'x-thin-open', n: 'circle-open' };
  return Object.entries(looks).flatMap(([letter, symbol]) => {
    const cells = shown.flatMap((one) => Array.from(one.states, (found, i) => [found, data.hours[i], one.label])).filter(([found]) => found === letter);
    if (!cells.length || cells.length > MARKED_AT_MOST) return [];
    return [{
      type: 'scatter',
      mode: 'markers',
      x: cells.map((cell) => cell[1]),
      y: cells.map((cell) => plain(cell[2])),
      marker: { symbol, size: 5, color: theme() === 'dark' ? '#101317' : '#16202c', line: { width: 1.25, color: theme() === 'dark' ? '#101317' : '#16202c' } },
      hoverinfo: 'skip',
      showlegend: false,
    }];
  });
}

// Half an hour on either side, where the first and the last cell end.
function wholeSpan() {
  const ends = [data.hours[0], data.hours[data.hours.length - 1]].map(milliseconds);
  return [ends[0] - 1800e3, ends[1] + 1800e3].map(wallTime);
}

function drawCoverage() {
  const chart = document.getElementById('coverage-chart');
  if (!chart) return Promise.resolve(); // nothing is missing
  showKey();
  const gapsOnly = document.getElementById('gaps-only').checked;
  const shown = listedSymbols().filter((one) => !gapsOnly || one.states.includes('m'));
  document.getElementById('no-gaps').hidden = shown.length > 0;
  chart.hidden = !shown.length;
  if (!shown.length) return Promise.resolve();
  const layout = sharedLayout();
  layout.height = 44 + ROW_PIXELS * shown.length;
  layout.margin = { l: 8, r: 8, t: 36, b: 8 };
  layout.uirevision = 'coverage';
  Object.assign(layout.xaxis, { side: 'top', showgrid: false, ticks: 'outside', ticklen: 4, range: wholeSpan() });
  Object.assign(layout.yaxis, {
    type: 'category',
    categoryorder: 'array',
    categoryarray: shown.map((one) => plain(one.label)),
    range: [shown.length - 0.5, -0.5],
    uirevision: shown.length,
    fixedrange: true,
    showgrid: false,
    dtick: 1,
    tickfont: { size: 11 },
  });
  chart.style.height = `${layout.height}px`;
  return Plotly.react(chart, [mapTrace(shown), ...markTraces(shown)], layout, { ...sharedConfig('coverage'), displayModeBar: false });
}

function wireCoverage() {
  document.getElementById('gaps-only')?.addEventListener('change', drawCoverage);
}
