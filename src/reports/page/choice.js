// Which coins are in the chart, and which the filter lists.

const choice = {
  slots: new Map(), // label to its place among the line looks: a coin keeps its look while it is chosen
  filter: '',
};

function chosenSymbols() {
  return data.symbols.filter((one) => choice.slots.has(one.label));
}

function listedSymbols() {
  return data.symbols.filter((one) => `${one.label}\n${one.name}`.toLowerCase().includes(choice.filter));
}

function choose(label) {
  if (choice.slots.has(label)) return;
  const taken = new Set(choice.slots.values());
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  choice.slots.set(label, slot);
}

function chooseOnly(symbols) {
  choice.slots.clear();
  symbols.forEach((one) => choose(one.label));
}

function makeChips(redraw) {
  const chips = document.getElementById('chips');
  for (const one of data.symbols) {
    const chip = document.createElement('label');
    chip.className = 'chip';
    chip.title = one.followed ? one.name : `${one.name}, not followed`;
    chip.classList.toggle('left', !one.followed);
    chip.dataset.symbol = one.label;
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.addEventListener('change', () => {
      if (box.checked) choose(one.label);
      else choice.slots.delete(one.label);
      redraw();
    });
    const mark = document.createElement('span');
    mark.className = 'mark';
    chip.append(box, mark, one.label);
    chips.append(chip);
  }
}

function showChoice() {
  const listed = new Set(listedSymbols().map((one) => one.label));
  const styles = { solid: 'solid', dash: 'dashed', dot: 'dotted', dashdot: 'double' };
  for (const chip of document.querySelectorAll('#chips .chip')) {
    const slot = choice.slots.get(chip.dataset.symbol);
    const look = slot === undefined ? null : lineLook(slot);
    chip.hidden = !listed.has(chip.dataset.symbol);
    chip.querySelector('input').checked = look !== null;
    chip.querySelector('.mark').style.borderTop = look ? `3px ${styles[look.dash]} ${look.color}` : '';
  }
  for (const row of document.querySelectorAll('tr[data-symbol]')) row.hidden = !listed.has(row.dataset.symbol);
  document.getElementById('no-match').hidden = listed.size > 0;
  document.getElementById('chosen-count').textContent = `${choice.slots.size} of ${data.symbols.length} in the chart`;
}

function wireChoice(redraw) {
  makeChips(redraw);
  document.getElementById('filter').addEventListener('input', (event) => {
    choice.filter = event.target.value.trim().toLowerCase();
    redraw();
  });
  const buttons = {
    'choose-largest': () => chooseOnly(data.symbols.slice(0, data.shownFirst)),
    'choose-filtered': () => chooseOnly(listedSymbols()),
    'choose-none': () => chooseOnly([]),
  };
  for (const [id, act] of Object.entries(buttons)) {
    document.getElementById(id).addEventListener('click', () => {
      act();
      redraw();
    });
  }
  chooseOnly(data.symbols.slice(0, data.shownFirst));
}
