// The schema as boxes and lines; tables that refer to each other stand near each other.

import { draw, make } from "./dom.js";

const WIDTH = 210, ROW = 20, HEAD = 28, GAP = 46, MOST_ROWS = 14, MOST_TABLES = 60;

export function diagram(schema, used = [], { find = "", near: onlyNear = false } = {}) {
  const lit = new Set(used.map(([table, column]) => `${table}\0${column}`));
  const isLit = (table, column = "") => lit.has(`${table}\0${column}`);
  const wanted = find.trim().toLowerCase();
  const fits = (table) => !wanted || [table.name, ...table.columns.map((c) => c.name)].some((n) => n.toLowerCase().includes(wanted));
  let tables = schema.tables.filter(fits);
  if (onlyNear) tables = near(schema, tables, isLit);
  tables = [...tables.filter((t) => isLit(t.name)), ...tables.filter((t) => !isLit(t.name))];
  const hidden = Math.max(0, tables.length - MOST_TABLES);
  tables = inOrder(tables.slice(0, MOST_TABLES), schema.foreign_keys);
  const places = placed(tables);
  const right = Math.max(0, ...[...places.values()].map((p) => p.x)) + WIDTH + 42;
  const bottom = Math.max(0, ...[...places.values()].map((p) => p.y + p.height)) + 20;
  const label = `${tables.length} tables: ${tables.map((t) => t.name).slice(0, 20).join(", ")}`;
  const svg = draw("svg", { width: right, height: bottom, viewBox: `0 0 ${right} ${bottom}`, role: "img", "aria-label": label });
  for (const key of schema.foreign_keys) {
    const from = places.get(key.table), to = places.get(key.to);
    if (!from || !to || from === to) continue;
    const on = isLit(key.table) && isLit(key.to);
    svg.append(draw("path", { class: `edge${on ? " lit" : ""}${key.declared ? "" : " guess"}`, d: path(from, to) }));
  }
  for (const table of tables) svg.append(box(table, places.get(table.name), isLit));
  return { svg, hidden };
}

// Of a big schema, the tables used and those they touch.
function near(schema, tables, isLit) {
  const close = new Set(tables.filter((t) => isLit(t.name)).map((t) => t.name));
  for (const key of schema.foreign_keys) {
    if (isLit(key.table)) close.add(key.to);
    if (isLit(key.to)) close.add(key.table);
  }
  return tables.filter((t) => close.has(t.name));
}

function inOrder(tables, keys) {
  const left = new Map(tables.map((t) => [t.name, t])), found = [];
  const degree = (name) => keys.filter((k) => k.table === name || k.to === name).length;
  for (const start of [...left.keys()].sort((a, b) => degree(b) - degree(a))) {
    const queue = [start];
    while (queue.length) {
      const name = queue.shift();
      if (!left.has(name)) continue;
      found.push(left.get(name));
      left.delete(name);
      for (const key of keys) {
        if (key.table === name) queue.push(key.to);
        if (key.to === name) queue.push(key.table);
      }
    }
  }
  return found;
}

function placed(tables) {
  const count = Math.max(1, Math.min(4, Math.ceil(Math.sqrt(tables.length))));
  const heights = Array(count).fill(20), places = new Map();
  for (const table of tables) {
    const column = heights.indexOf(Math.min(...heights));
    const height = HEAD + ROW * Math.min(table.columns.length, MOST_ROWS + 1) + 8;
    places.set(table.name, { x: 20 + column * (WIDTH + GAP), y: heights[column], height });
    heights[column] += height + 26;
  }
  return places;
}

function path(from, to) {
  const [ay, by] = [from.y + HEAD / 2, to.y + HEAD / 2];
  if (from.x === to.x) {
    const x = from.x + WIDTH;
    return `M${x},${ay} C${x + 34},${ay} ${x + 34},${by} ${x},${by}`;
  }
  const [ax, bx] = from.x < to.x ? [from.x + WIDTH, to.x] : [from.x, to.x + WIDTH];
  const middle = (ax + bx) / 2;
  return `M${ax},${ay} C${middle},${ay} ${middle},${by} ${bx},${by}`;
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function box(table, place, isLit) {
  const group = draw("g", { transform: `translate(${place.x} ${place.y})` });
  group.append(draw("rect", { class: `box${isLit(table.name) ? " lit" : ""}`, width: WIDTH, height: place.height, rx: 8 }));
  group.append(draw("text", { class: "head", x: 10, y: 19, text: cut(table.name, 26) }));
  const shown = table.columns.length > MOST_ROWS + 1 ? table.columns.slice(0, MOST_ROWS) : table.columns;
  shown.forEach((column, number) => {
    const y = HEAD + ROW * number, on = isLit(table.name, column.name);
    if (on) group.append(draw("rect", { class: "litrow", x: 2, y, width: WIDTH - 4, height: ROW }));
    group.append(draw("text", { class: `cell${on ? " on" : ""}`, x: 10, y: y + 14, text: cut(`${column.key ? "◆ " : ""}${column.name}`, 22) }));
    group.append(draw("text", { class: "type", x: WIDTH - 8, y: y + 14, "text-anchor": "end", text: cut(column.kind, 8) }));
  });
  if (shown.length < table.columns.length) {
    group.append(draw("text", { class: "type", x: 10, y: HEAD + ROW * shown.length + 14, text: `and ${table.columns.length - shown.length} more` }));
  }
  group.append(draw("title", { text: `${table.name}${table.comment ? `: ${table.comment}` : ""}` }));
  return group;
}

export function list(schema) {
  return schema.tables.map((table) => make("div", {},
    make("h3", { text: table.name }),
    table.comment ? make("p", { class: "soft", text: table.comment }) : null,
    make("ul", {}, ...table.columns.map((c) => make("li", { text: `${c.name} ${c.type}${c.key ? ", key" : ""}${c.comment ? `: ${c.comment}` : ""}` })))));
}

const readable = (name) => name.replace(/[_-]+/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
const plural = (words) => (/s$/.test(words) ? words : /[^aeiou]y$/.test(words) ? `${words.slice(0, -1)}ies` : /(x|ch|sh)$/.test(words) ? `${words}es` : `${words}s`);
const TELLING = /^(segment|status|type|kind|category|channel|country|city|state|genre|gender|sex|department|method|carrier|region|class|color|colour|language|currency)$/i;

// A few questions that a database of these names can be asked: about its best connected tables.
export function questionsFor(schema) {
  const links = (table) => schema.foreign_keys.filter((k) => k.table === table.name || k.to === table.name).length;
  const tables = schema.tables.filter((t) => t.columns.length > 1).sort((a, b) => links(b) - links(a));
  const found = [];
  for (const table of tables) {
    const column = table.columns.find((c) => TELLING.test(c.name));
    if (column) found.push(`How many ${plural(readable(table.name))} are there for each ${readable(column.name)}?`);
    if (found.length === 2) break;
  }
  if (tables.length) found.unshift(`How many ${plural(readable(tables[0].name))} are there?`);
  return found;
}
