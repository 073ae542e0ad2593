// One thing in a chat, as an element.

import { drawCard } from "./cards.js";
import { T, reason, rule } from "./words.js";

function node(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Draw an item anew; what a person had folded open in `old` stays open. */
export function drawItem(item, actions, old) {
  if (item.kind === "violation") return drawViolation(item);
  const me = actions.isMe(item);
  const row = node("article", `item ${item.kind} ${item.state} ${me ? "me" : "other"}`);
  const name = item.who ? actions.nameOf(item.who) : "";
  row.append(node("span", `avatar ${item.who ? "member" : "bot"}`, name.slice(-1) || "AI"));
  const column = node("div", "column");
  column.append(head(item, name), bubble(item, actions, old), foot(item, actions));
  row.append(column);
  keepOpen(old, row);
  return row;
}

function keepOpen(old, row) {
  if (!old) return;
  const before = old.querySelectorAll("details");
  row.querySelectorAll("details").forEach((fold, n) => {
    fold.open = before[n]?.open ?? false;
  });
}

function head(item, name) {
  const line = node("div", "head");
  const label = { late: T.late, welcome: T.welcome }[item.kind];
  if (name) line.append(node("span", "", name));
  if (label) line.append(node("span", "label", label));
  const time = new Date(item.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  line.append(node("time", "", time));
  return line;
}

function bubble(item, actions, old) {
  const box = node("div", "sheet");
  if (item.quote) box.append(node("blockquote", "quote", item.quote));
  if (item.medium) box.append(node("div", "medium", mediumName(item)));
  if (item.who) box.append(node("div", "words", item.text));
  else if (item.text || !item.card) box.append(markdown(item));
  const card = item.cards[actions.me()] ?? item.card;
  if (card) box.append(drawCard(item, card, actions, old));
  for (const source of item.images) {
    const image = node("img");
    image.src = source;
    box.append(image);
  }
  return box;
}

function mediumName(item) {
  const kind = T.media[item.medium];
  return kind ? `[${kind}]` : `📄 ${item.medium}`;
}

function markdown(item) {
  const box = node("div", "md");
  box.innerHTML = item.html; // rendered and cleaned by the service
  if (item.state === "open" && !box.textContent.trim()) {
    box.replaceChildren(node("span", "dots", T.thinking));
  }
  for (const table of box.querySelectorAll("table")) {
    const frame = node("div", "table");
    table.replaceWith(frame);
    frame.append(table);
  }
  return box;
}

function foot(item, actions) {
  const line = node("div", "foot");
  const note = noteOf(item);
  if (note) line.append(node("span", "note", note));
  if (item.state === "finished") line.append(...tools(item, actions));
  return line;
}

function noteOf(item) {
  if (item.state === "sending") return T.sending;
  if (item.state === "expired") return T.expired;
  return item.reason ? reason(item.reason) : "";
}

function tools(item, actions) {
  const made = [tool(T.quote, T.quote, () => actions.quote(item))];
  if (!item.feedback) return made;
  for (const [sign, title, thumbs] of [["👍", T.up, 1], ["👎", T.down, 2]]) {
    const button = tool(sign, title, () => actions.thumbs(item, thumbs));
    button.setAttribute("aria-pressed", String(item.thumbs === thumbs));
    made.push(button);
  }
  return made;
}

function tool(sign, title, act) {
  const button = node("button", "tool", sign);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.addEventListener("click", act);
  return button;
}

function drawViolation(item) {
  const row = node("article", "item violation");
  row.append(node("strong", "", `⛔ ${T.violation}: `), node("span", "", rule(item.reason, item.text)));
  return row;
}
