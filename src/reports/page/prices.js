// The chart of prices.

const LISTED_AT_MOST = 16; // prices that fit into one tooltip
const LIKE_SIZE = 2; // prices within this factor of each other show their moves on one axis
const LOG_FROM = 20; // times the smallest value, from where a log scale shows more
const OPENED_AS_PRICES = 3;
const REST_POINTS = 40000; // of the gray lines
const LABEL = { height: 14, letters: 12, letterWidth: 8 };

function checkedValue(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

// By the rate of the very hour; a currency other than the dollar has no price in Toman.
function inToman(one) {
  const rates = { USD: data.toman, USDT: data.toman, IRT: data.hours.map(() => 1) }[one.currency] ?? [];
  const prices = one.prices.map((price, i) => (price === null || (rates[i] ?? null) === null ? null : price * rates[i]));
  return { ...one, prices, currency: 'Toman' };
}

function indexedPrices(prices) {
  const base = prices.find((price) => price !== null && price > 0);
  return prices.map((price) => (price === null ? null : 100 * (price / base)));
}

function axisCurrency(one) {
  return data.dollars.includes(one.currency) ? 'USD' : one.currency;
}

// The chosen lines with the values to draw: as prices only those in the currency of the axis, the first one's.
function drawnLines() {
  const unit = checkedValue('unit');
  const chosen = chosenLines();
  if (unit === 'index') return chosen.map((one) => ({ ...one, values: indexedPrices(one.prices) }));
  if (unit === 'toman') return chosen.map(inToman).map((one) => ({ ...one, values: one.prices }));
  const first = chosen.find((one) => one.currency);
  return chosen.filter((one) => !one.currency || axisCurrency(one) === axisCurrency(first)).map((one) => ({ ...one, values: one.prices }));
}

function isSecond(one) {
  return coins.get(one.symbol)[0].label !== one.label;
}

function isColored(one) {
  return choice.slots.get(one.symbol) < LINES.light.length;
}

function hoverText(one, price, value) {
  if (price === null) return '';
  const text = `${priceText(price)} ${plain(one.currency)}`;
  return checkedValue('unit') === 'index' ? `${value.toFixed(2)} (${text})` : text;
}

function priceTrace(one) {
  const { values } = one;
  const color = lineColor(choice.slots.get(one.symbol));
  const alone = values.map((value, i) => value !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null);
  const trace = {
    type: 'scatter',
    mode: 'lines',
    name: plain(one.label),
    x: data.hours,
    y: values,
    text: one.prices.map((price, i) => hoverText(one, price, values[i])),
    connectgaps: false,
    line: { color, width: 2, dash: isSecond(one) ? '4px,3px' : 'solid' },
    hovertemplate: '%{text}',
    meta: isSecond(one) ? '' : one.symbol, // its label at the end
  };
  if (alone.includes(true)) {
    // A price with no neighbor makes no line.
    trace.mode = 'lines+markers';
    trace.marker = { color, size: alone.map((yes) => (yes ? 6 : 0)), line: { width: 0 } };
  }
  return trace;
}

// The first source's lines beyond the colors as one trace, thinned so that it is drawn at once.
function restTrace(lines) {
  const step = Math.ceil((lines.length * data.hours.length) / REST_POINTS);
  const kept = data.hours.map((_, i) => i).filter((i) => i % step === 0 || i === data.hours.length - 1);
  const hours = kept.map((i) => data.hours[i]);
  const times = [...hours.map(timeText), ''];
  const places = [...hours, hours[0]].map(milliseconds);
  return {
    type: 'scatter',
    mode: 'lines',
    name: `${lines.length} more`,
    x: lines.flatMap(() => places),
    y: lines.flatMap((one) => [...kept.map((i) => one.values[i]), null]),
    text: lines.flatMap((one) => Array(times.length).fill(plain(one.label))),
    customdata: lines.flatMap(() => times),
    connectgaps: false,
    line: { color: lineColor(Infinity), width: 1 },
    hovertemplate: '%{customdata}<br>%{text}: %{y:,.6~g}<extra></extra>',
  };
}

// Not seen itself: the first entry of the tooltip that lists all lines, the date in the other calendar.
function dateTrace() {
  return {
    type: 'scatter',
    mode: 'lines',
    name: 'Jalali',
    x: data.hours,
    y: data.hours.map(() => 0),
    yaxis: 'y2',
    text: data.hours.map((hour) => data.jalali[hour.slice(0, 10)]),
    line: { width: 0 },
    hovertemplate: '%{text}<extra></extra>',
  };
}

function spanRange(hours) {
  const last = milliseconds(data.hours[data.hours.length - 1]);
  const first = milliseconds(data.hours[0]);
  const from = hours ? Math.max(first, last - hours * 3600e3) : first;
  return [from, last].map(wallTime);
}

function shownSpan() {
  return document.getElementById('price-chart')._fullLayout.xaxis.range.map((time) => milliseconds(time.slice(0, 19)));
}

function unitLabel(lines) {
  if (checkedValue('unit') === 'index') return `Indexed, first price in these ${data.period} = 100`;
  const first = lines.find((one) => one.currency);
  return first ? `Price, ${plain(axisCurrency(first))}` : 'Price';
}

// What is not drawn and why, and whether another scale would show more.
function showHints(lines) {
  const drawn = new Set(lines.map((one) => one.label));
  const left = chosenLines().filter((one) => !drawn.has(one.label));
  const text = document.getElementById('left-out');
  text.hidden = !left.length;
  text.textContent = `Not on this axis, for another currency: ${left.map((one) => `${one.label} (${one.currency})`).join(', ')}. Indexed to 100 shows them.`;
  const values = lines.flatMap((one) => one.values).filter((value) => value > 0);
  const differ = values.reduce((a, b) => Math.max(a, b), 0) > LOG_FROM * values.reduce((a, b) => Math.min(a, b), Infinity);
  document.getElementById('log-hint').hidden = checkedValue('scale') === 'log' || !differ;
}

// The names of coins at the ends of their lines, moved apart where they would overlap.
function labelEnds() {
  const chart = document.getElementById('price-chart');
  const { yaxis, _size: size } = chart._fullLayout;
  const [begin, end] = shownSpan();
  const named = chart.data.filter((trace) => trace.meta);
  if (!named.length) return;
  const seen = (hour) => begin <= milliseconds(hour) && milliseconds(hour) <= end;
  const ends = named.map((trace) => {
    const last = trace.y.findLastIndex((value, i) => value !== null && seen(trace.x[i]));
    return { trace, down: last < 0 ? NaN : yaxis.d2p(trace.y[last]) };
  }).filter(({ down }) => down >= 0 && down <= size.h).sort((a, b) => a.down - b.down);
  ends.forEach((one, i) => {
    if (i) one.down = Math.max(one.down, ends[i - 1].down + LABEL.height);
  });
  ends.reduceRight((limit, one) => {
    one.down = Math.min(one.down, limit);
    return one.down - LABEL.height;
  }, size.h);
  const annotations = ends.map(({ trace, down }) => ({
    text: plain(trace.meta.slice(0, LABEL.letters)),
    font: { color: trace.line.color },
    showarrow: false,
    xref: 'paper',
    x: 1,
    xanchor: 'left',
    yref: 'paper',
    y: 1 - down / size.h,
    yanchor: 'middle',
  }));
  // Drawing them ends with this very call again.
  const places = (labels) => JSON.stringify(labels.map(({ text, y, font }) => [text, y, font.color]));
  if (places(annotations) !== places(chart.layout.annotations)) Plotly.relayout(chart, { annotations });
}

// As prices where one axis shows how each of them moves, else indexed.
function openingUnit(symbols) {
  const last = symbols.map((one) => one.prices.findLast((price) => price !== null && price > 0)).filter((price) => price !== undefined);
  const alike = Math.max(...last) <= LIKE_SIZE * Math.min(...last);
  return last.length <= OPENED_AS_PRICES && alike ? 'price' : 'index';
}

function priceLayout(lines) {
  const scale = checkedValue('scale');
  const layout = sharedLayout();
  const span = Number(document.getElementById('price-chart').dataset.span ?? 0);
  const letters = lines.filter(isColored).map((one) => Math.min(one.symbol.length, LABEL.letters)).reduce((a, b) => Math.max(a, b), 0);
  layout.margin.r = 8 + LABEL.letterWidth * letters;
  Object.assign(layout.xaxis, { range: spanRange(span), hoverformat: '%a %Y-%m-%d %H:00' });
  Object.assign(layout.yaxis, {
    type: scale,
    title: { text: unitLabel(lines), font: { size: 12 }, standoff: 12 },
    exponentformat: 'none',
    // Zoom outlives a change of the choice, not one of the unit.
    uirevision: `${checkedValue('unit')} ${scale}`,
    tickformat: scale === 'log' && checkedValue('unit') !== 'index' ? ',~r' : '',
    autorange: true,
  });
  const lack = lines.some((one) => one.values.some((value) => value !== null)) ? '' : choice.slots.size ? 'No price in these hours' : 'No coin is chosen';
  return Object.assign(layout, {
    yaxis2: { overlaying: 'y', visible: false, range: [0, 1], fixedrange: true },
    uirevision: 'prices',
    hovermode: lines.length <= LISTED_AT_MOST && lines.every(isColored) && !narrow.matches ? 'x unified' : 'closest',
    showlegend: false, // the coins above the chart are its legend
    annotations: lack ? [{ text: lack, showarrow: false, font: { size: 14 }, xref: 'paper', yref: 'paper', x: 0.5, y: 0.5 }] : [],
  });
}

function drawPrices() {
  const lines = drawnLines();
  showHints(lines);
  const layout = priceLayout(lines);
  const traces = lines.filter(isColored).map(priceTrace);
  const rest = lines.filter((one) => !isColored(one) && !isSecond(one));
  if (layout.hovermode === 'closest') {
    const customdata = data.hours.map(timeText);
    traces.forEach((trace) => Object.assign(trace, { customdata, hovertemplate: `%{customdata}<br>${trace.hovertemplate}` }));
  } else if (traces.length) {
    traces.unshift(dateTrace());
  }
  if (rest.length) traces.unshift(restTrace(rest));
  return Plotly.react(document.getElementById('price-chart'), traces, layout, sharedConfig('prices'));
}

function wirePrices() {
  document.querySelector(`input[name="unit"][value="${openingUnit(largestCoins().map((symbol) => coins.get(symbol)[0]))}"]`).checked = true;
  for (const id of ['unit', 'scale']) document.getElementById(id).addEventListener('change', drawPrices);
  document.getElementById('use-log').addEventListener('click', () => {
    document.querySelector('input[name="scale"][value="log"]').checked = true;
    drawPrices();
  });
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
