// What is shown, as a CSV file.

const BYTE_ORDER_MARK = '\ufeff'; // by which spreadsheets know the encoding

// A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from outside.
function csvField(value) {
  if (value === null) return '';
  const text = typeof value === 'number' ? String(value) : value.replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

// The rows as the filter and the order leave them, with numbers in full.
function tableRows(table) {
  const heads = [...table.tHead.rows[0].cells];
  const taken = heads.map((head) => !head.classList.contains('spark'));
  const rows = rowGroups(table).map(([row]) => row).filter((row) => !row.hidden);
  return [
    heads.map((head) => head.dataset.csv ?? head.textContent),
    ...rows.map((row) => [...row.cells].map(cellValue)),
  ].map((cells) => cells.filter((_, place) => taken[place]));
}

// The lines as they are drawn, an hour a row, of the span in view.
function chartRows() {
  const [begin, end] = shownSpan();
  const lines = drawnLines();
  const rows = data.hours.map((hour, i) => [hour, ...lines.map((one) => one.values[i])]);
  return [
    ['Hour, Tehran', ...lines.map((one) => `${one.label}, ${checkedValue('unit') === 'index' ? 'indexed' : one.currency}`)],
    ...rows.filter(([hour]) => begin <= milliseconds(hour) && milliseconds(hour) <= end),
  ];
}

function download(name, rows) {
  const text = rows.map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([BYTE_ORDER_MARK, text], { type: 'text/csv' }));
  link.download = `${name}-${data.now.slice(0, 16).replace(' ', '_').replace(':', '-')}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}

function wireDownloads() {
  for (const button of document.querySelectorAll('button.csv')) {
    button.hidden = false;
    const table = document.getElementById(button.dataset.table);
    button.addEventListener('click', () => download(button.dataset.name, table ? tableRows(table) : chartRows()));
  }
}
