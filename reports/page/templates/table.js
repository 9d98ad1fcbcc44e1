/* The table of all cells: sorted, filtered, paged and downloaded without a request. */
(() => {
  const PAGE = 50;
  const { data, all, get, columns, text, joined, shown, label, percent, norm, short, distinct, parsed, make } = run;
  const shows = {
    percent: (t) => (t === "" ? "" : percent(Number(t))),
    accuracy: (t) => (t === "" ? "" : percent(Number(t))),
    interval: (t) => (t === "" ? "" : t.split(" ").map((part) => (100 * Number(part)).toFixed(1)).join(" to ")),
    short,
    norm,
    number: (t) => (t === "" ? "" : String(Number(t))),
    parts: (t) => counted(t),
    exact: (t) => t,
    defence: (t) => t,
    text: (t) => t,
  };
  // which part of an attack broke how many images: {"apgd-ce": 12, "square": 0}
  function counted(t) {
    const parts = Object.entries(parsed(t)).filter(([, images]) => images > 0);
    return parts.map(([part, images]) => `${part}: ${images}`).join(", ");
  }
  const numeric = new Set(["percent", "accuracy", "interval", "short", "number", "exact"]);
  const raw = data.columns.map((c) => ({ key: c.name, label: c.name, show: isNumeric(c) ? "exact" : "text", raw: true }));
  // what is the same in every row tells nothing
  const varies = (key) => all.some((row) => joined(key, row) !== joined(key, 0));
  const main = data.main.filter((c) => numeric.has(c.show) || c.show === "parts" || all.length < 2 || varies(c.key));
  const state = { query: "", chosen: new Map(), sort: null, page: 0, columns: main };
  // the worst first; equal ones by clean accuracy
  const worst = () => ({ key: "accuracy", down: false });
  state.sort = worst();
  const searched = all.map((row) =>
    data.main.map((c) => `${joined(c.key, row)} ${shown(c.key, row)}`).join(" ").concat(" ", text("reason", row), " ", text("cell", row)).toLowerCase());
  let visible = all;

  function isNumeric(column) {
    return column.values.some((t) => t !== "") && column.values.every((t) => t === "" || !Number.isNaN(Number(t)));
  }
  // an empty value is last whichever way a column is sorted
  function compare(a, b, number) {
    if (a === b) return 0;
    if (a === "" || b === "") return null;
    return number ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
  }
  function order(rows) {
    if (!state.sort) return rows;
    const { key, down } = state.sort;
    const column = state.columns.find((c) => c.key === key);
    const names = key === "accuracy" ? [key, "clean_accuracy"] : column.show === "interval" ? [key.split("|")[0]] : key.split("|");
    const keys = names.map((name) => ({ name, number: isNumeric(columns.get(name)) }));
    return rows.slice().sort((r, s) => {
      for (const { name, number } of keys) {
        const a = text(name, r), b = text(name, s);
        const order = compare(a, b, number);
        if (order === null) return a === "" ? 1 : -1;
        if (order !== 0) return down ? -order : order;
      }
      return r - s;
    });
  }
  function refresh() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    const filters = [...state.chosen].filter(([, value]) => value !== "");
    visible = order(all.filter((row) =>
      filters.every(([key, value]) => joined(key, row) === value) && words.every((w) => searched[row].includes(w))));
    state.page = 0;
    draw();
  }
  function head() {
    const line = make("tr");
    for (const column of state.columns) {
      const cell = make("th", undefined, { scope: "col", class: "sorts" + (numeric.has(column.show) ? " n" : "") });
      const button = make("button", column.label, { type: "button" });
      const about = data.about[column.key];
      if (about) button.title = about;
      if (state.sort && state.sort.key === column.key) cell.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        const same = state.sort && state.sort.key === column.key;
        state.sort = !same ? { key: column.key, down: false } : state.sort.down ? null : { key: column.key, down: true };
        refresh();
        get("cell-table").tHead.querySelectorAll("button")[state.columns.indexOf(column)].focus();
      });
      cell.append(button);
      line.append(cell);
    }
    get("cell-table").tHead.replaceChildren(line);
  }
  function draw() {
    head();
    const first = state.page * PAGE;
    const rows = visible.slice(first, first + PAGE);
    const body = document.createDocumentFragment();
    for (const row of rows) {
      const line = make("tr");
      for (const column of state.columns) {
        const value = joined(column.key, row), name = column.raw ? value : label(column.key, value);
        const cell = make("td", name === value ? shows[column.show](value) : name);
        if (numeric.has(column.show)) cell.className = "n";
        else if (name.length > 24) { cell.className = "long"; cell.title = value; }
        if (column.show === "accuracy" && value !== "") {
          cell.classList.add("accuracy");
          cell.style.setProperty("--share", value);
        }
        if (column.key === "status" && value !== "ok") cell.title = text("reason", row);
        line.append(cell);
      }
      body.append(line);
    }
    if (!rows.length) {
      const line = make("tr");
      line.append(make("td", "No cell fits these filters.", { class: "empty", colspan: state.columns.length }));
      body.append(line);
    }
    get("cell-table").tBodies[0].replaceChildren(body);
    const number = (n) => n.toLocaleString("en");
    get("cell-status").textContent = `${number(visible.length)} of ${number(all.length)} cells`;
    get("cell-range").textContent = rows.length ? `Rows ${number(first + 1)} to ${number(first + rows.length)} of ${number(visible.length)}` : "";
    const last = Math.max(0, Math.ceil(visible.length / PAGE) - 1);
    for (const id of ["cell-first", "cell-previous"]) get(id).disabled = state.page === 0;
    for (const id of ["cell-next", "cell-last"]) get(id).disabled = state.page === last;
    get("cell-pages").hidden = last === 0;
    get("cell-download").disabled = !visible.length;
  }
  function turn(page) {
    const last = Math.max(0, Math.ceil(visible.length / PAGE) - 1);
    state.page = Math.min(last, Math.max(0, page));
    draw();
    get("cell-table").closest(".wide").scrollTop = 0;
  }
  function controls() {
    const form = get("cell-filters");
    const add = (name, input) => {
      const box = make("label", name);
      box.append(input);
      form.append(box);
    };
    const search = make("input", undefined, { type: "search", id: "cell-query", autocomplete: "off", spellcheck: "false" });
    search.addEventListener("input", () => { state.query = search.value; refresh(); });
    add("Search", search);
    for (const { key, label: name } of data.filters) {
      const values = distinct(all.map((row) => joined(key, row)));
      if (values.length < 2) continue;
      const select = make("select", undefined, { "data-key": key });
      select.append(make("option", "all", { value: "" }));
      for (const value of values) select.append(make("option", label(key, value), { value }));
      select.addEventListener("change", () => { state.chosen.set(key, select.value); refresh(); });
      add(name, select);
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    get("cell-reset").addEventListener("click", () => {
      form.reset();
      state.query = "";
      state.chosen.clear();
      state.sort = worst();
      refresh();
    });
    get("cell-all").addEventListener("change", (event) => {
      state.columns = event.target.checked ? raw : main;
      state.sort = worst();
      refresh();
    });
    get("cell-download").addEventListener("click", download);
    get("cell-first").addEventListener("click", () => turn(0));
    get("cell-previous").addEventListener("click", () => turn(state.page - 1));
    get("cell-next").addEventListener("click", () => turn(state.page + 1));
    get("cell-last").addEventListener("click", () => turn(Infinity));
    get("cell-tools").hidden = false;
  }
  // the text of results.csv, every column, in its order, as far as the filters let rows through
  function csv() {
    const quote = (t) => (/[",\r\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t);
    const names = data.columns.map((c) => c.name);
    const rows = visible.slice().sort((a, b) => a - b);
    const lines = rows.map((row) => names.map((name) => quote(text(name, row))).join(","));
    return [names.map(quote).join(","), ...lines].join("\n") + "\n";
  }
  function download() {
    const link = make("a", undefined, { download: "cells.csv" });
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv;charset=utf-8" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // on paper everything is open
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const node of opened) node.open = true;
  });
  addEventListener("afterprint", () => { for (const node of opened) node.open = false; });

  controls();
  refresh();
})();
