/* The plot: what to show and which rows, chosen by selectors. */
(() => {
  const { data, all, get, text, joined, label, short, eps, norm, percent, distinct, parsed, make } = run;
  const section = get("plot");
  if (!section) return;
  const DEFENCE = "defence|quality";
  const NAMES = { dataset: "Data set", network: "Network", norm: "Norm", attack: "Attack", threat: "Threat", [DEFENCE]: "Defence", defence: "Defence", eps: "eps", seed: "Seed" };
  const ok = all.filter((row) => text("status", row) === "ok" && text("accuracy", row) !== "");
  const severity = new Map(ok.map((row) => [row, Number(parsed(text("attack_params", row)).severity ?? NaN)]));
  const kind = (attack) => attack.replace(/\bseverity=\d+,?/, "").replace(/,?\]$/, "]").replace("[]", "");
  const kinds = new Map(ok.map((row) => [kind(text("attack", row)), kind(label("attack", text("attack", row)))]));
  const number = (name) => (row) => (text(name, row) === "" ? NaN : Number(text(name, row)));
  const passes = (row) => Object.entries(parsed(text("curve", row))).map(([x, right]) => ({ x: Number(x), y: Number(right) / Number(text("n", row)) }));
  const dims = (...more) => ["dataset", "network", "norm", "attack", "threat", ...more, "seed"];
  const VIEWS = [
    { id: "eps", title: "Accuracy against eps", name: "eps", label: "eps", x: number("eps"), dims: dims(DEFENCE), show: eps, tick: short },
    { id: "quality", title: "Accuracy against JPEG quality", name: "quality", label: "JPEG quality", x: number("quality"), dims: dims("defence", "eps"), show: short, tick: short },
    { id: "severity", title: "Accuracy against severity", name: "severity", label: "severity of the corruption", x: (row) => severity.get(row), dims: ["dataset", "network", "attack", DEFENCE, "seed"], show: short, tick: short },
    { id: "passes", title: "Accuracy against passes", name: "passes", label: "passes per image, forward and backward", curve: passes, dims: dims(DEFENCE, "eps"), log: true, steps: true, show: short, tick: short },
    { id: "each", title: "Accuracy at one eps", name: "accuracy", label: "", dims: dims(DEFENCE, "eps"), none: true, show: () => "", tick: short },
  ];
  const value = (view, key, row) => (view.id === "severity" && key === "attack" ? kind(text("attack", row)) : joined(key, row));
  function named(view, key, t) {
    if (key === "norm") return norm(t);
    if (key === "eps") return t === "" ? "no bound" : eps(t);
    if (key === "defence") return label(DEFENCE, t) === t && t === "none" ? "no defence" : label(DEFENCE, t);
    if (key === "attack" && view.id === "severity") return kinds.get(t);
    return label(key, t);
  }
  const usable = (view) => (view.none ? ok : ok.filter((row) => (view.curve ? view.curve(row).length > 1 : !Number.isNaN(view.x(row)))));
  const varies = (view, rows) => view.none || (view.curve ? rows.length > 0 : distinct(rows.map(view.x)).length > 1);
  const views = VIEWS.map((view) => ({ ...view, rows: usable(view) })).filter((view) => view.rows.length && varies(view, view.rows));
  if (!views.length) { section.remove(); return; }
  const many = (view, key) => distinct(view.rows.map((row) => value(view, key, row))).length > 1;
  const compared = (view) => view.dims.filter((key) => key !== "norm" && many(view, key));
  const usual = (view) => [DEFENCE, "threat", "attack", "network"].find((key) => compared(view).includes(key)) || compared(view)[0] || "network";
  const state = { view: views[0], lines: "", wanted: { ...data.start }, chosen: {} };
  const controls = new Map();

  function control(id, name, change) {
    const select = make("select", undefined, { id: `plot-${id}` }), box = make("label", name);
    box.append(select);
    select.addEventListener("change", () => { change(select.value); show(); });
    get("plot-controls").append(box);
    controls.set(id, { box, select });
  }
  function offer(id, pairs, current, hidden) {
    const { box, select } = controls.get(id);
    box.hidden = hidden;
    select.replaceChildren(...pairs.map(([v, name]) => make("option", name, { value: v })));
    select.value = current;
    select.disabled = pairs.length < 2;
  }
  // each selector offers what the ones before it leave
  function narrow() {
    const { view } = state;
    if (!view.dims.includes(state.lines) || (!many(view, state.lines) && compared(view).length)) state.lines = usual(view);
    offer("view", views.map((v) => [v.id, v.title]), view.id, views.length < 2);
    offer("lines", compared(view).map((key) => [key, NAMES[key].toLowerCase()]), state.lines, compared(view).length < 2);
    let rows = view.rows;
    state.chosen = {};
    for (const key of Object.keys(NAMES)) {
      if (!view.dims.includes(key) || key === state.lines) { offer(key, [], "", true); continue; }
      const values = distinct(rows.map((row) => value(view, key, row)));
      if (key === "eps") values.sort((a, b) => Number(a) - Number(b));
      const same = (v) => (key === "eps" && v !== "" ? Number(v) === Number(state.wanted[key] ?? NaN) : v === (state.wanted[key] ?? ""));
      const now = values.find(same) ?? values[0];
      state.chosen[key] = now;
      offer(key, values.map((v) => [v, named(view, key, v)]), now, !many(view, key));
      rows = rows.filter((row) => value(view, key, row) === now);
    }
    return rows;
  }
  const share = (name, row) => (text(name, row) === "" ? null : Number(text(name, row)));
  function points(view, rows) {
    // of several samples the largest counts: subsets are nested
    const size = (row) => Number(text("n", row));
    if (view.curve) return view.curve(rows.slice().sort((a, b) => size(b) - size(a))[0]).filter((p) => p.x > 0).sort((a, b) => a.x - b.x).map((p) => ({ ...p, low: null, high: null }));
    const best = new Map();
    for (const row of rows) {
      const x = view.none ? 0 : view.x(row);
      if (!best.has(x) || size(best.get(x)) < size(row)) best.set(x, row);
    }
    const found = [...best].sort(([a], [b]) => a - b).map(([x, row]) => ({
      x, y: share("accuracy", row), low: share("accuracy_low", row), high: share("accuracy_high", row), clean: share("clean_accuracy", row),
    }));
    // at eps 0 the accuracy is the clean one
    const first = found[0];
    if (view.id === "eps" && first.x > 0 && first.clean !== null) found.unshift({ x: 0, y: first.clean, low: null, high: null });
    return found;
  }
  function linesOf(view, rows) {
    const values = distinct(rows.map((row) => value(view, state.lines, row)));
    if (state.lines === "eps") values.sort((a, b) => Number(a) - Number(b));
    const lines = values.map((v) => {
      const own = rows.filter((row) => value(view, state.lines, row) === v);
      return { name: named(view, state.lines, v), bare: v === "none" && state.lines === DEFENCE, points: points(view, own), rows: own };
    });
    if (view.id === "eps") return [...lines, ...lines.flatMap(proved)];
    return view.id === "quality" && lines.length ? [...lines, ...references(lines)] : lines;
  }
  // what is attacked without a defence is the same for every threat
  function undefended(view) {
    const keys = Object.entries(state.chosen).filter(([key]) => !["threat", "defence", DEFENCE].includes(key));
    const rows = ok.filter((row) => text("defence", row) === "none" && keys.every(([key, v]) => value(view, key, row) === v));
    const same = rows.filter((row) => text("threat", row) === state.chosen.threat);
    return same.length ? same : rows.filter((row) => text("threat", row) === "oblivious");
  }
  // beside accuracy behind JPEG: accuracy without an attack, and without a defence
  function references(lines) {
    const points = lines[0].points, ends = [points[0], points[points.length - 1]];
    const bare = ["threat", "defence"].includes(state.lines) ? undefended(state.view)[0] : undefined;
    const found = [{ name: "no attack", points: points.map((p) => ({ x: p.x, y: p.clean, low: null, high: null })), rows: [], dashed: true }];
    if (bare !== undefined) found.push({ name: "no defence", bare: true, points: ends.map((p) => ({ x: p.x, y: share("accuracy", bare), low: null, high: null })), rows: [], dashed: true });
    return found;
  }
  function proved(line) {
    const found = new Map(line.rows.filter((row) => text("proved", row) !== "").map((row) => [Number(text("eps", row)), row]));
    const ends = [...found].sort(([a], [b]) => a - b).map(([x, row]) => ({ x, y: Number(text("proved", row)) / Number(text("n", row)), low: share("proved_low", row), high: share("proved_high", row) }));
    return ends.length ? [{ name: `${line.name}, proved`, points: ends, rows: [], dashed: true }] : [];
  }
  // at most six round numbers of a range
  function round([low, high]) {
    const least = (high - low) / 5, power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((s) => s >= least * 0.999);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
  }
  function axisOf(view, lines) {
    const axis = { name: view.name, label: view.label, show: view.show, tick: view.tick, log: view.log, steps: view.steps, none: view.none, lines: NAMES[state.lines] };
    if (view.none || !lines.length) return axis;
    if (view.id === "eps" && state.chosen.norm) axis.label = `eps (${norm(state.chosen.norm)})`;
    const xs = distinct(lines.flatMap((line) => line.points.map((p) => p.x))).sort((a, b) => a - b);
    axis.range = [xs[0], xs[xs.length - 1]];
    if (axis.log) axis.ticks = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => 10 ** n).filter((t) => t >= xs[0] && t <= axis.range[1]);
    else axis.ticks = xs.length <= 6 ? xs : round(axis.range);
    if (!axis.ticks || !axis.ticks.length) axis.ticks = axis.range;
    return axis;
  }
  function words(view, lines) {
    const parts = Object.entries(state.chosen).filter(([key]) => key !== "norm" && key !== "seed" && key !== state.lines).map(([key, v]) => {
      const t = named(view, key, v);
      return key === "threat" ? `${t} attacker` : key === "eps" ? (v === "" ? t : `eps ${t}`) : key === "defence" && v !== "none" ? "" : t;
    });
    if (lines.length === 1) parts.splice(1, 0, state.lines === "threat" ? `${lines[0].name} attacker` : lines[0].name);
    const each = lines.length > 1 ? ` One ${view.none ? "dot" : "line"} per ${NAMES[state.lines].toLowerCase()}.` : "";
    return `${view.title}: ${parts.filter(Boolean).join(", ")}.${each}`;
  }
  function notes(view, lines, drawn) {
    const sizes = distinct(lines.flatMap((line) => line.rows.map((row) => Number(text("n", row))))).sort((a, b) => a - b);
    const images = sizes.length ? `${sizes.length > 1 ? `${sizes[0].toLocaleString("en")} to ` : ""}${sizes[sizes.length - 1].toLocaleString("en")} images per cell.` : "";
    if (!drawn) return images;
    const told = [view.none ? "Bars are 95 % intervals, rings the accuracy without an attack." : view.curve ? "" : "Bands are 95 % intervals."];
    if (lines.some((line) => line.points.some((p) => p.low === null && p.x === 0)) && !view.none && !view.curve) told.push("Rings are accuracies without an attack.");
    if (lines.some((line) => line.dashed) && view.id === "eps") told.push("Dashed lines are the share that is proved.");
    return [...told, images].filter(Boolean).join(" ");
  }
  let width = 0;
  function show() {
    const view = state.view;
    let rows = narrow();
    if (state.lines === DEFENCE && view.dims.includes("threat") && !rows.some((row) => text("defence", row) === "none")) {
      const more = undefended(view);
      rows = [...(view.none ? more : more.filter((row) => view.rows.includes(row))), ...rows];
    }
    const lines = linesOf(view, rows), axis = axisOf(view, lines);
    const title = words(view, lines), box = get("plot-box");
    width = box.clientWidth;
    box.replaceChildren(...chart.nodes(lines, axis, Math.max(280, width), title));
    get("plot-title").textContent = title;
    get("plot-note").textContent = notes(view, lines, box.querySelector("svg") !== null);
    get("plot-numbers").replaceChildren(chart.table(lines, axis, `The numbers of the plot. ${title}`));
  }
  control("view", "Show", (id) => { state.view = views.find((view) => view.id === id); });
  control("lines", "One line per", (key) => { state.lines = key; });
  for (const key of Object.keys(NAMES)) control(key, NAMES[key], (v) => { state.wanted[key] = v; });
  get("plot-controls").addEventListener("submit", (event) => event.preventDefault());
  section.hidden = false;
  show();
  new ResizeObserver(() => { if (get("plot-box").clientWidth !== width) show(); }).observe(get("plot-box"));
})();
