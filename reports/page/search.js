'use strict';
// The front of a search: throughput of a device against the time of a token, with the best mappings marked on it.
moesaic.draw.front = ({front, best, pace, goal}) => {
  const mark = (rows) => rows.map(({pace: x, throughput: y, name}) => ({x, y, name}));
  const colour = moesaic.colour('decode'), chosen = moesaic.colour('series-1');
  const datasets = [
    {
      label: 'best mappings',
      data: mark(best),
      pointStyle: 'rectRot',
      pointRadius: 5,
      pointHoverRadius: 7,
      backgroundColor: chosen,
      borderColor: chosen,
      order: 0,
    },
    {
      label: 'front: no other is better in both',
      data: mark(front),
      showLine: true,
      stepped: 'before',
      pointStyle: 'circle',
      pointRadius: 3,
      pointHoverRadius: 6,
      borderWidth: 2,
      backgroundColor: colour,
      borderColor: colour,
      order: 1,
    },
  ];
  if (goal !== null) {
    datasets.push({
      label: `at most ${moesaic.seconds(goal)}`,
      data: [{x: goal, y: 0}, {x: goal, y: Math.max(...front.map((point) => point.throughput))}],
      showLine: true,
      pointStyle: 'line',
      pointRadius: 0,
      pointHitRadius: 0,
      borderWidth: 1.5,
      borderDash: [6, 5],
      borderColor: moesaic.colour('limit'),
      backgroundColor: moesaic.colour('limit'),
      order: 2,
    });
  }
  return {
    type: 'scatter',
    data: {datasets},
    options: {
      scales: {
        x: moesaic.axis(pace, moesaic.seconds, {type: 'logarithmic', afterBuildTicks: moesaic.logTicks}),
        y: moesaic.axis('tokens per second and device', moesaic.digits, {beginAtZero: true}),
      },
      plugins: {
        legend: moesaic.legend((dataset) => dataset.pointStyle),
        tooltip: {
          callbacks: {
            label: ({raw}) => `${moesaic.digits(raw.y)} tokens/s/device at ${moesaic.seconds(raw.x)}`,
            afterLabel: ({raw}) => raw.name ?? '',
          },
        },
      },
    },
  };
};
