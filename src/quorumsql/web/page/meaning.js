// Two readings of a question that are about as likely: what each does, the rows that only it has.

import { counted, make, table } from "./dom.js";
import { shown } from "./sql.js";

export function meaningCard(story, context) {
  const pair = story.answer?.readings || [];
  if (pair.length !== 2) return null;
  return make("section", { class: "card", "aria-label": "Two readings" },
    make("h3", { text: "Which of the two do you mean?" }),
    make("p", { class: "soft", text: "Your question can be read in two ways that are about as likely." }),
    make("div", { class: "columns" }, ...pair.map((one, place) => reading(one, place, story, context))));
}

function reading(one, place, story, context) {
  const letter = "AB"[place], id = `reading-${place}`;
  const parts = [make("p", { id, class: "meaning" }, make("strong", { text: `${letter} ` }), `The answer that ${one.words}.`)];
  if (one.only_here.length) {
    parts.push(make("p", { class: "soft", text: `Of its ${counted(one.row_count, "row")}, the first that ${"BA"[place]} has not:` }),
      table(one.columns, one.only_here, `Rows that only ${letter} has`));
  } else {
    parts.push(make("p", { class: "soft", text: `${counted(one.row_count, "row")}, none that ${"BA"[place]} has not.` }));
  }
  parts.push(make("details", {}, make("summary", { text: `SQL of ${letter}` }), shown(one.sql)),
    make("button", { type: "button", class: "main", text: `I mean ${letter}`, "aria-describedby": id, onclick: () => context.take(story, place) }));
  return make("div", { class: "choice" }, ...parts);
}

// Said above an answer that is one of two readings, with the way back to both.
export function chosenNote(story, place) {
  if (!story.taken) return null;
  return make("p", {}, make("span", { class: "badge sure", text: "your choice" }),
    make("span", { class: "soft", text: ` The answer that ${story.taken.words}. ` }),
    make("a", { href: place(story.database, story.taken.run), text: "See both readings" }));
}
