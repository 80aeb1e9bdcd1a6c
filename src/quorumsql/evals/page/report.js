// The part of the report that moves: a list of questions and the filters over it.
//
// Text of models and databases reaches the page through textContent only, so it is never markup.
// The language of filters is that of filters.py, and both are held against the same cases.
//
// What is not covered: figures and charts, which stand in the page without any script.
"use strict";

const PAGE_SIZE = 50;
const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "~"];
const SAME = { "==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not" };
const TOKEN = new RegExp(
  "\\s*(?:(?<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
  + "|(?<op><=|>=|==|!=|<>|&&|\\|\\||[=<>~!()])"
  + "|(?<number>-?(?:\\d+\\.?\\d*|\\.\\d+)%?(?![\\p{L}\\p{N}_.]))"
  + "|(?<word>[\\p{L}\\p{N}_.\\-/]+))", "uy");
const YES = { yes: 1, true: 1, no: 0, false: 0 };
const DEEPEST = 50;

// --- the language of filters ------------------------------------------------------------------

function parseFilter(text, names) {
  let at = 0, start = 0, kind = "", token = "";

  function fail(words) {
    const found = kind ? `'${token}'` : "the end";
    throw new Error(`${words} at position ${start + 1}, found ${found}`);
  }

  function advance() {
    const rest = text.slice(at);
    start = at + rest.length - rest.trimStart().length;
    if (!rest.trim()) { kind = token = ""; return; }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) { kind = "op"; token = rest.trim()[0]; fail("cannot read"); }
    at = TOKEN.lastIndex;
    kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    token = match.groups[kind];
    if (kind === "quoted") {
      const quote = token[0];
      token = token.slice(1, -1).split(quote + quote).join(quote);
    } else if (kind === "op" && Object.hasOwn(SAME, token)) token = SAME[token];
  }

  function takes(wanted) {
    if ((kind !== "op" && kind !== "word") || token.toLowerCase() !== wanted) return false;
    advance();
    return true;
  }

  function expression(depth) {
    let node = term(depth);
    while (takes("or")) {
      const left = node, right = term(depth);
      node = (facts) => left(facts) || right(facts);
    }
    return node;
  }

  function term(depth) {
    let node = factor(depth);
    while (takes("and")) {
      const left = node, right = factor(depth);
      node = (facts) => left(facts) && right(facts);
    }
    return node;
  }

  function factor(depth) {
    if (depth > DEEPEST) fail("nested too deeply");
    if (takes("not")) {
      const inner = factor(depth + 1);
      return (facts) => !inner(facts);
    }
    if (takes("(")) {
      const inner = expression(depth + 1);
      if (!takes(")")) fail("expected ')'");
      return inner;
    }
    return test();
  }

  function test() {
    if (kind !== "word") fail("expected a name");
    const spelt = token.toLowerCase();
    const name = Object.hasOwn(names.aliases, spelt) ? names.aliases[spelt] : spelt;
    const isText = names.texts.includes(name), isFeature = names.features.includes(name);
    if (!isText && !isFeature && !names.others.includes(name)) fail("unknown name");
    advance();
    let op = "!=", value = 0;
    if (kind === "op" && OPERATORS.includes(token)) {
      op = token;
      advance();
      value = valueOf(name, isText, op);
    } else if (isText) fail(`expected a comparison after '${name}'`);
    return (facts) => {
      let fact = facts[name];
      if (fact === undefined && isFeature && facts.parsed) fact = 0;
      if (fact === undefined || fact === null) return false;
      return isText ? compareTexts(op, String(fact).toLowerCase(), String(value).toLowerCase())
        : compareNumbers(op, Number(fact), Number(value));
    };
  }

  function valueOf(name, isText, op) {
    if (!["word", "quoted", "number"].includes(kind)) fail("expected a value");
    const given = token, known = YES[given.toLowerCase()];
    let value = given;
    if (isText) {
      if (!["=", "!=", "~"].includes(op)) fail(`'${name}' is text, which compares with =, != or ~ only`);
    } else {
      if ((kind !== "number" && known === undefined) || op === "~") fail(`'${name}' is a number or yes/no`);
      value = known !== undefined ? known
        : given.endsWith("%") ? Number(given.slice(0, -1)) / 100 : Number(given);
    }
    advance();
    return value;
  }

  advance();
  const tree = expression(0);
  if (kind) fail("expected 'and', 'or' or the end");
  return tree;
}

