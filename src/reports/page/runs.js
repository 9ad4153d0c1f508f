// The chart of runs: when each began, how long it took, and whether it failed.

function runTrace(runs, label, marker) {
  return {
    type: 'scatter',
    mode: 'markers',
    name: label,
    x: runs.map((run) => run.started_at),
    y: runs.map((run) => run.seconds),
    text: runs.map((run) => plain([`${timeText(run.started_at)}, ${run.seconds} s`, `${run.job} ${run.kind}`, `${run.rows.toLocaleString('en')} rows`, run.error.slice(0, 120)].filter(Boolean).join('\n')).replace(/\n/g, '<br>')),
    hovertemplate: `<b>${label}</b>  %{text}<extra></extra>`,
    marker,
    cliponaxis: false,
  };
}

// From the first hour, or the first run if it is earlier, to the present moment, with room for a mark at either end.
function runSpan() {
  const times = [data.hours[0], data.now, ...data.runs.map((run) => run.started_at)].map(milliseconds).filter(Number.isFinite);
  const first = times.reduce((a, b) => Math.min(a, b));
  const last = times.reduce((a, b) => Math.max(a, b));
  const room = (last - first) / 100;
  return [first - room, last + room].map(wallTime);
}

function drawRuns() {
  const chart = document.getElementById('run-chart');
  if (!chart) return Promise.resolve();
  const dark = theme() === 'dark';
  const layout = sharedLayout();
  layout.uirevision = 'runs';
  layout.hovermode = 'closest';
  layout.showlegend = true;
  layout.legend = { orientation: 'h', y: 1.02, yanchor: 'bottom', x: 0, itemclick: false, itemdoubleclick: false };
  Object.assign(layout.xaxis, { range: runSpan() });
  Object.assign(layout.yaxis, { title: { text: 'seconds', font: { size: 12 }, standoff: 12 }, rangemode: 'tozero', fixedrange: true, nticks: 5 });
  const traces = [
    runTrace(data.runs.filter((run) => !run.failed), 'ok', { symbol: 'circle', size: 7, color: LINES[theme()][0] }),
    runTrace(data.runs.filter((run) => run.failed), 'failed', { symbol: 'x', size: 11, color: dark ? '#ff8a3d' : '#d55e00' }),
  ].filter((trace) => trace.x.length);
  return Plotly.react(chart, traces, layout, sharedConfig('runs'));
}
