// The chat page: keeps what the events bring, draws one chat, sends what a person types.

import { drawItem } from "./items.js";
import { T, language, rule } from "./words.js";

const $ = (id) => document.getElementById(id);
const items = new Map();
const drawn = new Map();
const unread = new Set();
let scene = { members: [], groups: [], bot: "", demo: false };
let chat = "";
let quote = "";
let follow = false; // one's own message was just sent: show it, wherever one has scrolled to

const group = () => scene.groups.find((each) => each.id === chat) ?? null;
const speaker = () => (group() ? $("speaker").value : chat);
const nameOf = (id) => scene.members.find((each) => each.id === id)?.name ?? id;

async function post(path, body, type = "application/json") {
  const response = await fetch(path, { method: "POST", body, headers: { "Content-Type": type } });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

function connected() {
  $("line").textContent = T.connected;
  $("line").dataset.state = "connected";
}

async function attempt(work, failed = T.failedFile) {
  try {
    await work();
    connected();
    return true;
  } catch (error) {
    $("line").textContent = failed + error.message;
    $("line").dataset.state = "lost";
    return false;
  }
}

/** Send a message as it stands; what could not be sent goes back to where it was typed. */
async function sendWords(text) {
  const words = text.trim();
  if (!words || !chat) return;
  const where = chat;
  const body = {
    member: speaker(),
    group: group()?.id ?? null,
    text: words,
    quote,
    at: $("mention").checked,
  };
  setQuote("");
  follow = true;
  if (await attempt(() => post("./say", JSON.stringify(body)), T.failed)) return;
  if (chat !== where) openChat(where);
  $("words").value = [words, $("words").value].filter(Boolean).join("\n");
  setQuote(body.quote);
  grow();
}

function sendFile(file) {
  const query = new URLSearchParams({ member: speaker(), group: group()?.id ?? "", name: file.name });
  const type = file.type || "application/octet-stream";
  follow = true;
  attempt(() => post(`./upload?${query}`, file, type));
}

function setQuote(text) {
  quote = text;
  $("quoted").hidden = !text;
  $("quoted-text").textContent = text.slice(0, 120);
  if (text) $("words").focus();
}

const actions = {
  quote: (item) => setQuote(item.text),
  thumbs: (item, thumbs) => {
    const body = { member: speaker(), item: item.id, thumbs: item.thumbs === thumbs ? 3 : thumbs };
    attempt(() => post("./feedback", JSON.stringify(body)));
  },
  press: (item, key, ticked) => {
    const body = { member: speaker(), item: item.id, key, ticked };
    return attempt(() => post("./click", JSON.stringify(body)), T.failedFile);
  },
  nameOf,
  me: speaker,
  isMe: (item) => item.who !== "" && item.who === speaker(),
};

function atBottom() {
  const talk = $("talk");
  return talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
}

function toBottom() {
  $("talk").scrollTop = $("talk").scrollHeight;
}

function draw(item) {
  const element = drawItem(item, actions, drawn.get(item.id));
  const old = drawn.get(item.id);
  drawn.set(item.id, element);
  if (old) old.replaceWith(element);
  else $("talk").append(element);
}

function drawChat() {
  drawn.clear();
  $("talk").replaceChildren();
  for (const item of items.values()) if (item.chat === chat) draw(item);
  $("talk").dataset.empty = drawn.size ? "" : T.empty;
  toBottom();
}

function drawAlarm() {
  const broken = [...items.values()].filter((item) => item.kind === "violation");
  $("alarm").hidden = broken.length === 0;
  $("alarm").textContent = T.violations(broken.length);
  $("alarm-list").replaceChildren(
    ...broken.map((item) => {
      const line = document.createElement("li");
      line.textContent = rule(item.reason, item.text);
      return line;
    }),
  );
}

function take(news) {
  if (news.fresh) items.clear();
  const stay = !atBottom();
  const mine = follow && news.items.some((item) => item.chat === chat && item.kind === "said");
  if (mine) follow = false;
  for (const item of news.items) {
    items.set(item.id, item);
    if (item.chat === chat && !news.fresh) draw(item);
    if (item.chat !== chat && item.who === "") unread.add(item.chat);
  }
  if (news.fresh) {
    unread.clear();
    drawChat();
  }
  $("talk").dataset.empty = drawn.size ? "" : T.empty;
  if (!stay || mine) toBottom();
  drawAlarm();
  drawChats();
}

function lastLine(id) {
  const last = [...items.values()].filter((item) => item.chat === id).at(-1);
  return last ? (last.text || last.medium).replaceAll(/[#*`>|-]+|<\/?think>/g, " ").trim().slice(0, 60) : "";
}

function chatButton(id, name, kind) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-current", String(id === chat));
  button.classList.toggle("unread", unread.has(id));
  const avatar = document.createElement("span");
  avatar.className = `avatar ${kind}`;
  avatar.textContent = kind === "group" ? "#" : name.slice(-1);
  const title = document.createElement("strong");
  title.textContent = name;
  const line = document.createElement("small");
  line.textContent = lastLine(id);
  button.append(avatar, title, line);
  button.addEventListener("click", () => openChat(id));
  const row = document.createElement("li");
  row.append(button);
  return row;
}

function drawChats() {
  const direct = scene.members.map((each) => chatButton(each.id, each.name, "member"));
  const groups = scene.groups.map((each) => chatButton(each.id, each.name, "group"));
  $("chats").replaceChildren(...direct, ...groups);
}

function openChat(id) {
  chat = id;
  unread.delete(id);
  location.hash = encodeURIComponent(id);
  $("app").classList.remove("in-list");
  $("chat-title").textContent = group() ? group().name : `${nameOf(id)} ↔ ${scene.bot}`;
  $("chat-note").textContent = group() ? T.group : T.direct;
  $("group-bar").hidden = !group();
  setQuote("");
  drawChat();
  drawChats();
  if (!group()) attempt(() => post("./open", JSON.stringify({ member: id })));
  if (matchMedia("(hover: hover)").matches) $("words").focus();
}

function quickButtons() {
  const prompts = ["/help", "/status", ...(scene.demo ? T.prompts : [T.hello])];
  $("quick").replaceChildren(
    ...prompts.map((text) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => sendWords(text));
      return button;
    }),
  );
}

