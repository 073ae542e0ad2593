// Shows the turn anew every two seconds while it runs; at its end the page is loaded once more.
"use strict";
const EVERY_MS = 2000;
const MOST_MS = 30000;
const turn = document.getElementById("turn");
const lost = document.getElementById("lost");
let shown = "";
let failures = 0;

async function look() {
  const answer = await fetch("live", { cache: "no-store", credentials: "omit" });
  if (answer.status === 404 || answer.status === 410) {
    location.reload();
    return false;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const news = await answer.json();
  if (news.over) {
    location.reload();
    return false;
  }
  if (news.html !== shown) {
    const open = turn.querySelector("details.question").open;
    turn.innerHTML = news.html;
    turn.querySelector("details.question").open = open;
    shown = news.html;
  }
  return true;
}

async function follow() {
  let goOn = true;
  if (!document.hidden) {
    try {
      goOn = await look();
      failures = 0;
    } catch {
      failures += 1;
    }
  }
  lost.hidden = failures < 2;
  if (goOn) setTimeout(follow, Math.min(MOST_MS, EVERY_MS * 2 ** failures));
}

setTimeout(follow, EVERY_MS);
