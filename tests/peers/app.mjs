// Plays WeCom against a self-built application's callback and prints what it saw as JSON.
// Written on WeCom's own npm package and on none of the service's code.
// Usage: WECOM_TOKEN=… WECOM_AES_KEY=… node app.mjs CALLBACK_URL '{"text": "hello", "corp": "ww…"}'
import { createRequire } from 'node:module';
import { randomInt } from 'node:crypto';

// Beside this file, or in the folder that `npm ci --prefix` was given.
const require = createRequire(process.env.PEERS ? `${process.env.PEERS}/` : import.meta.url);
const { encrypt, decrypt, getSignature } = require('@wecom/crypto');

const [url, given = '{}'] = process.argv.slice(2);
const { WECOM_TOKEN: token, WECOM_AES_KEY: key } = process.env;
const options = { text: 'hello', sender: 'zhangsan', corp: 'ww', agent: 1, ...JSON.parse(given) };

function query(ciphered, more = {}, spoil = false) {
  const timestamp = `${Math.floor(Date.now() / 1000)}`;
  const nonce = `${randomInt(1e9, 2e9)}`;
  const signature = getSignature(token, timestamp, nonce, ciphered);
  const signed = spoil ? signature.replace(/^./, (c) => (c === '0' ? '1' : '0')) : signature;
  return new URLSearchParams({ msg_signature: signed, timestamp, nonce, ...more });
}

const cdata = (name, value) => `<${name}><![CDATA[${value}]]></${name}>`;
const element = (xml, name) => (xml.match(new RegExp(`<${name}>(?:<!\\[CDATA\\[)?(.*?)(?:\\]\\]>)?</${name}>`, 's')) || [])[1];

async function post(inner, { spoil = false, corp = options.corp } = {}) {
  const ciphered = encrypt(key, inner, corp);
  const body = `<xml>${cdata('ToUserName', options.corp)}${cdata('AgentID', options.agent)}${cdata('Encrypt', ciphered)}</xml>`;
  const response = await fetch(`${url}?${query(ciphered, {}, spoil)}`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml' },
    body,
  });
  const raw = await response.text();
  const seen = { status: response.status, raw: raw.length };
  if (!raw || response.status !== 200) return seen;
  const sealed = element(raw, 'Encrypt');
  const expected = getSignature(token, element(raw, 'TimeStamp'), element(raw, 'Nonce'), sealed);
  const { message: plain, id } = decrypt(key, sealed);
  return {
    ...seen,
    signed: expected === element(raw, 'MsgSignature'),
    receiver: id,
    to: element(plain, 'ToUserName'),
    from: element(plain, 'FromUserName'),
    type: element(plain, 'MsgType'),
    content: element(plain, 'Content'),
  };
}

function head(type, created) {
  return `${cdata('ToUserName', options.corp)}${cdata('FromUserName', options.sender)}`
    + `<CreateTime>${created}</CreateTime>${cdata('MsgType', type)}<AgentID>${options.agent}</AgentID>`;
}

function text(content) {
  const number = `${randomInt(1e9, 2e9)}${randomInt(1e8, 1e9)}`;
  return `<xml>${head('text', Math.floor(Date.now() / 1000))}${cdata('Content', content)}<MsgId>${number}</MsgId></xml>`;
}

function event(name) {
  return `<xml>${head('event', Math.floor(Date.now() / 1000))}${cdata('Event', name)}${cdata('EventKey', '')}</xml>`;
}

async function verify() {
  const echo = `${randomInt(1e9, 2e9)}${randomInt(1e9, 2e9)}`;
  const ciphered = encrypt(key, echo, options.corp);
  const good = await fetch(`${url}?${query(ciphered, { echostr: ciphered })}`);
  const bad = await fetch(`${url}?${query(ciphered, { echostr: ciphered }, true)}`);
  const other = encrypt(key, echo, 'ww-another');
  const foreign = await fetch(`${url}?${query(other, { echostr: other })}`);
  return { status: good.status, exact: (await good.text()) === echo, spoilt: bad.status, foreign: foreign.status };
}

const results = { verify: await verify() };
const message = text(options.text);
results.text = await post(message);
results.retry = await post(message);
results.enter = await post(event('enter_agent'));
results.left = await post(event('unsubscribe'));
results.spoilt = await post(text('never run'), { spoil: true });
results.foreign = await post(text('never run'), { corp: 'ww-another' });
console.log(JSON.stringify(results));
