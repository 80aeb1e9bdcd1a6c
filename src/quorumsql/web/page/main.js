// The page: what is shown where, and what keys and addresses do.

import { drawChart, place, show } from "./answer.js";
import { diagram, list, questionsFor } from "./diagram.js";
import { byId, make, say } from "./dom.js";
import { follow, getJson, Problem, query, send } from "./net.js";

const state = { database: null, schema: null, schemas: new Map(), stop: null, used: [], question: "", run: null };
const context = {
  get schema() { return state.schema; },
  runSql,
  goOn: (text, story) => askWith({ question: text, database: story.database, follows: story.run }),
  changed: () => {},
};

async function start() {
  setTheme(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  listen();
  try {
    const { databases } = await getJson("/v1/databases");
    byId("database").replaceChildren(...databases.map((name) => make("option", { value: name, text: name })));
    if (!databases.length) return say("This token opens no database.", true);
    const kept = sessionStorage.getItem("database");
    await choose(databases.includes(kept) ? kept : databases[0]);
  } catch (error) {
    return say(error.message, true);
  }
  await route();
}

async function choose(name) {
  state.database = name;
  byId("database").value = name;
  sessionStorage.setItem("database", name);
  state.schema = state.schemas.get(name) || null;
  showIdeas();
  if (state.schema) return;
  getJson(`/v1/schema?${query({ database: name })}`).then((schema) => {
    state.schemas.set(name, schema);
    if (state.database === name) {
      state.schema = schema;
      showSchema();
      showIdeas();
    }
  }).catch((error) => { byId("schema-note").textContent = error.message; });
}

// The address says what is shown, so that back, reload and links work.
async function route() {
  const [, view = "ask", ...rest] = location.hash.split("/");
  const name = ["ask", "schema", "history"].includes(view) ? view : "ask";
  for (const one of ["ask", "schema", "history"]) {
    byId(one).hidden = one !== name;
    const link = document.querySelector(`[data-view=${one}]`);
    one === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  if (name === "schema") showSchema();
  if (name === "history") await showHistory();
  if (name !== "ask" || !rest.length) return;
  const [database, run] = rest.map(decodeURIComponent);
  if (run === state.run) return;
  if (database !== state.database && state.schemas.size + byId("database").length) await choose(database);
  await reopen(run);
}

async function reopen(run) {
  try {
    await listenTo({ run });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) return say(error.message, true);
    const { entries } = await getJson(`/v1/history?${query({ database: state.database, limit: 500 })}`);
    const entry = entries.find((one) => one.id === run);
    if (!entry) return say("This answer is no longer kept. Ask again.", true);
    byId("question").value = entry.question;
    state.question = entry.question;
    if (entry.sql) await runSql(entry.sql);
    else say("This answer is no longer kept. Ask again.");
  }
}

async function ask(event) {
  event?.preventDefault();
  const text = byId("question").value.trim();
  if (!text) {
    byId("question").focus();
    return say("Ask something in plain words, for example: How many orders were cancelled?", true);
  }
  await askWith({ question: text, database: state.database, evidence: byId("evidence").value.trim() });
}

async function askWith(json) {
  const key = `page-${crypto.getRandomValues(new Uint32Array(4)).join("")}`;
  try {
    await listenTo({ json, key });
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
}

async function listenTo(begin) {
  byId("ideas").hidden = true;
  state.stop?.abort();
  const stop = (state.stop = new AbortController());
  const live = byId("live");
  byId("answer").replaceChildren();
  live.replaceChildren();
  say("Asking…");
  const began = performance.now();
  const clock = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1000);
    if (seconds >= 3) say(`Still working, ${seconds} seconds. The database or a model is slow.`);
  }, 1000);
  const chips = new Map();
  let candidates = 0, last = null, words = "";
  const hear = (name, fields) => {
    last = name;
    if (name === "run") {
      if (!begin.json?.follows) byId("question").value = fields.question;
      say("Asking the generators…");
    }
    if (name === "StageStarted") {
      const chip = make("span", { class: "on", text: fields.stage });
      chips.set(fields.stage, chip);
      live.append(chip);
    }
    if (name === "StageEnded") {
      const chip = chips.get(fields.stage);
      chip.className = "";
      chip.textContent = `${fields.stage} ${fields.ms.toFixed(fields.ms < 10 ? 1 : 0)} ms`;
    }
    if (name === "CandidateWritten") say(`${(candidates += 1)} readings written…`);
    if (name === "GeneratorLost") say(`Generator ${fields.generator} failed; the others go on.`);
    if (fields.message) words = fields.message;
  };
  live.className = "live";
  byId("go").disabled = true;
  try {
    const run = await follow(begin, hear, () => say("The connection is lost; trying to take it up again…", true), stop.signal);
    if (last !== "answer" && last !== "result") throw new Problem(words || "The question was not answered.", 400);
    const story = await getJson(`/v1/runs/${encodeURIComponent(run)}`);
    byId("question").value = state.question = story.question;
    shownRun(story);
    if (story.answer) say(`Answered in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    else say("");
  } finally {
    clearInterval(clock);
    if (state.stop === stop) byId("go").disabled = false;
  }
}

async function runSql(sql) {
  say("Running…");
  try {
    const found = await send("/v1/sql", { sql, database: state.database, question: state.question });
    const { run, words, explanation, used, chart, ...result } = found;
    byId("live").replaceChildren();
    shownRun({ run, database: state.database, question: state.question, words, explanation, used, chart, result });
    say(result.status === "ok" ? "Ran your SQL." : "The SQL did not run; it says why below.", result.status !== "ok");
  } catch (error) {
    say(error.message, true);
  }
}

function shownRun(story) {
  state.run = story.run;
  state.used = story.used || [];
  show(story, context);
  const here = place(story.database, story.run);
  if (location.hash !== here) history.pushState(null, "", here);
}

function showSchema() {
  if (!state.schema || byId("schema").hidden) return;
  const find = byId("find").value;
  const drawn = diagram(state.schema, state.used, { find });
  byId("diagram").replaceChildren(drawn.svg);
  byId("schema-note").textContent = drawn.hidden ? `${drawn.hidden} more tables are not drawn: search for them.` : "";
  byId("tables").replaceChildren(...list(state.schema));
}

// Questions to begin with, made out of names; gone as soon as something is asked.
function showIdeas() {
  const place = byId("ideas");
  place.hidden = !state.schema || byId("answer").childElementCount > 0 || location.hash.split("/").length > 2;
  if (place.hidden) return;
  const pick = (text) => make("button", { type: "button", class: "idea", text, onclick: () => {
    byId("question").value = text;
    ask();
  } });
  place.replaceChildren(make("span", { class: "soft", text: "For example:" }), ...questionsFor(state.schema).map(pick));
}

async function showHistory() {
  const saved = byId("only-saved").checked;
  const place = byId("entries");
  try {
    const { entries } = await getJson(`/v1/history?${query({ database: state.database, saved })}`);
    place.replaceChildren(...entries.map(entryOf));
    if (!entries.length) place.append(make("p", { class: "soft", text: saved ? "Nothing is saved yet." : "Nothing was asked yet." }));
  } catch (error) {
    place.replaceChildren(make("p", { class: "error", text: error.message }));
  }
}

function entryOf(entry) {
  const change = async (marks) => {
    await send(`/v1/history/${encodeURIComponent(entry.id)}?${query({ database: state.database })}`, marks, "PATCH");
    await showHistory();
  };
  const title = entry.question || entry.sql || "";
  const how = entry.confidence === null ? "SQL" : entry.abstained ? "no answer" : `${Math.round(entry.confidence * 100)} % sure`;
  const verdict = entry.verdict ? `, ${entry.verdict}` : "";
  return make("div", { class: "entry" },
    make("div", { class: "what" },
      make("a", { href: place(state.database, entry.id), text: title }),
      make("div", { class: "soft", text: `${new Date(entry.at).toLocaleString()}, ${how}, ${entry.row_count} rows${verdict}` })),
    make("button", { type: "button", "aria-pressed": String(entry.saved), text: entry.saved ? "★ Saved" : "☆ Save", onclick: () => change({ saved: !entry.saved }) }),
    make("button", { type: "button", text: "Remove", "aria-label": `Remove ${title.slice(0, 80)}`, onclick: () => change({ removed: true }) }));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Use the ${theme === "dark" ? "light" : "dark"} theme`);
}

function listen() {
  byId("form").addEventListener("submit", ask);
  byId("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
  });
  byId("database").addEventListener("change", async (event) => {
    state.used = [];
    state.run = null;
    byId("answer").replaceChildren();
    byId("live").replaceChildren();
    say("");
    await choose(event.target.value);
    if (location.hash.startsWith("#/ask/")) location.hash = "#/ask";
    await route();
  });
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", theme);
    setTheme(theme);
    const image = byId("chart");
    if (image) drawChart(image.dataset.run, image);
  });
  byId("keys").addEventListener("click", () => byId("key-list").showModal());
  byId("find").addEventListener("input", showSchema);
  byId("only-saved").addEventListener("change", showHistory);
  addEventListener("popstate", route);
  let went = false;
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (went && { a: 1, s: 1, h: 1 }[event.key]) location.hash = { a: "#/ask", s: "#/schema", h: "#/history" }[event.key];
    went = event.key === "g";
    if (event.key === "?") byId("key-list").showModal();
    if (event.key === "/") {
      event.preventDefault();
      location.hash = location.hash.startsWith("#/ask") ? location.hash : "#/ask";
      byId("question").focus();
    }
  });
}

start();
