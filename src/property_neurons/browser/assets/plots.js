"use strict";
/* Plots as inline SVG. Every text is set as text, never as markup. */

const Plots = (() => {
  const NS = "http://www.w3.org/2000/svg";

  function svg(name, attributes, ...children) {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    for (const child of children) node.append(child);
    return node;
  }

  function text(x, y, words, anchor, kind) {
    return svg("text", { x, y, "text-anchor": anchor || "middle", class: kind || "" }, String(words));
  }

  /* Marks tell kinds apart where colours do not: circle, square, triangle, diamond, cross, ring. */
  function mark(kind, x, y, r, ...children) {
    const around = points => svg("polygon", { points: points.map(([dx, dy]) => `${(x + dx * r).toFixed(1)},${(y + dy * r).toFixed(1)}`).join(" "), class: `fill k${kind}` }, ...children);
    const third = 1 / 3;
    return [
      () => svg("circle", { cx: x, cy: y, r, class: `fill k${kind}` }, ...children),
      () => around([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]),
      () => around([[0, -1.2], [1.1, 0.8], [-1.1, 0.8]]),
      () => around([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]),
      () => around([[-third, -1.2], [third, -1.2], [third, -third], [1.2, -third], [1.2, third], [third, third], [third, 1.2], [-third, 1.2], [-third, third], [-1.2, third], [-1.2, -third], [-third, -third]]),
      () => svg("circle", { cx: x, cy: y, r: r * 0.8, class: `ring k${kind}` }, ...children),
    ][kind % 6]();
  }

  /* What stands before a name in a legend: a patch of colour, or the kind's mark. */
  function key(kind, shapes) {
    const node = svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true", class: "key" });
    node.append(shapes ? mark(kind, 6, 6, 4) : svg("rect", { x: 0.5, y: 0.5, width: 11, height: 11, rx: 2, class: `fill k${kind}` }));
    return node;
  }

  /* The width of the widest name, in pixels of text of 12. */
  const pen = document.createElement("canvas").getContext("2d");
  function widest(names) {
    pen.font = "12px system-ui, sans-serif";
    return Math.ceil(Math.max(0, ...names.map(name => pen.measureText(name).width)));
  }

  /* A round number of steps up to the largest value. */
  function ticks(largest) {
    if (!(largest > 0)) return [0, 1];
    const rough = largest / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map(f => f * power).find(f => f >= rough);
    const found = [];
    for (let at = 0; at < largest + step * 0.999; at += step) found.push(Number(at.toPrecision(6)));
    return found;
  }

  function short(value) {
    if (value === null || value === undefined) return "";
    return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  }

  function frame(label, width, height) {
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  }

  /* What a plot shows, for who hears it: its name, and where its values are largest. */
  function spoken(label, named) {
    const most = named.filter(([, value]) => value !== null && value !== undefined).sort((a, b) => b[1] - a[1]).slice(0, 5);
    return most.length ? `${label}. Largest: ${most.map(([name, value]) => `${name} ${short(value)}`).join(", ")}` : `${label}. No values`;
  }

  /* Bars with intervals, or dots of several groups: upright on wide screens, lying on narrow ones.
     rows: [{label, kind, bars: [{p, low, high, kind}]}] */
  function bars(label, rows, line, lineName) {
    const name = widest(rows.map(row => row.label)), narrow = window.innerWidth < 700, one = narrow ? 17 : Math.max(23, name + 5);
    const all = rows.flatMap(row => row.bars), largest = Math.max(line || 0, ...all.map(bar => bar.p || 0));
    // An interval of a few frames may reach beyond the scale.
    const steps = ticks(Math.max(largest, ...all.map(bar => Math.min(bar.high || 0, 2 * largest)))), top = steps[steps.length - 1];
    const side = narrow ? Math.max(40, name + 9) : 40, long = narrow ? Math.min(320, window.innerWidth - side - 50) : 190;
    const across = rows.length * one;
    label = spoken(label, rows.flatMap(row => row.bars.map(bar => [bar.name ? `${row.label} ${bar.name}` : row.label, bar.p])));
    const plot = narrow ? frame(label, side + long + 22, across + 40) : frame(label, side + across + 50, long + 50);
    const at = value => narrow ? side + Math.min(1, value / top) * long : 12 + long - Math.min(1, value / top) * long;
    const rule = (value, kind) => narrow
      ? svg("line", { x1: at(value), x2: at(value), y1: 20, y2: 20 + across, class: kind })
      : svg("line", { x1: side, x2: side + across, y1: at(value), y2: at(value), class: kind });
    for (const step of steps) {
      plot.append(rule(step, "grid"), narrow ? text(at(step), 14, short(step), "middle", "soft") : text(side - 5, at(step) + 4, short(step), "end", "soft"));
    }
    rows.forEach((row, index) => {
      const middle = (narrow ? 20 : side) + (index + 0.5) * one;
      const dots = row.bars.length > 1;
      for (const bar of row.bars) {
        if (bar.p === null) continue;
        const title = svg("title", {}, `${row.label}${bar.name ? ", " + bar.name : ""}: ${short(bar.p)}` + (bar.low === undefined ? "" : bar.low === null ? " (of one speaker: no interval)" : ` (${short(bar.low)} to ${short(bar.high)})`));
        if (dots) {
          plot.append(narrow ? mark(bar.kind, at(bar.p), middle, 4, title) : mark(bar.kind, middle, at(bar.p), 4, title));
          continue;
        }
        const half = one * 0.36, from = at(0), to = at(bar.p);
        plot.append(narrow
          ? svg("rect", { x: from, y: middle - half, width: Math.max(0, to - from), height: 2 * half, class: `fill k${row.kind}` }, title)
          : svg("rect", { x: middle - half, y: to, width: 2 * half, height: Math.max(0, from - to), class: `fill k${row.kind}` }, title));
        if (bar.low !== undefined && bar.low !== null) {
          plot.append(narrow
            ? svg("line", { x1: at(bar.low), x2: at(bar.high), y1: middle, y2: middle, class: "axis" })
            : svg("line", { x1: middle, x2: middle, y1: at(bar.low), y2: at(bar.high), class: "axis" }));
        }
      }
      plot.append(narrow ? text(side - 5, middle + 4, row.label, "end") : text(middle, 12 + long + 16, row.label, "middle"));
    });
    if (line) {
      const rail = rule(line, "axis dash");
      rail.append(svg("title", {}, `${lineName} = ${short(line)}`));
      plot.append(rail, narrow ? text(at(line), 20 + across + 14, lineName) : text(side + across + 4, at(line) + 4, lineName, "start"));
    }
    return plot;
  }

  /* Lines over numbered places. series: [{name, kind, values, low, high, dash}]; null leaves a gap. */
  function lines(label, places, series, { zero = true, bottom = "", root = false } = {}) {
    const width = 330, height = 190, left = 44, foot = 34, right = 18, head = 10;
    const values = series.flatMap(one => [...one.values, ...(one.high || []), ...(one.low || [])]).filter(value => value !== null);
    const least = zero ? Math.min(0, ...values) : Math.min(...values), most = Math.max(...values);
    const steps = least < 0 ? [least, 0, most].map(v => Number(v.toPrecision(2))) : ticks(most);
    const top = Math.max(most, ...steps), low = Math.min(least, 0), bend = value => root ? Math.sqrt(Math.max(0, value)) : value;
    const y = value => head + (bend(top) - bend(value)) / ((bend(top) - bend(low)) || 1) * (height - head - foot);
    const x = index => left + (places.length < 2 ? 0.5 : index / (places.length - 1)) * (width - left - right);
    label = spoken(label, series.flatMap(one => one.values.map((value, index) => [`${one.name} at ${places[index]}`, value])));
    const plot = frame(label, width, height);
    for (const step of new Set(steps)) plot.append(svg("line", { x1: left, x2: width - right, y1: y(step), y2: y(step), class: "grid" }), text(left - 5, y(step) + 4, short(step), "end", "soft"));
    const every = places.length > 12 ? Math.ceil(places.length / 5) : 1;
    places.forEach((place, index) => { if (index % every === 0) plot.append(text(x(index), height - foot + 15, place, "middle", "soft")); });
    plot.append(text((left + width - right) / 2, height - 4, bottom, "middle", "soft"));
    for (const one of series) {
      if (one.low) {
        const there = one.low.map((value, index) => [value, one.high[index], index]).filter(part => part[0] !== null);
        const edge = [...there.map(part => `${x(part[2])},${y(part[1])}`), ...there.reverse().map(part => `${x(part[2])},${y(part[0])}`)];
        plot.append(svg("polygon", { points: edge.join(" "), class: `band k${one.kind}` }));
      }
      let path = "", pen = "M";
      one.values.forEach((value, index) => {
        if (value === null) { pen = "M"; return; }
        path += `${pen}${x(index).toFixed(1)},${y(value).toFixed(1)}`;
        pen = "L";
      });
      plot.append(svg("path", { d: path, class: `line k${one.kind} ${one.dash ? "dash" : ""}` }, svg("title", {}, one.name)));
      const apart = places.length < 20 ? 1 : 4;
      one.values.forEach((value, index) => { if (value !== null && index % apart === 0) plot.append(mark(one.kind, x(index), y(value), 3, svg("title", {}, `${one.name}, ${places[index]}: ${short(value)}`))); });
    }
    return plot;
  }

  /* Words in the plane. points: [{x, y, word, kind}] */
  function plane(label, points) {
    const width = 460, height = 400, edge = 24;
    const span = key => { const all = points.map(p => p[key]); return [Math.min(...all), Math.max(...all)]; };
    const [x0, x1] = span("x"), [y0, y1] = span("y"), scale = Math.min((width - 2 * edge) / ((x1 - x0) || 1), (height - 2 * edge) / ((y1 - y0) || 1));
    const plot = frame(label, width, height);
    for (const p of points) {
      const node = text(width / 2 + (p.x - (x0 + x1) / 2) * scale, height / 2 - (p.y - (y0 + y1) / 2) * scale + 4, p.word, "middle", `fill k${p.kind}`);
      node.append(svg("title", {}, p.title));
      plot.append(node);
    }
    return plot;
  }

  return { svg, bars, lines, plane, short, key, widest };
})();
