'use strict';
// Draws every canvas[data-chart] from the data of its section, and again when the colours change.
// data-charts on the root element is the number of charts drawn; data-error the first error.
moesaic.start = () => {
  const root = document.documentElement;
  const sections = JSON.parse(document.getElementById('data').textContent);
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  let charts = [];

  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = [];
    Object.assign(Chart.defaults, {animation: false, responsive: true, maintainAspectRatio: false, normalized: true});
    Chart.defaults.font.family = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
    Chart.defaults.font.size = 12;
    for (const canvas of document.querySelectorAll('canvas[data-chart]')) {
      const {chart: kind, section, phase} = canvas.dataset;
      charts.push(new Chart(canvas, moesaic.draw[kind](section === '' ? sections : sections[section], phase)));
    }
    root.dataset.charts = String(charts.length);
  };

  // Paper is white, whatever the screen is.
  const paint = (scheme) => {
    root.dataset.scheme = scheme;
    draw();
  };
  const current = () => dark.matches ? 'dark' : 'light';
  dark.addEventListener('change', () => paint(current()));
  window.addEventListener('beforeprint', () => paint('light'));
  window.addEventListener('afterprint', () => paint(current()));
  paint(current());
};

window.addEventListener('error', (event) => {
  document.documentElement.dataset.error ??= event.message;
});
moesaic.start();
