// Draws all of it, now and when the colors or the choice change.

const hasPrices = document.getElementById('price-chart') !== null;

function drawChoice() {
  showChoice();
  return Promise.all([drawPrices(), drawCoverage()]);
}

function drawAll() {
  return Promise.all([hasPrices ? drawChoice() : null, drawRuns()]);
}

if (hasPrices) {
  drawSparks();
  wireChoice(drawChoice);
  wirePrices();
  wireCoverage();
}
wireTables();
wireDownloads();
whenThemeChanges(drawAll);
narrow.addEventListener('change', drawAll);
drawAll().then(() => {
  document.documentElement.dataset.drawn = 'yes';
});
