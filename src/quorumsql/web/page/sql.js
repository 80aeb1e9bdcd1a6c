// SQL with colours, and an editor that shows them: a textarea over a highlighted copy of its text.

import { make } from "./dom.js";

const WORDS = new Set(("select from where group by having order limit offset join left right inner outer full cross on as and or not in is null like ilike between exists distinct case when then else end union intersect except all with recursive asc desc count sum avg min max cast over partition using values true false interval").split(" "));
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*')|(\b\d+(?:\.\d+)?\b)|("(?:[^"]|"")*"|`[^`]*`|[A-Za-z_]\w*)|([\s\S])/g;

export function coloured(sql) {
  const parts = [];
  for (const [text, comment, string, number, word] of sql.matchAll(TOKEN)) {
    const kind = comment ? "c" : string ? "s" : number ? "n" : word && WORDS.has(word.toLowerCase()) ? "k" : null;
    parts.push(kind ? make("span", { class: kind, text }) : text);
  }
  return parts;
}

export const shown = (sql) => make("pre", { class: "sql" }, ...coloured(sql));

export function editor(sql, run) {
  const copy = make("pre", { "aria-hidden": "true" });
  const area = make("textarea", { spellcheck: "false", autocapitalize: "off", "aria-label": "SQL, can be edited" });
  const refresh = () => copy.replaceChildren(...coloured(area.value), "\n");
  area.value = sql;
  area.addEventListener("input", refresh);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run(area.value);
    }
  });
  refresh();
  return { element: make("div", { class: "editor" }, copy, area), text: () => area.value };
}
