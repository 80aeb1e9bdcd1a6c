// An answer on the page: words, chart, table, SQL, votes, times.

import { bar, byId, counted, make, say, table } from "./dom.js";
import { diagram } from "./diagram.js";
import { chosenNote, meaningCard } from "./meaning.js";
import { download, request, send } from "./net.js";
import { editor, shown } from "./sql.js";

const REASONS = {
  unsure: "the readings disagree too much",
  unanswerable: "the database does not seem to hold what you ask for",
  tie: "two different results have about the same share of the vote",
};
const STEP = 200;
const MOST_HITS = 8;
const MOST_READINGS = 5;

// Of an answer that was not given the best guess is only shown when somebody asks for it.
export function show(story, context, guess = false) {
  const answer = story.answer || story.result;
  const failed = answer.status && answer.status !== "ok" ? answer.error : null;
  const held = Boolean(story.answer) && answer.abstained && !guess;
  const parts = [summary(story, answer, failed, context, held), meaningCard(story, context)];
  if (!held) parts.push(failed || !answer.sql ? null : followCard(story, context), sqlCard(story, answer, context));
  if (story.answer) {
    const side = make("div", {}, times(story.answer), lookedUp(story));
    parts.push(make("div", { class: "columns" }, votes(story), side));
  }
  if (!held && story.used?.length && context.schema) parts.push(usedCard(story, context));
  byId("answer").replaceChildren(...parts.filter(Boolean));
}

function summary(story, answer, failed, context, held) {
  const card = make("section", { class: "card", "aria-label": "Answer" });
  if (failed) {
    card.append(make("p", { class: "words error", text: failed }));
    return card;
  }
  if (story.answer) card.append(chosenNote(story, place) || sureness(answer));
  if (story.answer && answer.abstained) {
    const why = REASONS[answer.reason] || "no result was good enough";
    card.append(make("p", { class: "words", text: `No answer: ${why}.` }));
    if (!answer.sql || !answer.columns.length) return card;
    if (held) {
      card.append(make("button", { type: "button", text: "Show the best guess", onclick: () => {
        show(story, context, true);
        byId("answer").focus();
      } }));
      return card;
    }
    card.append(make("p", { class: "soft", text: "The best guess, which may well be wrong:" }));
  }
  if (!answer.columns.length) {
    const broken = answer.candidates?.find((one) => one.error)?.error;
    card.append(make("p", { class: "words error", text: broken || "The statement did not run." }));
    return card;
  }
  card.append(...result(story, answer, context));
  return card;
}

function sureness(answer) {
  const share = Math.round(answer.confidence * 100);
  const word = answer.abstained ? "unsure" : answer.confidence >= 0.7 ? "sure" : "soft";
  const line = make("p", {}, make("span", { class: `badge ${word}`, text: `${share} % sure` }), ` `, make("span", { class: "soft", text: answer.why }));
  const notes = (answer.warnings || []).map((text) => make("li", { text }));
  return make("div", {}, line, notes.length ? make("ul", { class: "soft" }, ...notes) : null);
}

function result(story, answer, context) {
  const parts = [make("p", { class: "words", text: story.words })];
  if (story.chart) parts.push(chart(story));
  if (answer.rows.length > 1 || answer.columns.length > 1) parts.push(...rows(answer));
  parts.push(actions(story, context));
  return parts;
}

function chart(story) {
  const image = make("img", { alt: story.chart.description, id: "chart" });
  drawChart(story.run, image);
  return make("figure", { class: "chart", tabindex: 0, "aria-label": "Chart" }, image);
}

// Drawn again when the theme changes.
export async function drawChart(run, image) {
  const theme = document.documentElement.dataset.theme;
  image.dataset.run = run;
  try {
    const blob = await (await request(`/v1/runs/${encodeURIComponent(run)}/chart.svg?theme=${theme}`)).blob();
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  } catch (error) {
    image.replaceWith(make("p", { class: "soft", text: `No chart: ${error.message}` }));
  }
}

function rows(answer) {
  let count = Math.min(STEP, answer.rows.length);
  const all = answer.rows.length;
  const place = make("div", {}, table(answer.columns, answer.rows.slice(0, count), "Rows"));
  const note = make("p", { class: "soft" });
  const more = make("button", { type: "button", text: "Show more rows", onclick: () => {
    count = Math.min(count + STEP * 5, all);
    place.replaceChildren(table(answer.columns, answer.rows.slice(0, count), "Rows"));
    tell();
  } });
  const tell = () => {
    note.textContent = `${count.toLocaleString("en")} of ${all.toLocaleString("en")} rows shown${answer.truncated ? "; the database has more than were read" : ""}.`;
    more.hidden = count >= all;
  };
  tell();
  return [place, note, more];
}

