'use strict';
// Charts of horizontal bars: waterfall, memory, elasticity.

// Text after the end of each bar; `texts` in the order of the bars of dataset 0.
moesaic.barTexts = (texts) => ({
  id: 'barTexts',
  afterDatasetsDraw(chart) {
    chart.getDatasetMeta(0).data.forEach((bar, index) => {
      moesaic.label(chart.ctx, texts[index], Math.max(bar.x, bar.base) + 6, bar.y);
    });
  },
});

moesaic.textRoom = (texts) => 10 + Math.max(...texts.map((text) => moesaic.textWidth(text)));

// A thin line from the end of each bar to the start of the next.
moesaic.barSteps = {
  id: 'barSteps',
  beforeDatasetsDraw(chart) {
    const context = chart.ctx;
    const bars = chart.getDatasetMeta(0).data;
    context.save();
    context.strokeStyle = moesaic.colour('axis');
    context.setLineDash([3, 3]);
    bars.slice(1).forEach((bar, index) => {
      context.beginPath();
      context.moveTo(bars[index].x, bars[index].y);
      context.lineTo(bars[index].x, bar.y);
      context.stroke();
    });
    context.restore();
  },
};

// Names are never cut, however long.
moesaic.nameAxis = () => ({
  afterFit(axis) {
    axis.width = Math.max(axis.width, moesaic.textRoom(axis.chart.data.labels.flat()));
  },
  grid: {display: false, borderColor: moesaic.colour('axis')},
  ticks: {color: moesaic.colour('text'), autoSkip: false, crossAlign: 'far'},
});

moesaic.draw.waterfall = (section, phase) => {
  const {prediction, names} = section;
  const total = phase === 'decode' ? prediction.decode.seconds_per_step : prediction.prefill.seconds;
  const limit = phase === 'decode' ? prediction.decode.limit_seconds_per_step : prediction.prefill.limit_seconds;
  const setBy = prediction[phase].limit.resource;
  const steps = phase === 'decode' ? prediction.waterfall : prediction.prefill.waterfall;
  const bars = [{name: 'limit', resource: names[setBy], from: 0, to: limit, colour: 'limit'}];
  let at = limit;
  for (const step of steps.filter((one) => Math.abs(one.seconds) > 1e-9 * total)) {
    bars.push({name: step.name.split(':')[0], resource: names[step.resource], from: at, to: at + step.seconds,
               colour: 'bar-' + step.id, gap: true});
    at += step.seconds;
  }
  bars.push({name: 'prediction', resource: '', from: 0, to: total, colour: phase});
  const text = ({from, to, gap}) =>
      `${gap && to >= from ? '+' : ''}${moesaic.seconds(to - from)} (${moesaic.percent((to - from) / total)})`;
  return {
    type: 'bar',
    data: {
      labels: bars.map((bar) => bar.resource ? [bar.name, bar.resource] : [bar.name]),
      datasets: [{
        data: bars.map((bar) => [bar.from, bar.to]),
        backgroundColor: bars.map((bar) => moesaic.colour(bar.colour) || moesaic.colour('decode')),
        borderRadius: 3,
        borderSkipped: false,
        minBarLength: 2,
        barPercentage: 0.72,
        categoryPercentage: 1,
      }],
    },
    options: {
      indexAxis: 'y',
      layout: {padding: {right: moesaic.textRoom(bars.map(text))}},
      scales: {
        x: moesaic.axis('', moesaic.seconds, {min: 0}),
        y: moesaic.nameAxis(),
      },
      plugins: {
        legend: {display: false},
        tooltip: {
          callbacks: {
            title: ([item]) => bars[item.dataIndex].name,
            label: ({dataIndex}) => text(bars[dataIndex]),
            afterLabel: ({dataIndex}) => bars[dataIndex].resource ?? '',
          },
        },
      },
    },
    plugins: [moesaic.barSteps, moesaic.barTexts(bars.map(text))],
  };
};

