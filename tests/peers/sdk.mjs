// A bot's client on WeCom's own SDK, told what to do: one JSON object a line in, one a line out.
//   {id, do: "reply_stream", frame, stream, content, finish}  ->  {id, ok: …} or {id, error: …}
// What happens comes by itself: {event: "message", frame}, {event: "authenticated"} …
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { createHash } from 'node:crypto';

// PEERS is the folder that the packages were installed in.
const load = createRequire(`${process.env.PEERS}/package.json`);
const { WSClient } = load('@wecom/aibot-node-sdk');

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
let client = null;
let echo = '';

function connect({ url, bot, secret, beat = 30000, patience = 5000, ...more }) {
  client = new WSClient({
    wsUrl: url, botId: bot, secret, heartbeatInterval: beat, reconnectInterval: 20, logger: silent, ...more,
  });
  client.wsManager.replyAckTimeout = patience;
  for (const name of ['connected', 'authenticated', 'reconnecting']) client.on(name, () => say({ event: name }));
  client.on('disconnected', (reason) => say({ event: 'disconnected', reason }));
  client.on('error', (error) => say({ event: 'error', code: error.code ?? '', text: error.message }));
  client.on('message', (frame) => heard('message', frame));
  client.on('event', (frame) => heard('event', frame));
  client.connect();
}

// In a benchmark every message is answered at once and nobody is told of it.
function heard(event, frame) {
  if (!echo) say({ event, frame });
  else client.replyStream(frame, `${frame.body.msgid}`, echo, true).catch((error) => say({ event: 'error', text: String(error) }));
}

async function burst({ frame, stream, content, times }) {
  const began = performance.now();
  for (let n = 1; n <= times; n += 1) await client.replyStream(frame, stream, `${content}${n}`, n === times);
  return performance.now() - began;
}

async function upload({ type, name, size, content }) {
  const bytes = content ? Buffer.from(content, 'base64') : Buffer.alloc(size, 7);
  const began = performance.now();
  const result = await client.uploadMedia(bytes, { type, filename: name });
  return { ...result, ms: performance.now() - began };
}

const acts = {
  connect,
  disconnect: () => client.disconnect(),
  echo: ({ content }) => { echo = content; },
  burst,
  upload,
  reply: ({ frame, body }) => client.reply(frame, body),
  reply_stream: ({ frame, stream, content, finish }) => client.replyStream(frame, stream, content, finish),
  reply_twice: ({ frame, stream, content }) => Promise.all([1, 2].map(
    (n) => client.replyStreamNonBlocking(frame, stream, `${content}${n}`, false),
  )),
  welcome: ({ frame, body }) => client.replyWelcome(frame, body),
  update_card: ({ frame, card, members }) => client.updateTemplateCard(frame, card, members),
  reply_card: ({ frame, card }) => client.replyTemplateCard(frame, card),
  reply_media: ({ frame, kind, media }) => client.replyMedia(frame, kind, media),
  send: ({ chat, body }) => client.sendMessage(chat, body),
  send_media: ({ chat, kind, media }) => client.sendMediaMessage(chat, kind, media),
  async download({ url, key }) {
    const { buffer, filename } = await client.downloadFile(url, key);
    return { name: filename, size: buffer.length, sha256: digest(buffer) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: what, ...options } = JSON.parse(line);
  Promise.resolve().then(() => acts[what](options)).then(
    (ok) => say({ id, ok: ok ?? null }),
    (error) => say({ id, error: error instanceof Error ? { text: error.message } : error }),
  );
}
process.exit(0);
