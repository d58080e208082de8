'use strict';
// Charts of a validation: predicted against measured, and errors beside those of the baselines.

moesaic.band = 0.1;  // half width of the grey band around "predicted = measured"

// Eight colours, then the same with another mark.
moesaic.deviceMark = (index) => ({
  colour: moesaic.colour(`series-${index % 8}`),
  style: ['circle', 'triangle', 'rect', 'rectRot'][Math.floor(index / 8) % 4],
});

moesaic.draw.scatter = ({points, keys, devices}) => {
  const values = points.flatMap(([measured, predicted]) => [measured, predicted]);
  const min = Math.min(...values) / 1.4;
  const max = Math.max(...values) * 1.4;
  const line = (factor, more) => ({
    label: 'line',
    data: [{x: min, y: factor * min}, {x: max, y: factor * max}],
    showLine: true,
    pointRadius: 0,
    pointHitRadius: 0,
    borderWidth: 0,
    borderColor: moesaic.colour('limit'),
    order: 1,
    ...more,
  });
  const marks = devices.map((device, index) => {
    const {colour, style} = moesaic.deviceMark(index);
    return {
      label: device,
      data: points.filter((point) => point[2] === index)
                .map(([x, y, , key, shape]) => ({x, y, key: keys[key], shape})),
      pointStyle: style,
      pointRadius: 1.8,
      pointHoverRadius: 5,
      pointBorderWidth: 0,
      backgroundColor: colour + '80',
      borderColor: colour,
      order: 0,
    };
  }).filter(({data}) => data.length > 0);
  const axis = (title) =>
      moesaic.axis(title, moesaic.seconds, {type: 'logarithmic', min, max, afterBuildTicks: moesaic.logTicks});
  const shade = moesaic.colour('axis') + '80';
  const fill = {target: '+1', above: shade, below: shade};
  const band = [line(1 + moesaic.band, {fill}), line(1 - moesaic.band),
                line(1, {borderWidth: 1, borderColor: moesaic.colour('text'), order: -1})];
  return {
    type: 'scatter',
    data: {datasets: [...marks, ...band]},
    options: {
      scales: {x: axis('measured'), y: axis('predicted')},
      plugins: {
        legend: moesaic.legend((dataset) => dataset.showLine ? null : dataset.pointStyle),
        tooltip: {
          callbacks: {
            label: ({raw: {x, y}}) => `${moesaic.seconds(x)} measured, ${moesaic.seconds(y)} predicted: ` +
                `${y < x ? '' : '+'}${moesaic.percent(y / x - 1)}`,
            afterLabel: ({raw}) => [raw.key, raw.shape],
          },
        },
      },
    },
  };
};

// Per kind one bar for each way to predict, from its median error to its 90th percentile; ticks at the targets.
moesaic.draw.errors = (sections) => {
  const least = 0.002;
  const ways = [
    {key: 'calibrated', label: 'calibrated', colour: 'decode'},
    {key: 'constant', label: 'roofline with one efficiency', colour: 'series-1'},
    {key: 'roofline', label: 'roofline at peak rates', colour: 'limit'},
  ];
  const datasets = ways.map(({key, label, colour}) => ({
    label,
    data: sections.map(({errors}) => errors[key] && errors[key].map((error) => Math.max(error, least))),
    backgroundColor: moesaic.colour(colour),
    minBarLength: 2,
    barPercentage: 0.85,
    categoryPercentage: 0.75,
  }));
  const ends = datasets.flatMap(({data}) => data.flatMap((pair) => pair ?? []));
  const targets = {
    id: 'targets',
    afterDatasetsDraw(chart) {
      const {ctx: context, scales: {x}} = chart;
      context.save();
      context.strokeStyle = moesaic.colour('text');
      context.lineWidth = 2;
      chart.getDatasetMeta(0).data.forEach((bar, index) => {
        for (const error of sections[index].target ?? []) {
          const at = x.getPixelForValue(error);
          context.beginPath();
          context.moveTo(at, bar.y - bar.height / 2 - 3);
          context.lineTo(at, bar.y + bar.height / 2 + 3);
          context.stroke();
        }
      });
      context.restore();
    },
  };
  const pair = (data) => data ? data.map(moesaic.percent).join(' / ') : '-';
  return {
    type: 'bar',
    data: {labels: sections.map(({title}) => title), datasets},
    options: {
      indexAxis: 'y',
      scales: {
        x: moesaic.axis('|predicted / measured - 1|', (value) => `${moesaic.digits(100 * value)}%`, {
          type: 'logarithmic',
          min: Math.max(least, Math.min(0.01, ...ends) / 1.2),
          max: Math.max(1, ...ends) * 1.2,
          afterBuildTicks: moesaic.logTicks,
        }),
        y: moesaic.nameAxis(),
      },
      plugins: {
        legend: moesaic.legend(() => 'rect'),
        tooltip: {
          callbacks: {
            label: ({datasetIndex, dataIndex}) =>
                `${ways[datasetIndex].label}: ${pair(sections[dataIndex].errors[ways[datasetIndex].key])}`,
            afterLabel: ({dataIndex}) =>
                sections[dataIndex].target ? `target ${pair(sections[dataIndex].target)}` : '',
          },
        },
      },
    },
    plugins: [targets],
  };
};
