/* Charts as inline SVG: their colours are variables of the style sheet, so they follow dark mode. */
const chart = (() => {
  const { draw, make, percent } = run;
  const MOST = 6; // lines in one panel: more are small multiples
  const TOP = 10, LEFT = 46, BOTTOM = 40, HEIGHT = 320;
  const middle = (text, most) => {
    if (text.length <= most) return text;
    const half = Math.max(1, Math.floor((most - 1) / 2));
    return `${text.slice(0, half)}…${text.slice(text.length - half)}`;
  };
  const tone = (line, place) => (line.bare ? "bare" : `c${place % MOST}`);

  function scale(axis, low, high) {
    const [from, to] = axis.log ? axis.range.map(Math.log10) : axis.range;
    const width = to - from || 1;
    return (x) => low + (((axis.log ? Math.log10(x) : x) - from) / width) * (high - low);
  }
  function path(points, x, y, steps) {
    return points.map((p, i) => {
      const at = `${x(p.x).toFixed(1)},${y(p.y).toFixed(1)}`;
      return !i ? `M${at}` : steps ? `H${x(p.x).toFixed(1)}V${y(p.y).toFixed(1)}` : `L${at}`;
    }).join("");
  }
  function band(points, x, y) {
    const known = points.filter((p) => p.low !== null);
    if (known.length < 2) return "";
    const up = known.map((p) => `${x(p.x).toFixed(1)},${y(p.high).toFixed(1)}`);
    const down = known.reverse().map((p) => `${x(p.x).toFixed(1)},${y(p.low).toFixed(1)}`);
    return `M${[...up, ...down].join("L")}Z`;
  }
  const about = (line, p, axis) =>
    `${line.name}${axis.none ? "" : `, ${axis.name} ${axis.show(p.x)}`}: ${percent(p.y)}` +
    (p.low === null ? "" : ` (${(100 * p.low).toFixed(1)} to ${(100 * p.high).toFixed(1)})`);

  function frame(svg, axis, x, y, width, small) {
    for (const share of small ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]) {
      svg.append(draw("line", { class: "rule", x1: x(axis.range[0]), x2: x(axis.range[1]), y1: y(share), y2: y(share) }));
      svg.append(draw("text", { class: "tick", x: x(axis.range[0]) - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}`));
    }
    for (const value of small ? [axis.ticks[0], axis.ticks[axis.ticks.length - 1]] : axis.ticks) {
      svg.append(draw("text", { class: "tick", x: x(value), y: y(0) + 18, "text-anchor": "middle" }, axis.tick(value)));
    }
    if (small) return;
    svg.append(draw("text", { class: "axis", x: (x(axis.range[0]) + x(axis.range[1])) / 2, y: y(0) + 36, "text-anchor": "middle" }, axis.label));
  }
  function mark(svg, line, axis, x, y, colour) {
    svg.append(draw("path", { class: `band ${colour}`, d: band(line.points, x, y) }));
    svg.append(draw("path", { class: `line ${colour}${line.dashed ? " dashed" : ""}`, d: path(line.points, x, y, axis.steps) }));
    if (axis.steps) return;
    for (const p of line.points) {
      const dot = draw("circle", { class: `dot ${colour}${p.low === null ? " hollow" : ""}`, cx: x(p.x), cy: y(p.y), r: 3.5 });
      dot.append(draw("title", {}, about(line, p, axis)));
      svg.append(dot);
    }
  }
  const picture = (width, height, text) => draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": text });

  // names stand at the ends of their lines, moved apart where they would overlap
  function names(svg, lines, x, y, letters) {
    const ends = lines.map((line, place) => {
      const last = line.points[line.points.length - 1];
      return { line, place, at: y(last.y), x: x(last.x) };
    }).sort((a, b) => a.at - b.at);
    ends.forEach((end, i) => { end.to = Math.max(end.at, i ? ends[i - 1].to + 15 : TOP + 4); });
    const over = ends[ends.length - 1].to - y(0);
    if (over > 0) {
      let most = y(0);
      for (const end of [...ends].reverse()) { end.to = Math.min(end.to, most); most = end.to - 15; }
    }
    const right = Math.max(...ends.map((end) => end.x));
    for (const end of ends) {
      const colour = tone(end.line, end.place);
      svg.append(draw("path", { class: `lead ${colour}`, d: `M${end.x + 5},${end.at}L${right + 12},${end.to}` }));
      const text = draw("text", { class: `name ${colour}`, x: right + 15, y: end.to + 4 }, middle(end.line.name, letters));
      text.append(draw("title", {}, end.line.name));
      svg.append(text);
    }
  }
  function together(lines, axis, width, title) {
    const longest = Math.max(...lines.map((line) => line.name.length));
    const letters = Math.min(longest, Math.floor((width * (width < 600 ? 0.34 : 0.3)) / 7));
    const svg = picture(width, HEIGHT, title);
    const x = scale(axis, LEFT, width - letters * 7.2 - 24), y = (share) => HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
    frame(svg, axis, x, y, width, false);
    lines.forEach((line, place) => mark(svg, line, axis, x, y, tone(line, place)));
    names(svg, lines, x, y, letters);
    const cut = lines.filter((line) => line.name.length > letters);
    return cut.length ? [svg, key(lines)] : [svg];
  }
  function key(lines) {
    const list = make("ul", undefined, { class: "key" });
    lines.forEach((line, place) => list.append(make("li", line.name, { class: tone(line, place) })));
    return list;
  }
  // one panel per line; the others are grey behind it
  function multiples(lines, axis, width, title) {
    const columns = Math.max(2, Math.min(lines.length, Math.floor(width / 190)));
    const wide = Math.floor((width - 12 * (columns - 1)) / columns), high = 118;
    const x = scale(axis, 32, wide - 14), y = (share) => high - 24 - share * (high - 24 - 26);
    const box = make("div", undefined, { class: "panels", role: "group", "aria-label": title });
    for (const line of lines) {
      const svg = picture(wide, high, `${title} ${line.name}`);
      frame(svg, axis, x, y, wide, true);
      for (const other of lines) if (other !== line) svg.append(draw("path", { class: "line other", d: path(other.points, x, y, axis.steps) }));
      mark(svg, line, axis, x, y, line.bare ? "bare" : "c0");
      const text = draw("text", { class: `name ${line.bare ? "bare" : "c0"}`, x: 4, y: 14 }, middle(line.name, Math.floor((wide - 8) / 7)));
      text.append(draw("title", {}, line.name));
      svg.append(text);
      box.append(svg);
    }
    return [box, make("p", `Each panel shows accuracy in % against ${axis.label}; the other lines are grey.`, { class: "note" })];
  }
  // without an axis to vary: a dot with its interval for each name, and a ring for clean accuracy
  function dots(lines, axis, width, title) {
    const letters = Math.min(Math.max(...lines.map((line) => line.name.length)), Math.floor((width * 0.4) / 7));
    const left = letters * 7.2 + 12, step = 26, high = TOP + lines.length * step + 40;
    const svg = picture(width, high, title);
    const x = (share) => left + share * (width - left - 66);
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      svg.append(draw("line", { class: "rule", x1: x(share), x2: x(share), y1: TOP, y2: high - 36 }));
      svg.append(draw("text", { class: "tick", x: x(share), y: high - 20, "text-anchor": "middle" }, `${100 * share}`));
    }
    svg.append(draw("text", { class: "axis", x: (x(0) + x(1)) / 2, y: high - 4, "text-anchor": "middle" }, "accuracy in %"));
    lines.forEach((line, place) => {
      const p = line.points[0], y = TOP + place * step + step / 2, colour = line.bare ? "bare" : "c0";
      const text = draw("text", { class: "name", x: left - 10, y: y + 4, "text-anchor": "end" }, middle(line.name, letters));
      text.append(draw("title", {}, line.name));
      svg.append(text, draw("line", { class: `whisker ${colour}`, x1: x(p.low), x2: x(p.high), y1: y, y2: y }));
      if (p.clean !== null) svg.append(draw("circle", { class: "dot hollow", cx: x(p.clean), cy: y, r: 4 }));
      svg.append(draw("circle", { class: `dot ${colour}`, cx: x(p.y), cy: y, r: 4.5 }));
      svg.append(draw("text", { class: "tick", x: width - 4, y: y + 4, "text-anchor": "end" }, percent(p.y)));
    });
    return [svg];
  }
  // the numbers of a chart, for those who do not see it
  function table(lines, axis, caption) {
    const xs = axis.none ? [null] : run.distinct(lines.flatMap((line) => line.points.map((p) => p.x))).sort((a, b) => a - b);
    const node = make("table"), head = make("tr"), body = make("tbody");
    node.append(make("caption", caption, { class: "hidden" }));
    head.append(make("th", axis.lines, { scope: "col" }));
    for (const x of xs) head.append(make("th", x === null ? "accuracy, 95 % interval" : `${axis.name} ${axis.show(x)}`, { scope: "col", class: "n" }));
    for (const line of lines) {
      const row = make("tr");
      row.append(make("th", line.name, { scope: "row" }));
      for (const x of xs) {
        const p = line.points.find((point) => x === null || point.x === x);
        const limits = p && x === null && p.low !== null ? ` (${(100 * p.low).toFixed(1)} to ${(100 * p.high).toFixed(1)})` : "";
        row.append(make("td", p ? percent(p.y) + limits : "", { class: "n" }));
      }
      body.append(row);
    }
    const top = make("thead");
    top.append(head);
    node.append(top, body);
    return node;
  }
  // a figure in which nothing varies says it in words
  function sentence(lines, axis) {
    const points = lines.flatMap((line) => line.points), values = run.distinct(points.map((p) => percent(p.y)));
    if (points.length > 1 && values.length === 1) return `Every accuracy of this selection is ${values[0]}.`;
    if (points.length === 1) return `${about(lines[0], points[0], axis)}.`;
    return "";
  }
  function nodes(lines, axis, width, title) {
    if (!lines.length) return [make("p", "No cell of this selection has a number.", { class: "said" })];
    const said = sentence(lines, axis);
    if (said) return [make("p", said, { class: "said" })];
    if (axis.none) return dots(lines, axis, width, title);
    return lines.length > MOST ? multiples(lines, axis, width, title) : together(lines, axis, width, title);
  }
  return { nodes, table };
})();
