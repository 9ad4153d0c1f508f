// Draws all of it, now and when the colors or the choice change.

const hasPrices = document.getElementById('price-chart') !== null;

function drawChoice() {
  showChoice();
  return drawPrices();
}

function drawAll() {
  return Promise.all([...(hasPrices ? [drawChoice(), drawCoverage()] : []), drawRuns()]);
}

function drawForPrint(event) {
  printing = event.type === 'beforeprint';
  drawAll();
  if (!printing) document.querySelectorAll('.js-plotly-plot').forEach((chart) => Plotly.Plots.resize(chart));
}

if (hasPrices) {
  drawSparks();
  wireChoice(drawChoice, drawCoverage);
  wirePrices();
  wireCoverage();
}
wireTables();
wireDownloads();
whenThemeChanges(drawAll);
narrow.addEventListener('change', drawAll);
addEventListener('beforeprint', drawForPrint);
addEventListener('afterprint', drawForPrint);
drawAll().then(() => {
  if (hasPrices) {
    document.getElementById('price-chart').on('plotly_afterplot', labelEnds);
    labelEnds();
  }
  document.documentElement.dataset.drawn = 'yes';
});
