// Which coins are in the chart, and which the filter lists.

const choice = {
  slots: new Map(), // symbol to its place among the colors: a coin keeps its color while it is chosen
  filter: '',
};

// The lines of a coin, one for each source, the first source's first.
const coins = Map.groupBy(data.symbols, (one) => one.symbol);

function chosenLines() {
  return data.symbols.filter((one) => choice.slots.has(one.symbol));
}

function listedSymbols() {
  return data.symbols.filter((one) => coins.get(one.symbol).some((line) => `${line.symbol}\n${line.name}`.toLowerCase().includes(choice.filter)));
}

// A coin that keeps to one dollar has no price to look at.
function isStable(symbol) {
  if (data.dollars.includes(symbol.split('@')[0])) return true;
  const [{ currency, prices }] = coins.get(symbol);
  const known = prices.filter((price) => price !== null);
  return data.dollars.includes(currency) && known.length >= 24 && known.every((price) => Math.abs(price - 1) < 0.02);
}

function largestCoins() {
  const all = [...coins.keys()];
  const moving = all.filter((symbol) => !isStable(symbol));
  return (moving.length ? moving : all).slice(0, data.shownFirst);
}

function choose(symbol) {
  if (choice.slots.has(symbol)) return;
  const taken = new Set(choice.slots.values());
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  choice.slots.set(symbol, slot);
}

// Moving coins first, which get the colors.
function chooseOnly(symbols) {
  choice.slots.clear();
  symbols.toSorted((a, b) => isStable(a) - isStable(b)).forEach(choose);
}

function makeChips(redraw) {
  const chips = document.getElementById('chips');
  for (const [symbol, [one]] of coins) {
    const chip = document.createElement('label');
    chip.className = 'chip';
    chip.title = one.followed ? one.name : `${one.name}, not followed`;
    chip.classList.toggle('left', !one.followed);
    chip.dataset.symbol = symbol;
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.addEventListener('change', () => {
      if (box.checked) choose(symbol);
      else choice.slots.delete(symbol);
      redraw();
    });
    const mark = document.createElement('span');
    mark.className = 'mark';
    chip.append(box, mark, symbol);
    chips.append(chip);
  }
  chips.addEventListener('keydown', moveAlongChips);
  chips.addEventListener('focusin', (event) => stopAt(event.target));
}

function listedBoxes() {
  return [...document.querySelectorAll('#chips .chip:not([hidden]) input')];
}

// The chips are one stop of the Tab key; arrows go from one to the next.
function stopAt(box) {
  for (const other of document.querySelectorAll('#chips input')) other.tabIndex = other === box ? 0 : -1;
}

function moveAlongChips(event) {
  const boxes = listedBoxes();
  const place = boxes.indexOf(event.target);
  const places = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1, Home: 0, End: boxes.length - 1 };
  if (!(event.key in places)) return;
  event.preventDefault();
  boxes[places[event.key]]?.focus();
}

function showChoice() {
  const listed = new Set(listedSymbols().map((one) => one.symbol));
  for (const chip of document.querySelectorAll('#chips .chip')) {
    const slot = choice.slots.get(chip.dataset.symbol);
    chip.hidden = !listed.has(chip.dataset.symbol);
    chip.querySelector('input').checked = slot !== undefined;
    chip.querySelector('.mark').style.borderTop = slot === undefined ? '' : `3px solid ${lineColor(slot)}`;
  }
  const boxes = listedBoxes();
  if (!boxes.some((box) => box.getAttribute('tabindex') === '0')) stopAt(boxes[0]);
  for (const row of document.querySelectorAll('tr[data-symbol]')) row.hidden = !listed.has(row.dataset.symbol);
  document.getElementById('no-match').hidden = listed.size > 0;
  const gray = [...choice.slots.values()].filter((slot) => slot >= LINES.light.length).length;
  document.getElementById('chosen-count').textContent = `${choice.slots.size} of ${coins.size} in the chart${gray ? `, ${gray} in gray` : ''}`;
}

function wireChoice(redraw, redrawMap) {
  makeChips(redraw);
  document.getElementById('filter').addEventListener('input', (event) => {
    choice.filter = event.target.value.trim().toLowerCase();
    showChoice();
    redrawMap();
  });
  const buttons = {
    'choose-largest': largestCoins,
    'choose-filtered': () => listedSymbols().map((one) => one.symbol),
    'choose-none': () => [],
  };
  for (const [id, symbols] of Object.entries(buttons)) {
    document.getElementById(id).addEventListener('click', () => {
      chooseOnly(symbols());
      redraw();
    });
  }
  chooseOnly(largestCoins());
}
