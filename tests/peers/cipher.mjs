// Opens and seals with @wecom/crypto: one JSON object a line in, one a line out.
//   {open: {token, key, encrypt, timestamp, nonce}}  ->  {text, id, signature}
//   {seal: {token, key, text, timestamp, nonce}}     ->  {encrypt, signature}

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// PEERS is the folder that the package was installed in.
const load = createRequire(`${process.env.PEERS}/package.json`);
const { decrypt, encrypt, getSignature } = load("@wecom/crypto");

function open({ token, key, encrypt: sealed, timestamp, nonce }) {
  const { message, id } = decrypt(key, sealed);
  return { text: message, id, signature: getSignature(token, timestamp, nonce, sealed) };
}

function seal({ token, key, text, timestamp, nonce }) {
  const sealed = encrypt(key, text, "");
  return { encrypt: sealed, signature: getSignature(token, timestamp, nonce, sealed) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(request.open ? open(request.open) : seal(request.seal)));
}