// One bar a pool (device, host), in shares of its capacity; each class names itself where it has room.
moesaic.draw.memory = (section) => {
  const memory = section.prediction.memory;
  const pools = [{name: 'device', ...memory}];
  if (memory.near_memory) pools.push({name: 'near memory', ...memory.near_memory});
  if (memory.host && memory.host.total > 0) pools.push({name: 'host', ...memory.host});
  const classes = section.memory_classes.filter(({id}) => pools.some((pool) => pool[id] > 0));
  const free = (pool) => Math.max(0, pool.capacity - pool.total);
  const datasets = classes.map(({id, name}) => ({
    label: name,
    data: pools.map((pool) => pool[id] / pool.capacity),
    bytes: pools.map((pool) => pool[id]),
    backgroundColor: moesaic.colour('memory-' + id),
  }));
  datasets.push({
    label: 'free',
    data: pools.map((pool) => free(pool) / pool.capacity),
    bytes: pools.map(free),
    backgroundColor: moesaic.colour('memory-free'),
  });
  for (const dataset of datasets) Object.assign(dataset, {barPercentage: 0.8, categoryPercentage: 1});
  const most = Math.max(1, ...pools.map((pool) => pool.total / pool.capacity));
  const capacity = {
    id: 'capacity',
    afterDatasetsDraw({ctx: context, chartArea: area, scales: {x}}) {
      const at = x.getPixelForValue(1);
      context.save();
      context.strokeStyle = moesaic.colour(most > 1 ? 'bad' : 'text');
      context.lineWidth = 2;
      context.beginPath();
      context.moveTo(at, area.top);
      context.lineTo(at, area.bottom);
      context.stroke();
      context.restore();
    },
  };
  const inside = {
    id: 'inside',
    afterDatasetsDraw(chart) {
      const context = chart.ctx;
      context.save();
      context.font = moesaic.font(true);
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      datasets.forEach((dataset, index) => {
        context.fillStyle = moesaic.colour(dataset.label === 'free' ? 'dim' : 'on-bar');
        chart.getDatasetMeta(index).data.forEach((bar, pool) => {
          const text = moesaic.bytes(dataset.bytes[pool]);
          const width = Math.abs(bar.x - bar.base);
          if (width > context.measureText(text).width + 8) context.fillText(text, (bar.x + bar.base) / 2, bar.y);
        });
      });
      context.restore();
    },
  };
  return {
    type: 'bar',
    data: {labels: pools.map((pool) => [pool.name, moesaic.bytes(pool.capacity)]), datasets},
    options: {
      indexAxis: 'y',
      scales: {
        x: moesaic.axis('', (value) => `${Math.round(100 * value)}%`,
                        {stacked: true, min: 0, max: Math.ceil(5 * most - 1e-9) / 5}),
        y: {...moesaic.nameAxis(), stacked: true},
      },
      plugins: {
        legend: moesaic.legend(() => 'rect'),
        tooltip: {
          callbacks: {
            label: ({dataset, dataIndex, raw}) =>
                `${dataset.label}: ${moesaic.bytes(dataset.bytes[dataIndex])}, ${moesaic.percent(raw)}`,
          },
        },
      },
    },
    plugins: [capacity, inside],
  };
};

moesaic.draw.elasticity = ({levers, names}) => {
  const gains = levers.map(({gain}) => gain);
  const texts = gains.map((gain) => `${gain < 0 ? '' : '+'}${moesaic.percent(gain)}`);
  return {
    type: 'bar',
    data: {
      labels: levers.map(({figure, change}) => `${change} ${names[figure]}`),
      datasets: [{
        data: gains,
        backgroundColor: gains.map((gain) => moesaic.colour(gain < 0 ? 'bad' : 'good')),
        borderRadius: 3,
        minBarLength: 1,
        barPercentage: 0.72,
        categoryPercentage: 1,
      }],
    },
    options: {
      indexAxis: 'y',
      layout: {padding: {right: moesaic.textRoom(texts)}},
      scales: {
        x: moesaic.axis('throughput gained', moesaic.percent, {beginAtZero: true}),
        y: moesaic.nameAxis(),
      },
      plugins: {
        legend: {display: false},
        tooltip: {callbacks: {label: ({raw}) => `buys ${moesaic.percent(raw)}`,
                              afterLabel: ({dataIndex}) => levers[dataIndex].figure}},
      },
    },
    plugins: [moesaic.barTexts(texts)],
  };
};
