// Elements out of text. Nothing here, or anywhere on this page, reads text as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function make(tag, options = {}, ...children) {
  return fill(document.createElement(tag), options, children);
}

export function draw(tag, options = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), options, children);
}

function fill(element, options, children) {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function say(text, bad = false) {
  const status = byId("status");
  status.textContent = text;
  status.className = bad ? "error" : "soft";
}

export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

export function bar(share, label) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return draw("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label },
    draw("rect", { class: "track", width: 100, height: 10 }),
    draw("rect", { class: "fill", width, height: 10 }));
}

export function table(columns, rows, caption) {
  const numbers = columns.map((_, place) => rows.some((row) => typeof row[place] === "number"));
  const cells = (row) => row.map((value, place) => {
    if (value === null) return make("td", { class: numbers[place] ? "null number" : "null", text: "NULL" });
    const text = typeof value === "object" ? JSON.stringify(value) : number(value);
    return make("td", { class: numbers[place] && typeof value === "number" ? "number" : undefined, text });
  });
  return make("div", { class: "table", tabindex: 0, role: "region", "aria-label": caption },
    make("table", {},
      make("thead", {}, make("tr", {}, ...columns.map((name, place) => make("th", { scope: "col", class: numbers[place] ? "number" : undefined, text: name || "(no name)" })))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))))));
}

// Binary fractions as people write them: 0.1 + 0.2 is 0.3. Downloads have every digit.
const number = (value) => String(typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(12)) : value);