function compareTexts(op, fact, value) {
  return op === "=" ? fact === value : op === "!=" ? fact !== value : fact.includes(value);
}

function compareNumbers(op, fact, value) {
  switch (op) {
    case "=": return fact === value;
    case "!=": return fact !== value;
    case "<": return fact < value;
    case "<=": return fact <= value;
    case ">": return fact > value;
    default: return fact >= value;
  }
}

// --- the list of questions --------------------------------------------------------------------

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tableOf(header, rows, className) {
  const table = make("table", className), head = make("tr"), body = make("tbody");
  for (const name of header) head.append(make("th", "", name));
  for (const row of rows) {
    const line = make("tr");
    for (const cell of row) {
      const plain = make("td", "value", cell);
      if (cell === "NULL") plain.className = "value null";
      line.append(plain);
    }
    body.append(line);
  }
  const top = make("thead");
  top.append(head);
  table.append(top, body);
  return table;
}

function resultOf(preview) {
  if (!preview) return make("p", "dim", "result not kept");
  if (preview.error !== null) return make("p", "bad value", preview.error);
  const box = make("div");
  const rows = `${preview.count} ${preview.count === 1 ? "row" : "rows"}`;
  const more = preview.count > preview.rows.length ? `, the first ${preview.rows.length} shown` : "";
  if (preview.rows.length) box.append(tableOf(preview.columns, preview.rows, "result"));
  box.append(make("p", "dim", rows + more));
  return box;
}

function sideOf(title, sql, result) {
  const side = make("div");
  side.append(make("h4", "", title), make("pre", "value", sql));
  if (result) side.append(result);
  return side;
}

function bodyOf(item) {
  const body = make("div", "body"), pair = make("div", "pair");
  const wrong = !item.correct;
  pair.append(
    sideOf("Gold", item.gold || "rows only", wrong ? resultOf(item.gold_preview) : null),
    sideOf("Prediction", item.sql ?? "no SQL", wrong ? resultOf(item.predicted_preview) : null));
  if (item.was) pair.append(
    sideOf(`Other run: ${item.was.correct ? "right" : "wrong"}`, item.was.sql ?? "no SQL", null));
  body.append(pair);
  const remarks = [];
  if (item.differs.length) remarks.push(`differs in ${item.differs.join(", ")}`);
  if (item.reason) remarks.push(`abstained: ${item.reason}`);
  if (item.seconds) remarks.push(`${(item.seconds * 1000).toFixed(0)} ms`);
  if (remarks.length) body.append(make("p", "dim", remarks.join(" · ")));
  if (item.unscored) body.append(make("pre", "bad value", item.unscored));
  if (item.candidates.length) {
    body.append(make("h4", "", `Candidates and votes (${item.candidates.length})`));
    const place = (c) => c.group === null ? Infinity : c.group;
    const sorted = [...item.candidates].sort((a, b) => place(a) - place(b) || b.weight - a.weight);
    const rows = sorted.map((c) => [
      c.generator, c.weight.toFixed(2), c.group === null ? "–" : `#${c.group + 1}`, c.status,
      c.correct ? "right" : "wrong", c.sql]);
    body.append(tableOf(["generator", "weight", "group", "status", "verdict", "SQL"], rows, "votes"));
  }
  return body;
}

