"use strict";
/* The rows of the run: text by column and row, labels, and what plot and table share. */
const run = (() => {
  const get = (id) => document.getElementById(id);
  const data = JSON.parse(get("cell-data").textContent);
  const columns = new Map(data.columns.map((c) => [c.name, c]));
  const all = Array.from({ length: data.rows }, (_, row) => row);
  // columns that older tables lack are empty
  const text = (name, row) => {
    const column = columns.get(name);
    if (!column) return "";
    return column.codes ? column.values[column.codes[row]] : column.values[row];
  };
  // a column made of two: "defence|quality"
  const joined = (key, row) => key.split("|").map((name) => text(name, row)).filter((t) => t !== "").join(" ");
  const labels = new Map(Object.entries(data.labels).map(([key, names]) => [key, new Map(Object.entries(names))]));
  const label = (key, value) => (labels.has(key) && labels.get(key).get(value)) || value;
  const shown = (key, row) => label(key, joined(key, row));
  const percent = (value) => (100 * value).toFixed(1) + "\u00a0%";
  const norm = (t) => (t === "inf" ? "L∞" : t === "" || t === "none" ? t : "L" + t);
  const short = (t) => (t === "" ? "" : String(Number(Number(t).toPrecision(3))));
  // 8/255 is easier to read than 0.0314
  const eps = (t) => {
    const levels = Number(t) * 255, whole = Math.round(levels);
    return whole > 0 && whole <= 32 && Math.abs(levels - whole) < 2e-3 ? `${short(t)} (${whole}/255)` : short(t);
  };
  const distinct = (values) => [...new Set(values)];
  const parsed = (t) => {
    try {
      const found = JSON.parse(t || "{}");
      return found && typeof found === "object" ? found : {};
    } catch {
      return {};
    }
  };
  function fill(node, content, attributes) {
    if (content !== undefined) node.textContent = content;
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    return node;
  }
  const make = (tag, content, attributes) => fill(document.createElement(tag), content, attributes);
  const draw = (tag, attributes, content) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), content, attributes);
  return { data, columns, all, get, text, joined, label, shown, percent, norm, short, eps, distinct, parsed, make, draw };
})();
