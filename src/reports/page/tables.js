// Tables: sorted by a click on a column's head, and a word where one is cut off.

const AS_WRITTEN = 'none';


// What a cell is sorted by and downloaded as: its number, or its text; null where it has neither.
function cellValue(cell) {
  if ('value' in cell.dataset) return Number(cell.dataset.value);
  if (cell.classList.contains('number')) return null;
  return (cell.dataset.text ?? cell.textContent).trim() || null;
}

// The rows of a body, each with those that belong to it, such as the reason of a failure.
function rowGroups(table) {
  const groups = [];
  for (const row of table.tBodies[0].rows) {
    if (row.classList.contains('reason')) groups[groups.length - 1].push(row);
    else groups.push([row]);
  }
  return groups;
}

function compareValues(a, b) {
  return typeof a === 'number' ? a - b : a.localeCompare(b, 'en', { numeric: true });
}

// Cells without a value come last, whichever way the others go.
function sortedGroups(groups, place, order) {
  const sign = order === 'ascending' ? 1 : -1;
  const valued = groups.map((group) => [cellValue(group[0].cells[place]), group]);
  const there = valued.filter(([value]) => value !== null).sort(([a], [b]) => sign * compareValues(a, b));
  return [...there, ...valued.filter(([value]) => value === null)].map(([, group]) => group);
}

// Numbers begin with the largest, texts with A; the third click brings the order of the page back.
function nextOrder(head) {
  const orders = head.classList.contains('number') ? ['descending', 'ascending'] : ['ascending', 'descending'];
  return [...orders, AS_WRITTEN][(orders.indexOf(head.ariaSort) + 1) % 3];
}

function makeSortable(table) {
  const written = rowGroups(table);
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    if (head.classList.contains('spark')) return;
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    head.ariaSort = AS_WRITTEN;
    button.addEventListener('click', () => {
      const order = nextOrder(head);
      heads.forEach((other) => {
        if (other.ariaSort) other.ariaSort = AS_WRITTEN;
      });
      head.ariaSort = order;
      const groups = order === AS_WRITTEN ? written : sortedGroups(written, place, order);
      table.tBodies[0].append(...groups.flat());
    });
  });
}

function tellCut(box, hint) {
  const right = box.scrollWidth - box.clientWidth - box.scrollLeft > 1;
  const below = box.scrollHeight - box.clientHeight - box.scrollTop > 1;
  box.parentElement.classList.toggle('cut-right', right);
  box.parentElement.classList.toggle('cut-below', below);
  const more = [right && 'columns →', below && 'rows ↓'].filter(Boolean).join(' and ');
  hint.textContent = more ? `Scroll within for more ${more}` : '';
  // As long as there is anything to scroll its line stays, so that nothing moves meanwhile.
  hint.hidden = box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight;
}

function wireTables() {
  document.querySelectorAll('table').forEach(makeSortable);
  for (const box of document.querySelectorAll('.scroll')) {
    const hint = document.createElement('p');
    hint.className = 'quiet more';
    hint.hidden = true;
    hint.ariaHidden = 'true';
    box.parentElement.after(hint);
    const tell = () => tellCut(box, hint);
    box.addEventListener('scroll', tell, { passive: true });
    // Its own size changes with the window, its content's with the filter and the charts.
    const sizes = new ResizeObserver(tell);
    sizes.observe(box);
    sizes.observe(box.firstElementChild);
  }
}
