// The chart of prices.

const LISTED_AT_MOST = 12; // prices that fit into one tooltip
const LIKE_SIZE = 2; // prices of which none is more than so many times another show their moves on one axis
const OPENED_AS_PRICES = 3;
const DASHED_AT_MOST = 24; // more lines than this are a cloud anyway, and dashes make it noise

function checkedValue(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

// By the rate of the very hour; a currency other than the dollar has no price in Toman.
function inToman(one) {
  const rates = { USD: data.toman, USDT: data.toman, IRT: data.hours.map(() => 1) }[one.currency] ?? [];
  const prices = one.prices.map((price, i) => (price === null || (rates[i] ?? null) === null ? null : price * rates[i]));
  return { ...one, prices, currency: 'Toman' };
}

function priceTrace(one, indexed, crowded) {
  const base = one.prices.find((price) => price !== null && price > 0);
  const values = indexed ? one.prices.map((price) => (price === null ? null : 100 * (price / base))) : one.prices;
  const look = lineLook(choice.slots.get(one.label));
  const alone = one.prices.map((price, i) => price !== null && (one.prices[i - 1] ?? null) === null && (one.prices[i + 1] ?? null) === null);
  const trace = {
    type: 'scatter',
    mode: 'lines',
    name: plain(one.label),
    x: data.hours,
    y: values,
    customdata: one.prices,
    connectgaps: false,
    line: crowded ? { color: look.color, width: 1 } : { ...look, width: 2 },
    hovertemplate: (indexed ? '%{y:.2f} (%{customdata:,.8~g} CURRENCY)' : '%{y:,.8~g} CURRENCY').replace('CURRENCY', plain(one.currency)),
  };
  if (alone.includes(true)) {
    // A price with no neighbour makes no line.
    trace.mode = 'lines+markers';
    trace.marker = { color: look.color, size: alone.map((yes) => (yes ? 6 : 0)), line: { width: 0 } };
  }
  return trace;
}

function spanRange(hours) {
  const last = milliseconds(data.hours[data.hours.length - 1]);
  const first = milliseconds(data.hours[0]);
  const from = hours ? Math.max(first, last - hours * 3600e3) : first;
  return [from, last].map(wallTime);
}

function unitLabel(chosen, indexed) {
  if (indexed) return `Indexed, first price in these ${data.period} = 100`;
  const currencies = [...new Set(chosen.map((one) => one.currency).filter(Boolean))];
  return ['Price', ...currencies.map(plain)].join(', ');
}

// As prices where one axis shows how each of them moves, else indexed.
function openingUnit(symbols) {
  const last = symbols.map((one) => one.prices.findLast((price) => price !== null && price > 0)).filter((price) => price !== undefined);
  const alike = Math.max(...last) <= LIKE_SIZE * Math.min(...last);
  return last.length <= OPENED_AS_PRICES && alike ? 'price' : 'index';
}

function drawPrices() {
  const indexed = checkedValue('unit') === 'index';
  const scale = checkedValue('scale');
  const chosen = chosenSymbols().map((one) => (checkedValue('unit') === 'toman' ? inToman(one) : one));
  const layout = sharedLayout();
  const chart = document.getElementById('price-chart');
  Object.assign(layout.xaxis, { range: spanRange(Number(chart.dataset.span ?? 0)), hoverformat: '%Y-%m-%d %H:00', nticks: narrow.matches ? 4 : 9 });
  Object.assign(layout.yaxis, {
    type: scale,
    title: { text: unitLabel(chosen, indexed), font: { size: 12 }, standoff: 12 },
    exponentformat: 'none',
    // Zoom outlives a change of the choice, not one of the unit.
    uirevision: `${checkedValue('unit')} ${scale}`,
    tickformat: scale === 'log' && !indexed ? ',~g' : '',
    autorange: true,
  });
  const lack = chosen.some((one) => one.prices.some((price) => price !== null)) ? '' : chosen.length ? 'No price in these hours' : 'No coin is chosen';
  Object.assign(layout, {
    uirevision: 'prices',
    hovermode: chosen.length <= LISTED_AT_MOST && !narrow.matches ? 'x unified' : 'closest',
    showlegend: false, // the coins above the chart are its legend
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
  document.querySelector(`input[name="unit"][value="${openingUnit(data.symbols)}"]`).checked = true;
  for (const id of ['unit', 'scale']) document.getElementById(id).addEventListener('change', drawPrices);
  const chart = document.getElementById('price-chart');
  const buttons = [...document.querySelectorAll('#span button')];
  const hours = buttons.map((button) => Number(button.dataset.hours));
  for (const button of buttons) {
    // Where a button shows all there is, the one for all is not needed.
    button.hidden = button.dataset.hours === '0' ? hours.includes(data.hours.length - 1) : Number(button.dataset.hours) >= data.hours.length;
    button.setAttribute('aria-pressed', String(button.dataset.hours === '0' || Number(button.dataset.hours) === data.hours.length - 1));
    button.addEventListener('click', () => {
      buttons.forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
      chart.dataset.span = button.dataset.hours;
      Plotly.relayout(chart, { 'xaxis.range': spanRange(Number(button.dataset.hours)), 'yaxis.autorange': true });
    });
  }
  if (coarsePointer) document.getElementById('price-hint').textContent = `Touch a line for its price; the span buttons zoom. Indexed: the first price of each coin in these ${data.period} is 100. A gap in a line is an hour without a row.`;
}