function dress() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${scene.bot} · Sandbox`;
  $("bot-name").textContent = scene.bot;
  $("about").textContent = scene.demo ? `${T.about} · ${T.demo}` : T.about;
  $("words").placeholder = T.placeholder;
  $("words").setAttribute("aria-label", T.placeholder);
  $("send").textContent = T.send;
  for (const id of ["attach", "back", "unquote"]) {
    $(id).title = T[id];
    $(id).setAttribute("aria-label", T[id]);
  }
  $("alarm-close").textContent = T.close;
  $("restarted").textContent = T.restarted;
  $("speak-as").textContent = T.speakAs;
  $("mention-name").textContent = `@${scene.bot}`;
  $("speaker").replaceChildren(...scene.members.map((each) => new Option(each.name, each.id)));
  quickButtons();
}

function grow() {
  $("words").rows = Math.min(8, $("words").value.split("\n").length);
}

function sendTyped() {
  sendWords($("words").value);
  $("words").value = "";
  grow();
}

function listenToPerson() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    sendTyped();
  });
  $("words").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sendTyped();
  });
  $("words").addEventListener("input", grow);
  $("words").addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) sendFile(file);
  });
  $("speaker").addEventListener("change", drawChat);
  $("unquote").addEventListener("click", () => setQuote(""));
  $("back").addEventListener("click", () => $("app").classList.add("in-list"));
  $("attach").addEventListener("click", () => $("file").click());
  $("alarm").addEventListener("click", () => $("alarms").showModal());
  $("file").addEventListener("change", () => {
    for (const file of $("file").files) sendFile(file);
    $("file").value = "";
  });
}

/** Say when the sandbox runs anew since this browser first saw it: what was said before is gone. */
function noteStart(run) {
  if (!localStorage.getItem("first-run")) localStorage.setItem("first-run", run);
  $("restarted").hidden = localStorage.getItem("first-run") === run;
}

function listenToService() {
  const source = new EventSource("./events");
  source.addEventListener("open", connected);
  source.addEventListener("error", () => {
    $("line").textContent = T.lost;
    $("line").dataset.state = "lost";
  });
  source.addEventListener("message", (event) => {
    noteStart(event.lastEventId.split(".")[0]);
    take(JSON.parse(event.data));
  });
}

scene = await (await fetch("./scene")).json();
dress();
listenToPerson();
const wanted = decodeURIComponent(location.hash.slice(1));
const known = [...scene.members, ...scene.groups].some((each) => each.id === wanted);
if (known) openChat(wanted);
else if (matchMedia("(min-width: 720px)").matches) openChat(scene.members[0].id);
drawChats();
listenToService();
