// The chart of prices.

const LEGEND_AT_MOST = 12;
const DASHED_AT_MOST = 24; // more lines than this are a cloud anyway, and dashes make it noise

function checkedValue(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

function priceTrace(one, indexed, crowded) {
  const base = one.prices.find((price) => price !== null && price > 0);
  const values = indexed ? one.prices.map((price) => (price === null ? null : 100 * (price / base))) : one.prices;
  const look = lineLook(choice.slots.get(one.symbol));
  const alone = one.prices.map((price, i) => price !== null && (one.prices[i - 1] ?? null) === null && (one.prices[i + 1] ?? null) === null);
  const trace = {
    type: 'scatter',
    mode: 'lines',
    name: plain(one.symbol),
    x: data.hours,
    y: values,
    customdata: one.prices,
    connectgaps: false,
    line: crowded ? { color: look.color, width: 1 } : { ...look, width: 2 },
    hovertemplate: indexed ? '%{y:.2f} (%{customdata:,.8~g})' : '%{y:,.8~g}',
  };
  if (alone.includes(true)) {
    // A price with no neighbour makes no line.
    trace.mode = 'lines+markers';
    trace.marker = { color: look.color, size: alone.map((yes) => (yes ? 6 : 0)), line: { width: 0 } };
  }
  return trace;
}

function spanRange(hours) {
  const last = Date.parse(`${data.hours[data.hours.length - 1].replace(' ', 'T')}Z`);
  const first = Date.parse(`${data.hours[0].replace(' ', 'T')}Z`);
  const from = hours ? Math.max(first, last - hours * 3600e3) : first;
  return [from, last].map((time) => new Date(time).toISOString().slice(0, 19).replace('T', ' '));
}

function drawPrices() {
  const indexed = checkedValue('unit') === 'index';
  const scale = checkedValue('scale');
  const chosen = chosenSymbols();
  const layout = sharedLayout();
  const chart = document.getElementById('price-chart');
  Object.assign(layout.xaxis, { range: spanRange(Number(chart.dataset.span ?? 0)), hoverformat: '%Y-%m-%d %H:00', nticks: narrow.matches ? 4 : 9 });
  Object.assign(layout.yaxis, {
    type: scale,
    title: { text: indexed ? 'First price = 100' : plain(data.currency), font: { size: 12 }, standoff: 12 },
    exponentformat: 'none',
    // Zoom outlives a change of the choice, not one of the unit.
    uirevision: `${indexed} ${scale}`,
    tickformat: scale === 'log' && !indexed ? ',~g' : '',
    autorange: true,
  });
  const lack = chosen.some((one) => one.prices.some((price) => price !== null)) ? '' : chosen.length ? 'No price in these hours' : 'No symbol is chosen';
  const fewest = chosen.length <= LEGEND_AT_MOST;
  Object.assign(layout, {
    uirevision: 'prices',
    hovermode: fewest && !narrow.matches ? 'x unified' : 'closest',
    showlegend: fewest && chosen.length > 0,
    legend: { orientation: 'h', y: -0.12, yanchor: 'top', x: 0, itemclick: false, itemdoubleclick: false },
    annotations: lack ? [{ text: lack, showarrow: false, font: { size: 14 }, xref: 'paper', yref: 'paper', x: 0.5, y: 0.5 }] : [],
  });
  const traces = chosen.map((one) => priceTrace(one, indexed, chosen.length > DASHED_AT_MOST));
  if (layout.hovermode === 'closest') {
    traces.forEach((trace) => {
      trace.hovertemplate = `%{x|%Y-%m-%d %H:00}<br>${trace.hovertemplate}`;
    });
  }
  return Plotly.react(chart, traces, layout, sharedConfig('prices'));
}

function wirePrices() {
  const unit = data.symbols.filter((one) => one.prices.some((price) => price !== null)).length > 1 ? 'index' : 'price';
  document.querySelector(`input[name="unit"][value="${unit}"]`).checked = true;
  for (const id of ['unit', 'scale']) document.getElementById(id).addEventListener('change', drawPrices);
  const chart = document.getElementById('price-chart');
  const buttons = [...document.querySelectorAll('#span button')];
  for (const button of buttons) {
    button.hidden = Number(button.dataset.hours) >= data.hours.length;
    button.setAttribute('aria-pressed', String(button.dataset.hours === '0'));
    button.addEventListener('click', () => {
      buttons.forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
      chart.dataset.span = button.dataset.hours;
      Plotly.relayout(chart, { 'xaxis.range': spanRange(Number(button.dataset.hours)), 'yaxis.autorange': true });
    });
  }
  if (coarsePointer) document.getElementById('price-hint').textContent = 'Touch a line for its price; the span buttons zoom. Indexed: the first price of each symbol in these hours is 100. A gap in a line is an hour without a row.';
}
