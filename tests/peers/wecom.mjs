// Plays WeCom against a running callback and prints what it saw as JSON.
// Written on WeCom's own npm package and on none of the service's code.
// Usage: WECOM_BOT_TOKEN=… WECOM_BOT_AES_KEY=… node wecom.mjs CALLBACK_URL '{"text": "hello"}'
import { createRequire } from 'node:module';
import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

// Beside this file, or in the folder that `npm ci --prefix` was given.
const require = createRequire(process.env.PEERS ? `${process.env.PEERS}/` : import.meta.url);
const { encrypt, decrypt, getSignature } = require('@wecom/crypto');

const [url, given = '{}'] = process.argv.slice(2);
const { WECOM_BOT_TOKEN: token, WECOM_BOT_AES_KEY: key } = process.env;
const options = {
  text: 'hello', sender: 'zhangsan', bot: 'aibX', polls: 600, every: 100, reply: '', ...JSON.parse(given),
};

function query(ciphered, more = {}, spoil = false) {
  const timestamp = `${Math.floor(Date.now() / 1000)}`;
  const nonce = `${randomInt(1e9, 2e9)}`;
  const signature = getSignature(token, timestamp, nonce, ciphered);
  const signed = spoil ? signature.replace(/^./, (c) => (c === '0' ? '1' : '0')) : signature;
  return new URLSearchParams({ msg_signature: signed, timestamp, nonce, ...more });
}

async function post(message, { spoil = false } = {}) {
  const ciphered = encrypt(key, JSON.stringify(message), '');
  const params = query(ciphered, {}, spoil);
  const began = performance.now();
  const response = await fetch(`${url}?${params}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ encrypt: ciphered }),
  });
  const raw = await response.text();
  const seen = { status: response.status, ms: Math.round(performance.now() - began), raw: raw.length };
  if (!raw || response.status !== 200) return seen;
  const shell = JSON.parse(raw);
  const expected = getSignature(token, `${shell.timestamp}`, shell.nonce, shell.encrypt);
  const { message: plain, id } = decrypt(key, shell.encrypt);
  return {
    ...seen,
    signed: expected === shell.msgsignature,
    nonce_kept: shell.nonce === params.get('nonce'),
    receiver: id,
    body: JSON.parse(plain),
  };
}

function message(msgtype, content) {
  const base = { msgid: randomUUID(), aibotid: options.bot, chattype: 'single', from: { userid: options.sender } };
  const reply = options.reply ? { response_url: options.reply } : {};
  return { ...base, ...(msgtype === 'text' ? reply : {}), msgtype, [msgtype]: content };
}

async function verify() {
  const echo = `${randomInt(1e9, 2e9)}${randomInt(1e9, 2e9)}`;
  const ciphered = encrypt(key, echo, '');
  const good = await fetch(`${url}?${query(ciphered, { echostr: ciphered })}`);
  const bad = await fetch(`${url}?${query(ciphered, { echostr: ciphered }, true)}`);
  return { status: good.status, exact: (await good.text()) === echo, spoilt: bad.status };
}

async function pollToTheEnd(first) {
  const shown = [];
  let last = first;
  for (let n = 0; n < options.polls && last.body && !last.body.stream.finish; n += 1) {
    await pause(options.every);
    last = await post(message('stream', { id: first.body.stream.id }));
    shown.push(last);
  }
  const after = last.body ? await post(message('stream', { id: last.body.stream.id })) : last;
  return { shown, last, after };
}

const results = { verify: await verify() };
const text = message('text', { content: options.text });
results.text = await post(text);
results.retry = await post(text);
if (results.text.body) results.polls = await pollToTheEnd(results.text);
results.unknown = await post(message('stream', { id: 'no-such-stream' }));
results.enter_chat = await post(message('event', { eventtype: 'enter_chat' }));
results.feedback = await post(message('event', { eventtype: 'feedback_event', feedback_event: { id: 'F', type: 1 } }));
results.spoilt = await post(message('text', { content: 'never run' }), { spoil: true });
console.log(JSON.stringify(results));
