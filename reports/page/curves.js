'use strict';
// Curves over the batch: throughput, latency, and several sections in one chart.

// One line. Batches that do not fit are crosses, reached by dots; limits end before them, because they are bounds of
// all requests at once while the prediction's requests wait their turn.
moesaic.curve = (label, sweep, key, colour, {limit = false} = {}) => ({
  label,
  data: sweep.map((point) => ({x: point.batch, y: limit && !point.fits ? null : point[key], fits: point.fits})),
  borderColor: colour,
  backgroundColor: colour,
  borderWidth: limit ? 1.5 : 2.5,
  borderDash: limit ? [6, 5] : [],
  pointStyle: sweep.map((point) => point.fits || limit ? 'circle' : 'crossRot'),
  pointRadius: sweep.map((point) => limit ? 0 : point.fits ? 3 : 6),
  pointHoverRadius: 6,
  pointBorderWidth: sweep.map((point) => point.fits ? 1 : 2.5),
  pointBorderColor: sweep.map((point) => point.fits ? colour : moesaic.colour('bad')),
  segment: limit ? {} : {borderDash: ({p1DataIndex}) => sweep[p1DataIndex].fits ? undefined : [2, 4]},
  cubicInterpolationMode: 'monotone',
});

// The batch that was asked for.
moesaic.askedBatch = (batch) => ({
  id: 'askedBatch',
  beforeDatasetsDraw({ctx: context, chartArea: area, scales: {x}}) {
    if (!(batch >= x.min && batch <= x.max)) return;
    const at = x.getPixelForValue(batch);
    context.save();
    context.strokeStyle = moesaic.colour('axis');
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(at, area.top);
    context.lineTo(at, area.bottom);
    context.stroke();
    context.restore();
    const left = at > (area.left + area.right) / 2;
    moesaic.label(context, `batch ${moesaic.count(batch)}`, at + (left ? -6 : 6), area.top + 10,
                  {align: left ? 'right' : 'left', colour: 'dim'});
  },
});

moesaic.curves = (datasets, yTitle, format, y, plugins = []) => {
  const batches = datasets.flatMap((dataset) => dataset.data.map((point) => point.x)).filter((batch) => batch > 0);
  return {
    type: 'line',
    data: {datasets},
    options: {
      interaction: {mode: 'nearest', axis: 'x', intersect: false},
      scales: {
        x: moesaic.axis('batch (requests)', moesaic.count, {
          type: 'logarithmic',
          min: Math.min(...batches) / 1.1,
          max: Math.max(...batches) * 1.1,
          afterBuildTicks: moesaic.binaryTicks,
        }),
        y: moesaic.axis(yTitle, format, y),
      },
      plugins: {
        legend: moesaic.legend(),
        tooltip: {
          itemSort: (a, b) => b.raw.y - a.raw.y,
          callbacks: {
            title: ([item]) => `batch ${moesaic.count(item.raw.x)}${item.raw.fits ? '' : ': does not fit at once'}`,
            label: ({dataset, raw}) => `${dataset.label}: ${format(raw.y)}`,
          },
        },
      },
    },
    plugins,
  };
};

moesaic.draw.throughput = ({sweep, prediction}) => {
  const limit = moesaic.curve('limit', sweep, 'throughput_limit', moesaic.colour('limit'), {limit: true});
  const predicted = moesaic.curve('prediction', sweep, 'throughput', moesaic.colour('decode'));
  return moesaic.curves([predicted, limit], 'output tokens per second', moesaic.digits, {beginAtZero: true},
                        [moesaic.askedBatch(prediction.load.batch)]);
};

moesaic.draw.latency = ({sweep, prediction}) => {
  const [tpot, ttft] = [moesaic.colour('decode'), moesaic.colour('prefill')];
  const datasets = [
    moesaic.curve('TTFT', sweep, 'ttft', ttft),
    moesaic.curve('TTFT limit', sweep, 'ttft_limit', ttft, {limit: true}),
    moesaic.curve('TPOT', sweep, 'tpot', tpot),
    moesaic.curve('TPOT limit', sweep, 'tpot_limit', tpot, {limit: true}),
  ];
  for (const dataset of datasets) {
    dataset.data = dataset.data.map((point) => ({...point, y: point.y > 0 ? point.y : null}));
  }
  return moesaic.curves(datasets, 'time', moesaic.seconds, {type: 'logarithmic', afterBuildTicks: moesaic.logTicks},
                        [moesaic.askedBatch(prediction.load.batch)]);
};

moesaic.draw.overlay = (sections) => {
  const datasets = sections.filter(({sweep}) => sweep.length > 0).map(
      ({title, sweep}, index) => moesaic.curve(title, sweep, 'throughput', moesaic.colour(`series-${index % 8}`)));
  return moesaic.curves(datasets, 'output tokens per second', moesaic.digits, {beginAtZero: true});
};
