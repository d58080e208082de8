'use strict';
// Roofline: every operator by its intensity and the rate it reaches, under the roofs of the units it runs on.

// Operators with arithmetic and traffic; links and copies have no place on a roofline.
moesaic.rooflinePoints = (section, phase) =>
    section.operators[phase].operators
        .filter((row) => row.flops > 0 && row.bytes > 0 && row.seconds > 0)
        .map((row) => ({
               x: row.flops / row.bytes,
               y: row.flops / row.seconds,
               radius: 3.5 + 15 * Math.sqrt(Math.min(1, row.share_of_step)),
               row,
               phase,
             }));

moesaic.roofAt = (roof, intensity) => Math.min(roof.peak, roof.bandwidth * intensity);

moesaic.roofName = (roof) => `${roof.unit} ${roof.arithmetic}: ${moesaic.flops(roof.peak)}`;

// Names beside the operators that take longest, where there is room.
moesaic.pointNames = (points, roofs) => ({
  id: 'pointNames',
  afterDatasetsDraw(chart) {
    if (!moesaic.namesBeside()) return;
    const {ctx: context, chartArea: area, scales: {x, y}} = chart;
    const boxes = points.map((point) => {
      const [cx, cy] = [x.getPixelForValue(point.x), y.getPixelForValue(point.y)];
      return {left: cx - point.radius, right: cx + point.radius, top: cy - point.radius, bottom: cy + point.radius};
    });
    const onRoof = (box) => roofs.some((roof) => {
      const [from, to] = [box.left, box.right].map(
          (pixel) => y.getPixelForValue(moesaic.roofAt(roof, x.getValueForPixel(pixel))));
      return Math.min(from, to) < box.bottom && Math.max(from, to) > box.top;
    });
    const free = (box) => box.left >= area.left && box.right <= area.right && box.top >= area.top &&
        box.bottom <= area.bottom && !onRoof(box) &&
        boxes.every((other) => box.left > other.right || box.right < other.left || box.top > other.bottom ||
                        box.bottom < other.top);
    const longest = [...points].sort((a, b) => b.row.share_of_step - a.row.share_of_step);
    for (const point of longest.filter((one) => one.row.share_of_step > 0.01).slice(0, 16)) {
      const width = moesaic.textWidth(point.row.operator);
      const [cx, cy, r] = [x.getPixelForValue(point.x), y.getPixelForValue(point.y), point.radius + 5];
      const places = [
        [cx + r, cy], [cx - r - width, cy], [cx - width / 2, cy - r - 6], [cx - width / 2, cy + r + 6],
        [cx + 0.7 * r, cy + r + 2], [cx - 0.7 * r - width, cy + r + 2],
      ];
      for (const [left, middle] of places) {
        const box = {left: left - 1, right: left + width + 1, top: middle - 8, bottom: middle + 8};
        if (free(box)) {
          boxes.push(box);
          moesaic.label(context, point.row.operator, left, middle, {colour: point.phase});
          break;
        }
      }
    }
  },
});

// Beside the plot where there is room, else on top of the right end of the roof.
moesaic.namesBeside = () => window.innerWidth >= 760;

// Peaks at the right end of the roofs, kept apart; the bandwidth along the slope of each unit.
moesaic.roofNames = (roofs) => ({
  id: 'roofNames',
  afterDatasetsDraw(chart) {
    const {ctx: context, chartArea: area, scales: {y}} = chart;
    let below = -Infinity;
    for (const roof of [...roofs].sort((a, b) => b.peak - a.peak)) {
      const beside = moesaic.namesBeside();
      const at = Math.max(y.getPixelForValue(roof.peak) - (beside ? 0 : 10), below + 15);
      below = at;
      moesaic.label(context, moesaic.roofName(roof), area.right + (beside ? 6 : -4), at,
                    {align: beside ? 'left' : 'right', colour: 'dim', bold: true});
    }
  },
  beforeDatasetsDraw(chart) {
    const {ctx: context, scales: {x, y}} = chart;
    for (const roof of roofs.filter((one, index) => roofs.findIndex(({unit}) => unit === one.unit) === index)) {
      const at = Math.max(x.min, y.min / roof.bandwidth);
      const [px, py] = [x.getPixelForValue(at), y.getPixelForValue(roof.bandwidth * at)];
      const [qx, qy] = [x.getPixelForValue(at * 10), y.getPixelForValue(roof.bandwidth * at * 10)];
      context.save();
      context.translate(px, py);
      context.rotate(Math.atan2(qy - py, qx - px));
      moesaic.label(context, `${roof.unit} memory: ${moesaic.bytes(roof.bandwidth)}/s`, 14, -11,
                    {colour: 'dim', bold: true});
      context.restore();
    }
  },
});

