// The page's data, its colors, and the look that all charts share.

// The data are JSON, packed to a quarter of their size: gzip as base64.
function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

const data = await unpacked('data');
const systemDark = matchMedia('(prefers-color-scheme: dark)');
const coarsePointer = matchMedia('(pointer: coarse)').matches;
const narrow = matchMedia('(max-width: 40rem)');
const PRINTED_WIDTH = 980; // of a chart on a page across, in pixels
let printing = false;

// Distinguishable without seeing red and green apart (after Okabe and Ito), each set fit for its background.
const LINES = {
  light: ['#0072b2', '#d55e00', '#009e73', '#b5478f', '#8a6d00', '#3aa0dd', '#5b3fa8', '#6b7480'],
  dark: ['#56b4e9', '#ff9d4d', '#2fcf9f', '#ee9fd0', '#f0e442', '#9ad5ff', '#b7a3ff', '#b4bdc9'],
};
// By the letters of the data. Their lightness differs as well as their hue; marks tell the ones that matter apart.
const STATES = [
  { letter: 's', label: 'stored', mark: '', light: '#8ec1e8', dark: '#2d6596' },
  { letter: 'u', label: 'stored, updated later', mark: '', light: '#2272b4', dark: '#79bdf2' },
  { letter: 'm', label: 'missing', mark: '✕', light: '#d55e00', dark: '#ff8a3d' },
  { letter: 'n', label: 'without a quote at the source', mark: '○', light: '#f3d27a', dark: '#8c7424' },
  { letter: 'w', label: 'in progress, not stored yet', mark: '', light: '#c9cfd6', dark: '#4a535e' },
];

function theme() {
  const chosen = printing ? 'light' : document.documentElement.dataset.theme;
  if (chosen !== 'auto') return chosen;
  return systemDark.matches ? 'dark' : 'light';
}

// Gray for those beyond the colors.
function lineColor(slot) {
  return LINES[theme()][slot] ?? (theme() === 'dark' ? '#5a6572' : '#aab3bd');
}

// Tehran's wall time as if it were UTC's, which is how the charts place it.
function milliseconds(text) {
  return Date.parse(`${text.replace(' ', 'T')}Z`);
}

function wallTime(time) {
  return new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}

// The chart library reads markup in its texts, and names come from outside.
function plain(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

const DECIMALS = [2, 3, 4, 5, 6, 7, 8, 9].map((digits) => new Intl.NumberFormat('en', { minimumFractionDigits: Math.min(digits, 9), maximumFractionDigits: digits }));

// As in the tables: six digits, without exponent, many zeros as their number.
function priceText(price) {
  const [digits, exponent] = price.toExponential(3).split('e');
  const zeros = -Number(exponent) - 1;
  if (price > 0 && zeros >= 4) return `0.0${Array.from(String(zeros), (digit) => '₀₁₂₃₄₅₆₇₈₉'[digit]).join('')}${digits.replace('.', '')}`;
  return DECIMALS[Math.max(0, Math.min(3 - Number(exponent), 7))].format(price);
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

// A time in both calendars, for tooltips.
function timeText(time) {
  const jalali = data.jalali[time.slice(0, 10)];
  return `${WEEKDAYS[new Date(milliseconds(time)).getUTCDay()]} ${time.slice(0, 16)}${jalali ? `, ${jalali}` : ''}`;
}

// Days with their weekday.
const DAY_TICKS = [
  { dtickrange: [null, 864e5 - 1], value: '%H:%M\n%a %Y-%m-%d' },
  { dtickrange: [864e5, 'M1'], value: '%a %b %-d\n%Y' },
];

function sharedLayout() {
  const dark = theme() === 'dark';
  const ink = dark ? '#e6eaf0' : '#16202c';
  const line = dark ? '#2e353f' : '#d9dee5';
  const family = getComputedStyle(document.body).fontFamily;
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickcolor: line, automargin: true };
  return {
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { family, size: 12, color: ink },
    margin: { l: 8, r: 12, t: 8, b: 8 },
    hoverlabel: { bgcolor: dark ? '#262c35' : '#ffffff', bordercolor: line, font: { family, size: 12, color: ink }, align: 'left' },
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: dark ? '#9aa6b5' : '#566272', activecolor: dark ? '#7cc0ff' : '#0b62a8' },
    // A finger on a chart scrolls the page; the buttons zoom.
    dragmode: coarsePointer ? false : 'zoom',
    width: printing ? PRINTED_WIDTH : undefined,
    xaxis: { ...axis, type: 'date', tickformatstops: DAY_TICKS, tickangle: 0, nticks: narrow.matches ? 3 : 9 },
    yaxis: { ...axis },
  };
}

function sharedConfig(name) {
  return {
    responsive: true,
    displaylogo: false,
    displayModeBar: coarsePointer ? false : 'hover',
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
    toImageButtonOptions: { filename: name, scale: 2 },
    showTips: false,
    // The library's own offer to upload the chart to its makers.
    showSendToCloud: false,
    plotlyServerURL: '',
  };
}

function whenThemeChanges(draw) {
  document.getElementById('theme').addEventListener('change', (event) => {
    document.documentElement.dataset.theme = event.target.value;
    draw();
  });
  systemDark.addEventListener('change', draw);
}
