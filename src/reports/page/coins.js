// The table of coins: the price of each as a small line.

const SPARK = { width: 128, height: 28, margin: 3 };

// The places of a line that breaks where a price is missing, as the text of an SVG path.
function sparkPath(prices) {
  const known = prices.filter((price) => price !== null);
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const across = (i) => SPARK.margin + (i / Math.max(1, prices.length - 1)) * (SPARK.width - 2 * SPARK.margin);
  const down = (price) => SPARK.height / 2 + (high > low ? 0.5 - (price - low) / (high - low) : 0) * (SPARK.height - 2 * SPARK.margin);
  return prices.map((price, i) => {
    if (price === null) return '';
    const place = `${across(i).toFixed(1)} ${down(price).toFixed(1)}`;
    // A line of no length is a dot: a price between two missing ones is seen.
    return (prices[i - 1] ?? null) === null ? `M${place}h0` : `L${place}`;
  }).join('');
}

function drawSparks() {
  for (const row of document.querySelectorAll('#coin-table tbody tr')) {
    const [{ prices }] = coins.get(row.dataset.symbol);
    if (prices.every((price) => price === null)) continue;
    const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    picture.setAttribute('viewBox', `0 0 ${SPARK.width} ${SPARK.height}`);
    picture.setAttribute('aria-hidden', 'true');
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    line.setAttribute('d', sparkPath(prices));
    picture.append(line);
    row.querySelector('.spark').append(picture);
  }
}