moesaic.draw.roofline = (section) => {
  const phases = {
    decode: moesaic.rooflinePoints(section, 'decode'),
    prefill: moesaic.rooflinePoints(section, 'prefill'),
  };
  const points = [...phases.decode, ...phases.prefill];
  const ridges = section.roofs.map((roof) => roof.peak / roof.bandwidth);
  const peaks = section.roofs.map((roof) => roof.peak);
  const room = 10 + Math.max(0, ...section.roofs.map((roof) => moesaic.textWidth(moesaic.roofName(roof), true)));
  const decade = (power) => 10 ** power;
  const xMin = decade(Math.floor(Math.log10(Math.min(1, ...points.map((point) => point.x)))));
  const xMax = decade(Math.ceil(Math.log10(1.5 * Math.max(10, ...ridges, ...points.map((point) => point.x)))));
  const yMax = decade(Math.log10(3 * Math.max(1, ...peaks, ...points.map((point) => point.y))));
  const yMin = decade(Math.floor(Math.log10(0.7 * Math.min(yMax / 1e3, ...points.map((point) => point.y)))));
  const roofs = section.roofs.map((roof) => ({
    label: `roof: ${roof.unit} ${roof.arithmetic}`,
    data: [xMin, roof.peak / roof.bandwidth, xMax].map((x) => ({x, y: moesaic.roofAt(roof, x)})),
    showLine: true,
    pointRadius: 0,
    pointHitRadius: 0,
    borderColor: moesaic.colour('limit'),
    borderWidth: 2,
    pointStyle: 'line',
    order: 1,
  }));
  const marks = Object.entries(phases).filter(([, data]) => data.length > 0).map(([phase, data]) => ({
    label: phase,
    data,
    pointStyle: data.map((point) => point.row.unit === 'gpu' ? (phase === 'decode' ? 'circle' : 'triangle') :
                                    phase === 'decode' ? 'rect' : 'rectRot'),
    pointRadius: data.map((point) => point.radius),
    pointHoverRadius: data.map((point) => point.radius + 2),
    backgroundColor: moesaic.colour(phase + '-fill'),
    borderColor: moesaic.colour(phase),
    borderWidth: 1.5,
    order: 0,
  }));
  return {
    type: 'scatter',
    data: {datasets: [...marks, ...roofs]},
    options: {
      layout: {padding: {right: moesaic.namesBeside() ? room : 0}},
      scales: {
        x: moesaic.axis('arithmetic intensity (FLOP per byte)', moesaic.count,
                        {type: 'logarithmic', min: xMin, max: xMax, afterBuildTicks: moesaic.logTicks}),
        y: moesaic.axis('rate reached', moesaic.flops,
                        {type: 'logarithmic', min: yMin, max: yMax, afterBuildTicks: moesaic.logTicks}),
      },
      plugins: {
        legend: moesaic.legend((dataset) => dataset.showLine ? null : dataset.pointStyle[0]),
        tooltip: {
          callbacks: {
            label: ({raw: {row, phase}}) => `${phase}: ${row.operator} (${row.kind}, ${row.block})`,
            afterLabel: ({raw: {row, x, y}}) => {
              const roof = section.roofs.find((one) => one.unit === row.unit && one.arithmetic === row.arithmetic);
              return [
                row.shape,
                `${moesaic.seconds(row.seconds)} x ${moesaic.count(row.count)}: ` +
                    `${moesaic.percent(row.share_of_step)} of the step`,
                `${moesaic.flops(y)} at ${moesaic.digits(x)} FLOP/B` +
                    (roof ? `: ${moesaic.percent(y / moesaic.roofAt(roof, x))} of the roof` : ''),
                `bound by ${row.bound_by}`,
              ];
            },
          },
        },
      },
    },
    plugins: [moesaic.roofNames(section.roofs), moesaic.pointNames(points, section.roofs)],
  };
};
