// Examples that wait for approval: what was asked, the SQL, and what to do with it.

import { byId, make } from "./dom.js";
import { getJson, query, send } from "./net.js";
import { shown } from "./sql.js";

export async function showReview(database, { note, runSql, changed }) {
  const place = byId("proposals");
  try {
    const { examples, waiting } = await getJson(`/v1/examples?${query({ database })}`);
    const judge = async (one, decision) => {
      try {
        await send(`/v1/examples/${encodeURIComponent(one.id)}?${query({ database })}`, { decision }, { method: "PATCH" });
        note(decision === "approve" ? "Approved: models learn from it from now on." : "Rejected and removed.");
      } catch (error) {
        note(error.message, true);
      }
      await showReview(database, { note, runSql, changed });
      byId("review-title").focus();
    };
    place.replaceChildren(...examples.map((one) => proposal(one, judge, runSql)));
    if (!examples.length) place.append(make("p", { class: "soft", text: "Nothing waits for approval. “Right” below an answer proposes it." }));
    if (waiting > examples.length) place.append(make("p", { class: "soft", text: `${waiting - examples.length} more come when these are done.` }));
    changed(waiting);
  } catch (error) {
    place.replaceChildren(make("p", { class: "error", text: error.message }));
  }
}

function proposal(one, judge, runSql) {
  const title = one.question.slice(0, 80);
  const button = (text, work, kind) => make("button", { type: "button", class: kind, text, "aria-label": `${text}: ${title}`, onclick: work });
  return make("article", { class: "card proposal", "aria-label": title },
    make("h3", { text: one.question }),
    one.evidence ? make("p", { class: "soft", text: `To be known: ${one.evidence}` }) : null,
    shown(one.sql),
    make("p", { class: "soft", text: one.explanation }),
    make("div", { class: "row" },
      button("Approve", () => judge(one, "approve"), "main"),
      button("Reject", () => judge(one, "reject")),
      button("Look at its rows", () => runSql(one.sql, one.question))));
}