function actions(story, context) {
  const path = `/v1/runs/${encodeURIComponent(story.run)}`;
  const trying = (work) => async () => {
    try {
      say(await work());
    } catch (error) {
      say(error.message, true);
    }
  };
  const button = (text, work) => make("button", { type: "button", text, onclick: trying(work) });
  const verdict = (right) => async (event) => {
    try {
      const said = await send(`${path}/verdict`, { right });
      for (const one of event.target.parentElement.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", String(one === event.target));
      const become = said.proposed ? "Thank you. It is proposed as an example, for somebody to approve." : "Thank you, noted.";
      say(said.withdrawn ? `${become} The example that it proposed is withdrawn.` : become);
      if (said.proposed || said.withdrawn) context.proposed();
    } catch (error) {
      say(error.message, true);
    }
  };
  const both = story.answer ? [
    make("button", { type: "button", text: "Right", "aria-pressed": "false", onclick: verdict(true) }),
    make("button", { type: "button", text: "Wrong", "aria-pressed": "false", onclick: verdict(false) }),
  ] : [];
  const saving = button("☆ Save question", async () => {
    await send(`/v1/history/${encodeURIComponent(story.run)}?database=${encodeURIComponent(story.database)}`, { saved: true }, { method: "PATCH" });
    saving.textContent = "★ Saved";
    return "Saved: find it under History.";
  });
  return make("div", { class: "row" },
    ...both,
    saving,
    button("CSV", async () => (await download(`${path}/rows.csv`, "answer.csv"), "CSV downloaded.")),
    button("Parquet", async () => (await download(`${path}/rows.parquet`, "answer.parquet"), "Parquet downloaded.")));
}

const OF_MANY = ["top 5", "largest first", "how many is that?"];
const OF_ONE = ["by month", "by year", "only in 2024"];

// Going on from this answer: the words change its SQL where they can, else they are asked anew.
function followCard(story, context) {
  const field = make("input", { id: "follow", type: "text", maxlength: 2000, autocomplete: "off", placeholder: "and by month?", "aria-describedby": "follow-ideas" });
  const form = make("form", { class: "row", id: "follow-form" },
    make("label", { for: "follow", text: "Go on from this answer" }), field,
    make("button", { type: "submit", text: "Go on" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) return context.goOn(text, story);
    field.focus();
    say("Say how to go on, for example: only those over 30, or: top 5.", true);
  });
  const count = (story.answer || story.result).row_count;
  const ideas = (count > 1 ? OF_MANY : OF_ONE).map((text) => make("button", { type: "button", class: "idea", text, onclick: () => context.goOn(text, story) }));
  return make("section", { class: "card", "aria-label": "Go on" },
    story.follows ? make("p", { class: "soft" }, "Went on from ", make("a", { href: place(story.database, story.follows.run), text: story.follows.question }), ".") : null,
    form, make("div", { class: "row ideas", id: "follow-ideas" }, make("span", { class: "soft", text: "For example:" }), ...ideas));
}

export const place = (database, run) => `#/ask/${encodeURIComponent(database)}/${encodeURIComponent(run)}`;

function sqlCard(story, answer, context) {
  if (!answer.sql) return null;
  const edit = editor(answer.sql, context.runSql);
  return make("section", { class: "card", "aria-label": "SQL" },
    make("h3", { text: "SQL" }),
    edit.element,
    make("div", { class: "row" },
      make("button", { type: "button", id: "run-sql", text: "Run this SQL", onclick: () => context.runSql(edit.text()) }),
      make("span", { class: "soft", text: "Only reading is possible: the guard looks at every statement." })),
    story.explanation ? make("p", { text: story.explanation }) : null);
}

function votes(story) {
  const card = make("section", { class: "card", "aria-label": "Votes" }, make("h3", { text: "Who voted for what" }));
  const items = story.readings.map((one) => {
    const share = one.votes < 0.005 ? "less than 1 %" : `${Math.round(one.votes * 100)} %`;
    const item = make("li", { class: "reading" },
      make("div", {}, make("strong", { text: one.chosen ? `Chosen, ${share} of the vote` : `${share} of the vote` }),
        make("span", { class: "soft", text: ` ${counted(one.row_count, "row")}` })),
      bar(one.votes, `${share} of the vote`),
      make("div", { class: "soft", text: one.generators.join(", ") }),
      make("details", {}, make("summary", { text: one.chosen ? "Its SQL" : "Its SQL, and the rows that differ" }),
        shown(one.sql), make("p", { text: one.explanation }), ...differences(one, story.answer.columns)));
    return item;
  });
  const failed = story.answer.candidates.filter((one) => one.group === null);
  card.append(make("ul", { class: "plain" }, ...items.slice(0, MOST_READINGS)));
  if (items.length > MOST_READINGS) {
    card.append(make("details", {}, make("summary", { text: `${counted(items.length - MOST_READINGS, "more result")}` }),
      make("ul", { class: "plain" }, ...items.slice(MOST_READINGS))));
  }
  if (!items.length) card.append(make("p", { class: "soft", text: "Nothing ran, so there was nothing to vote on." }));
  if (failed.length) {
    card.append(make("details", {}, make("summary", { text: `${failed.length} that did not run` }),
      ...failed.slice(0, 20).map((one) => make("div", {}, make("p", { class: "soft", text: `${one.generator}: ${one.error || one.status}` }), shown(one.sql)))));
  }
  return card;
}

function differences(one, columns) {
  if (one.chosen) return [];
  const parts = [];
  if (one.only_here.length) parts.push(make("p", { text: "Rows only in this reading:" }), table(one.columns, one.only_here, "Rows only in this reading"));
  if (one.only_chosen.length) {
    parts.push(make("p", { text: "Rows only in the chosen one:" }), table(columns, one.only_chosen, "Rows only in the chosen reading"));
  }
  return parts;
}

function times(answer) {
  const stages = Object.entries(answer.timings_ms);
  const longest = Math.max(1, ...stages.map(([, ms]) => ms));
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  const spent = answer.usage_by_stage || {};
  const paid = ({ calls, usd }) => `${calls} calls of models, ${usd === null ? "price unknown" : `${usd.toFixed(4)} USD`}`;
  const lines = stages.flatMap(([stage, ms]) => [
    make("span", { text: stage }), bar(ms / longest, `${stage}: ${ms.toFixed(0)} ms`),
    make("span", { text: `${ms.toFixed(ms < 10 ? 1 : 0)} ms${spent[stage]?.calls ? `, ${paid(spent[stage])}` : ""}` }),
  ]);
  const cost = answer.usage.calls ? `${paid(answer.usage)}.` : "No model was asked: it cost nothing.";
  return make("section", { class: "card", "aria-label": "Times" }, make("h3", { text: "Time and cost" }),
    make("div", { class: "stages" }, ...lines), make("p", { class: "soft", text: `${total.toFixed(0)} ms in all. ${cost}` }));
}

// What retrieval found: stored values that the question mentions, and what generators were shown.
function lookedUp(story) {
  const hits = story.hits || [], linked = story.linked;
  if (!hits.length && !linked) return null;
  const card = make("section", { class: "card", "aria-label": "Looked up" }, make("h3", { text: "What was looked up" }));
  if (hits.length) {
    card.append(make("p", { class: "soft", text: "Stored values that the question mentions:" }),
      make("ul", { class: "plain" }, ...hits.slice(0, MOST_HITS).map(([table, column, value]) => make("li", {}, make("strong", { text: value }), make("span", { class: "soft", text: ` in ${table}.${column}` })))));
    if (hits.length > MOST_HITS) card.append(make("p", { class: "soft", text: `and ${hits.length - MOST_HITS} more.` }));
  } else {
    card.append(make("p", { class: "soft", text: "The question mentions no stored value." }));
  }
  const said = Object.entries(linked?.said || {}).map(([words, name]) => `“${words}” for “${name}”`);
  if (said.length) card.append(make("p", { text: `Words taken for what the database calls otherwise: ${said.join(", ")}.` }));
  if (linked) card.append(make("p", { class: "soft", text: `Generators were shown ${linked.columns} of ${linked.of_columns} columns, in ${linked.tables.length} tables: ${linked.tables.slice(0, 20).join(", ")}.` }));
  return card;
}

function usedCard(story, context) {
  const drawn = diagram(context.schema, story.used, { near: true });
  return make("section", { class: "card", "aria-label": "Columns used" }, make("h3", { text: "What it reads" }),
    make("div", { class: "diagram small", tabindex: 0, role: "region", "aria-label": "Diagram of the tables used" }, drawn.svg));
}
