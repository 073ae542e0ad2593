// A card as WeCom draws it, with what a person may press and tick.

import { T } from "./words.js";

const LOOKS = { 1: "main", 2: "danger" };

function node(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Draw the card of an item; the one in `old` stays while nothing on it has changed. */
export function drawCard(item, card, actions, old) {
  const shape = JSON.stringify(card);
  const before = old?.querySelector(".card");
  if (before?.dataset.shape === shape) return before;
  const box = node("section", `card ${card.card_type}`);
  box.dataset.shape = shape;
  box.append(...head(card), ...facts(card), ...answers(card, item.id), ...ways(card));
  const row = buttons(card);
  if (row.childElementCount) box.append(row);
  box.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-key]");
    if (button) press(box, button, (key, ticked) => actions.press(item, key, ticked));
  });
  return box;
}

async function press(box, button, send) {
  const chosen = [...box.querySelectorAll("input:checked, option:checked")].map((one) => one.value);
  const all = box.querySelectorAll("button, input, select");
  const usable = [...all].filter((one) => !one.disabled);
  for (const one of usable) one.disabled = true;
  button.classList.add("pressed");
  await send(button.dataset.key, chosen.filter(Boolean));
  button.classList.remove("pressed");
  for (const one of usable) one.disabled = false;
}

function head(card) {
  const made = [];
  const title = card.main_title ?? {};
  if (card.source?.desc) made.push(node("p", "source", card.source.desc));
  if (title.title) made.push(node("h3", "", title.title));
  if (title.desc) made.push(node("p", "about", title.desc));
  if (card.card_image?.url) made.push(image(card.card_image.url));
  if (card.emphasis_content?.title) made.push(node("p", "emphasis", card.emphasis_content.title));
  if (card.emphasis_content?.desc) made.push(node("p", "about", card.emphasis_content.desc));
  if (card.sub_title_text) made.push(node("p", "detail", card.sub_title_text));
  const quote = card.quote_area;
  if (quote) made.push(node("blockquote", "", [quote.title, quote.quote_text].filter(Boolean).join("\n")));
  return made;
}

function image(source) {
  const shown = node("img");
  shown.src = source;
  shown.alt = "";
  return shown;
}

function facts(card) {
  const list = [...(card.horizontal_content_list ?? []), ...(card.vertical_content_list ?? [])];
  if (!list.length) return [];
  const made = node("dl");
  for (const fact of list) {
    made.append(node("dt", "", fact.keyname ?? fact.title), node("dd", "", fact.value ?? fact.desc));
  }
  return [made];
}

function answers(card, id) {
  const made = [];
  if (card.checkbox) made.push(ticks(card.checkbox, id));
  for (const one of [...(card.select_list ?? []), ...(card.button_selection ? [card.button_selection] : [])]) {
    made.push(choice(one));
  }
  return made;
}

function ticks(box, id) {
  const made = node("fieldset");
  made.disabled = Boolean(box.disable);
  for (const option of box.option_list) {
    const label = node("label");
    const input = node("input");
    input.type = box.mode === 1 ? "checkbox" : "radio";
    input.name = `${id} ${box.question_key}`;
    input.value = option.id;
    input.checked = Boolean(option.is_checked);
    label.append(input, node("span", "", option.text));
    made.append(label);
  }
  return made;
}

function choice(select) {
  const label = node("label", "choice");
  const made = node("select");
  made.disabled = Boolean(select.disable);
  made.append(...select.option_list.map((option) => new Option(option.text, option.id)));
  if (select.selected_id) made.value = select.selected_id;
  label.append(node("span", "", select.title), made);
  return label;
}

function ways(card) {
  const list = (card.jump_list ?? []).filter((jump) => jump.url).map((jump) => [jump.title, jump.url]);
  if (card.card_action?.url) list.push([T.open, card.card_action.url]);
  return list.map(([text, url]) => {
    const link = node("a", "", text);
    link.href = url;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  });
}

function buttons(card) {
  const row = node("div", "buttons");
  const list = [...(card.button_list ?? []), ...(card.submit_button ? [{ ...card.submit_button, style: 1 }] : [])];
  for (const one of list) {
    const button = node("button", LOOKS[one.style ?? 1] ?? "plain", one.text);
    button.type = "button";
    button.dataset.key = one.key;
    button.disabled = Boolean(card.checkbox?.disable);
    row.append(button);
  }
  return row;
}
