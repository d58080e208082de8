'use strict';
// Colours, formats and parts that all charts share. Colours are the custom properties of page.css.
const moesaic = {draw: {}};

moesaic.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

// Three significant digits without an exponent: 1234, 123, 12.3, 0.123.
moesaic.digits = (value) => {
  const size = Math.abs(value);
  if (size === 0) return '0';
  return size >= 99.95 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
};

// `steps`: [from, divisor, unit], largest first.
moesaic.scaled = (value, steps, unit) => {
  if (value === null || !Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const [, divisor, prefix] = steps.find(([from]) => Math.abs(value) >= 0.9995 * from) ?? steps[steps.length - 1];
  return `${moesaic.digits(value / divisor)} ${prefix}${unit}`.trim();
};

moesaic.decimal = [[1e18, 1e18, 'E'], [1e15, 1e15, 'P'], [1e12, 1e12, 'T'], [1e9, 1e9, 'G'], [1e6, 1e6, 'M'],
                   [1e3, 1e3, 'k'], [1, 1, '']];
moesaic.times = [[7200, 3600, 'h'], [120, 60, 'min'], [1, 1, 's'], [1e-3, 1e-3, 'ms'], [1e-6, 1e-6, '\u00b5s'],
                 [1e-9, 1e-9, 'ns']];
moesaic.seconds = (value) => moesaic.scaled(value, moesaic.times, '');
moesaic.bytes = (value) => moesaic.scaled(value, moesaic.decimal, 'B');
moesaic.flops = (value) => moesaic.scaled(value, moesaic.decimal, 'FLOP/s');
moesaic.count = (value) => Number(value.toPrecision(4)).toLocaleString('en-US');
moesaic.percent = (share) => `${(100 * share).toFixed(1)}%`;

// Ticks of a logarithmic axis: powers of ten, and 2 and 5 times these where the axis is short.
moesaic.logTicks = (axis) => {
  const decades = Math.log10(axis.max / axis.min);
  const factors = decades > 3 ? [1] : decades > 1.2 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  axis.ticks = [];
  for (let e = Math.floor(Math.log10(axis.min)); e <= Math.ceil(Math.log10(axis.max)); ++e) {
    for (const factor of factors) {
      const value = factor * 10 ** e;
      if (value >= axis.min && value <= axis.max) axis.ticks.push({value});
    }
  }
};

// Ticks at powers of two, at most about ten.
moesaic.binaryTicks = (axis) => {
  const first = Math.ceil(Math.log2(axis.min) - 1e-9);
  const last = Math.floor(Math.log2(axis.max) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first) / 10));
  axis.ticks = [];
  for (let e = first; e <= last; e += stride) axis.ticks.push({value: 2 ** e});
};

// Round numbers of an axis without the zeros that a measurement would keep: "1.00 ms" -> "1 ms".
moesaic.tick = (text) => text.replace(/\.(\d*?)0+(?=\D|$)/, (_, digits) => digits === '' ? '' : '.' + digits);

moesaic.axis = (title, format, more = {}) => ({
  title: {display: title !== '', text: title, color: moesaic.colour('dim')},
  grid: {color: moesaic.colour('grid'), borderColor: moesaic.colour('axis')},
  ticks: {
    color: moesaic.colour('dim'),
    callback: (value) => moesaic.tick(format(value)),
    maxRotation: 0,
    autoSkipPadding: 12,
  },
  ...more,
});

// Entries of equal size: `shape` of a dataset is a point style, 'line' for curves (dashed as they are), null for none.
moesaic.legend = (shape) => ({
  position: 'bottom',
  labels: {
    usePointStyle: true,
    boxWidth: shape === undefined ? 26 : 9,
    boxHeight: 9,
    padding: 14,
    color: moesaic.colour('text'),
    generateLabels: (chart) => chart.data.datasets.map((dataset, index) => ({
      text: dataset.label,
      fontColor: moesaic.colour('text'),
      fillStyle: dataset.backgroundColor,
      strokeStyle: dataset.borderColor ?? dataset.backgroundColor,
      lineWidth: dataset.borderWidth ?? 1,
      lineDash: dataset.borderDash ?? [],
      pointStyle: shape === undefined ? 'line' : shape(dataset),
      hidden: !chart.isDatasetVisible(index),
      datasetIndex: index,
    })).filter((item) => item.pointStyle !== null),
  },
});

moesaic.font = (bold = false) => `${bold ? '600 ' : ''}12px ${Chart.defaults.font.family}`;

moesaic.textWidth = (text, bold = false) => {
  const context = document.createElement('canvas').getContext('2d');
  context.font = moesaic.font(bold);
  return context.measureText(text).width;
};

// Text with a halo in the colour of the card, so that it reads on top of lines.
moesaic.label = (context, text, x, y, {align = 'left', colour = 'text', bold = false} = {}) => {
  context.save();
  context.font = moesaic.font(bold);
  context.textAlign = align;
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  context.lineWidth = 4;
  context.strokeStyle = moesaic.colour('card');
  context.strokeText(text, x, y);
  context.fillStyle = moesaic.colour(colour);
  context.fillText(text, x, y);
  context.restore();
};
