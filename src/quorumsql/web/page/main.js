// The page: what is shown where, and what keys and addresses do.

import { drawChart, place, show } from "./answer.js";
import { diagram, list, questionsFor } from "./diagram.js";
import { byId, counted, make, say } from "./dom.js";
import { follow, getJson, Problem, query, request, send } from "./net.js";
import { showReview } from "./review.js";

const VIEWS = { a: "ask", s: "schema", h: "history", r: "review" };
const state = { database: null, review: false, schema: null, schemas: new Map(), stop: null, used: [], question: "", run: null };
const context = {
  get schema() { return state.schema; },
  runSql,
  goOn: (text, story) => askWith({ question: text, database: story.database, follows: story.run }),
  take,
  proposed: () => countProposals(),
};

async function start() {
  setTheme(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  listen();
  try {
    const { databases, review } = await getJson("/v1/databases");
    state.review = review;
    view("review").hidden = !review;
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
  countProposals();
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

const view = (name) => document.querySelector(`[data-view=${name}]`);
const home = () => (state.run ? place(state.database, state.run) : "#/ask");

// The address says what is shown, so that back, reload and links work.
async function route() {
  const [, wanted = "ask", ...rest] = location.hash.split("/");
  const name = Object.values(VIEWS).includes(wanted) && (wanted !== "review" || state.review) ? wanted : "ask";
  for (const one of Object.values(VIEWS)) {
    byId(one).hidden = one !== name;
    one === name ? view(one).setAttribute("aria-current", "page") : view(one).removeAttribute("aria-current");
  }
  note("");
  entitle(name);
  if (name !== "ask") scrollTo(0, 0);
  if (name === "schema") showSchema();
  if (name === "history") await showHistory();
  if (name === "review") await showProposals();
  if (name !== "ask") return;
  const [database, run] = rest.map(decoded);
  if (!run) return state.run ? clear() : undefined;
  if (run === state.run) return;
  if (![...byId("database").options].some((one) => one.value === database)) return say(`There is no database ${database.slice(0, 80)} here, or this token does not open it.`, true);
  if (database !== state.database) await choose(database);
  await reopen(run);
}

// Tabs and the browser's history tell one answer from another.
function entitle(name) {
  const what = name !== "ask" ? name[0].toUpperCase() + name.slice(1) : state.run && state.question;
  document.title = what ? `${what.slice(0, 60)} · quorumsql` : "quorumsql";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// One thing is shown at a time: what begins ends what went before, which then shows nothing more.
function begin() {
  state.stop?.abort();
  state.stop = new AbortController();
  byId("go").disabled = false;
  byId("answer").inert = false;
  return state.stop.signal;
}

function complain(error) {
  if (error.name !== "AbortError") say(error.message, true);
}

// The page as it is before anything is asked.
function clear() {
  begin();
  state.used = [];
  state.run = null;
  state.question = "";
  view("ask").setAttribute("href", "#/ask");
  byId("answer").replaceChildren();
  byId("live").replaceChildren();
  say("");
  entitle("ask");
  showIdeas();
}

function note(text, bad = false) {
  byId("note").textContent = text;
  byId("note").className = bad ? "error" : "soft";
}

async function reopen(run) {
  try {
    await listenTo({ run });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) return complain(error);
    await fromHistory(run);
  }
}

// The server has let go of the answer: its SQL is run again.
async function fromHistory(run) {
  const signal = begin();
  try {
    const { entries } = await getJson(`/v1/history?${query({ database: state.database, limit: 500 })}`, signal);
    const entry = entries.find((one) => one.id === run);
    if (!entry) return say("This answer is no longer kept. Ask again.", true);
    byId("question").value = entry.question;
    state.question = entry.question;
    if (entry.sql) await runSql(entry.sql);
    else say("This answer is no longer kept. Ask again.");
  } catch (error) {
    complain(error);
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

// Until the reading is here, what is still shown is not it: a verdict on that would be on the wrong one.
async function take(story, reading) {
  const signal = begin();
  const answer = byId("answer");
  answer.inert = true;
  try {
    const response = await request(`/v1/runs/${encodeURIComponent(story.run)}/reading`, { json: { reading }, signal });
    shownRun(await getJson(`/v1/runs/${encodeURIComponent(response.headers.get("quorum-run"))}`, signal));
    say("This is the reading that you mean.");
  } catch (error) {
    complain(error);
  } finally {
    if (!signal.aborted) {
      answer.inert = false;
      answer.focus();
    }
  }
}

async function askWith(json) {
  const key = `page-${crypto.getRandomValues(new Uint32Array(4)).join("")}`;
  try {
    await listenTo({ json, key });
  } catch (error) {
    complain(error);
  }
}

async function listenTo(asked) {
  byId("ideas").hidden = true;
  const signal = begin();
  const live = byId("live");
  byId("answer").replaceChildren();
  live.replaceChildren();
  say("Asking…");
  const began = performance.now();
  let lost = false;
  const clock = setInterval(() => {
    if (lost) return;
    const seconds = Math.round((performance.now() - began) / 1000);
    if (seconds >= 3) say(`Still working, ${seconds} seconds. The database or a model is slow.`);
  }, 1000);
  const chips = new Map();
  let candidates = 0, last = null, words = "";
  const hear = (name, fields) => {
    last = name;
    if (lost) say("Connected again.");
    lost = false;
    if (name === "run") {
      if (!asked.json?.follows) byId("question").value = fields.question;
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
    const run = await follow(asked, hear, (words) => {
      lost = true;
      say(words, true);
    }, signal);
    if (last !== "answer" && last !== "result") throw new Problem(words || "The question was not answered.", 400);
    const story = await getJson(`/v1/runs/${encodeURIComponent(run)}`, signal);
    byId("question").value = state.question = story.question;
    shownRun(story);
    if (story.answer) say(`Answered in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    else say("");
  } finally {
    clearInterval(clock);
    if (!signal.aborted) byId("go").disabled = false;
  }
}

async function runSql(sql, asked = state.question) {
  const signal = begin();
  say("Running…");
  try {
    const found = await send("/v1/sql", { sql, database: state.database, question: asked }, { signal });
    const { run, words, explanation, used, chart, ...result } = found;
    byId("live").replaceChildren();
    shownRun({ run, database: state.database, question: asked, words, explanation, used, chart, result });
    say(result.status === "ok" ? "Ran your SQL." : "The SQL did not run; it says why below.", result.status !== "ok");
  } catch (error) {
    complain(error);
  }
}

function shownRun(story) {
  state.run = story.run;
  state.used = story.used || [];
  show(story, context);
  const here = place(story.database, story.run);
  view("ask").setAttribute("href", here);
  state.question = story.question || "";
  entitle("ask");
  if (location.hash !== here && !byId("ask").hidden) history.pushState(null, "", here);
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
    try {
      await send(`/v1/history/${encodeURIComponent(entry.id)}?${query({ database: state.database })}`, marks, { method: "PATCH" });
      note(marks.removed ? "Removed." : marks.saved ? "Saved." : "No longer saved.");
    } catch (error) {
      note(error.message, true);
    }
    await showHistory();
  };
  const title = entry.question || entry.sql || "";
  const how = entry.confidence === null ? "SQL" : entry.abstained ? "no answer" : `${Math.round(entry.confidence * 100)} % sure`;
  const verdict = entry.verdict ? `, ${entry.verdict}` : "";
  return make("div", { class: "entry" },
    make("div", { class: "what" },
      make("a", { href: place(state.database, entry.id), text: title }),
      make("div", { class: "soft", text: `${new Date(entry.at).toLocaleString()}, ${how}, ${counted(entry.row_count, "row")}${verdict}` })),
    make("button", { type: "button", "aria-pressed": String(entry.saved), text: entry.saved ? "★ Saved" : "☆ Save", onclick: () => change({ saved: !entry.saved }) }),
    make("button", { type: "button", text: "Remove", "aria-label": `Remove ${title.slice(0, 80)}`, onclick: () => change({ removed: true }) }));
}

// Those who may review see how many examples wait.
async function countProposals() {
  if (!state.review) return;
  try {
    const { waiting } = await getJson(`/v1/examples?${query({ database: state.database })}`);
    showWaiting(waiting);
  } catch { /* the view itself says what is wrong */ }
}

function showWaiting(waiting) {
  view("review").textContent = waiting ? `Review (${waiting})` : "Review";
}

const showProposals = () => showReview(state.database, { note, runSql: lookAt, changed: showWaiting });

async function lookAt(sql, question) {
  state.question = question;
  byId("question").value = question;
  const before = state.run;
  await runSql(sql);
  if (state.run !== before) location.hash = home();
  else note(byId("status").textContent, true);
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
    clear();
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
    const to = went && VIEWS[event.key];
    if (to === "ask") location.hash = home();
    else if (to && (to !== "review" || state.review)) location.hash = `#/${to}`;
    went = event.key === "g";
    if (event.key === "?") byId("key-list").showModal();
    if (event.key === "/") {
      event.preventDefault();
      if (byId("ask").hidden) location.hash = home();
      byId("question").focus();
    }
  });
}

start();