function cardOf(item) {
  const card = make("details", item.correct ? "card good" : "card wrong"), head = make("summary");
  head.append(
    make("span", "mark", item.correct ? "✓" : "✗"), make("span", "number", `${item.index}`),
    make("span", "question value", item.question), make("span", "tag value", item.db));
  if (item.hardness) head.append(make("span", "tag value", item.hardness));
  if (item.error) head.append(make("span", "tag bad value", item.error));
  if (item.abstained) head.append(make("span", "tag", "abstained"));
  head.append(make("span", "sure", `${(100 * item.confidence).toFixed(0)} % sure`));
  card.append(head);
  card.addEventListener("toggle", () => {
    if (card.open && card.children.length === 1) card.append(bodyOf(item));
  });
  return card;
}

function start(data) {
  const place = (id) => document.getElementById(id);
  const expression = place("expression"), words = place("words"), verdict = place("verdict");
  const database = place("database"), list = place("list"), more = place("more");
  const count = place("count"), problem = place("problem");
  const items = data.items;
  let found = [], shown = 0;
  for (const item of items) {
    item.facts = Object.assign(Object.create(null), item.features || {}, {
      parsed: item.features !== null, db: item.db, hardness: item.hardness, status: item.status,
      error: item.error || "", question: item.question, sql: item.sql || "", gold: item.gold,
      index: item.index, confidence: item.confidence, seconds: item.seconds,
      candidates: item.candidates.length, rows: item.gold_preview ? item.gold_preview.count : 0,
      correct: item.correct, abstained: item.abstained, unscored: Boolean(item.unscored),
      gained: Boolean(item.was && item.correct && !item.was.correct),
      lost: Boolean(item.was && !item.correct && item.was.correct) });
    item.text = [item.question, item.gold, item.sql || "", item.error || "", item.unscored || ""]
      .join("\n").toLowerCase();
  }
  for (const name of [...new Set(items.map((item) => item.db))].sort()) {
    const option = make("option", "", name);
    option.value = name;
    database.append(option);
  }

  function showMore() {
    const part = document.createDocumentFragment();
    for (const item of found.slice(shown, shown + PAGE_SIZE)) part.append(cardOf(item));
    shown = Math.min(found.length, shown + PAGE_SIZE);
    list.append(part);
    more.hidden = shown >= found.length;
    more.textContent = `Show ${Math.min(PAGE_SIZE, found.length - shown)} more`;
  }

  function update() {
    let fits = () => true;
    problem.textContent = "";
    if (expression.value.trim()) {
      try {
        fits = parseFilter(expression.value, data.names);
      } catch (error) {
        problem.textContent = error.message;
        return;
      }
    }
    const wanted = words.value.toLowerCase(), right = verdict.value;
    found = items.filter((item) =>
      (!right || (right === "right") === item.correct)
      && (!database.value || item.db === database.value)
      && (!wanted || item.text.includes(wanted)) && fits(item.facts));
    const correct = found.filter((item) => item.correct).length;
    const share = found.length ? `, ${(100 * correct / found.length).toFixed(1)} % right` : "";
    count.textContent = `${found.length} of ${items.length} questions${share}`;
    list.replaceChildren();
    shown = 0;
    showMore();
  }

  let pending = 0;
  function soon() {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(update);
  }
  for (const field of [expression, words]) field.addEventListener("input", soon);
  for (const field of [verdict, database]) field.addEventListener("change", update);
  more.addEventListener("click", showMore);
  new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting) && shown < found.length) showMore();
  }, { rootMargin: "600px" }).observe(more);
  for (const button of document.querySelectorAll("button[data-filter]")) {
    button.addEventListener("click", () => {
      expression.value = button.dataset.filter;
      verdict.value = "";
      words.value = "";
      database.value = "";
      update();
      place("questions").scrollIntoView({ behavior: "smooth" });
    });
  }
  place("filters").hidden = false;
  update();
  document.documentElement.dataset.ready = "yes";
}

async function unpack(element) {
  if (element.dataset.packed !== "gzip") return JSON.parse(element.textContent);
  const raw = atob(element.textContent.trim());
  const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

unpack(document.getElementById("data")).then(start);
