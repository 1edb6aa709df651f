// SPDX-License-Identifier: GPL-3.0-or-later
// First steps in Node, with nothing but its own library: `node first_steps.mjs`. docs/protocol.md explains each step.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

function runtimeFolder() {
  const { SPINDLE_RUNTIME_DIR, XDG_RUNTIME_DIR, XDG_DATA_HOME, LOCALAPPDATA } = process.env;
  if (SPINDLE_RUNTIME_DIR) return SPINDLE_RUNTIME_DIR;
  if (process.platform === "win32") return join(LOCALAPPDATA, "spindle");
  if (process.platform === "darwin") return join(homedir(), "Library/Application Support/spindle");
  return join(XDG_RUNTIME_DIR || XDG_DATA_HOME || join(homedir(), ".local/share"), "spindle");
}

function proof(role, { token, port, instance }, serverNonce, clientNonce, client) {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(port, 0);
  numbers.writeUInt32BE(Buffer.byteLength(instance), 2);
  const nonces = [serverNonce, clientNonce].map((nonce) => Buffer.from(nonce, "hex"));
  const message = [Buffer.from(`spindle1 ${role}`), ...nonces, numbers, Buffer.from(instance + client)];
  return createHmac("sha256", Buffer.from(token, "hex")).update(Buffer.concat(message)).digest();
}

async function* frames(socket) {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 8) {
      const [json, blob] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
      if (bytes.length < 8 + json + blob) break;
      yield JSON.parse(bytes.subarray(8, 8 + json).toString());
      bytes = bytes.subarray(8 + json + blob);
    }
  }
  throw new Error("the connection ended; what was sent may have run");
}

async function open(name) {
  const folder = runtimeFolder();
  const file = readdirSync(folder).find((file) => file.endsWith(".json"));
  if (!file) throw new Error(`no Blender with Spindle runs: no file in ${folder}`);
  const server = JSON.parse(readFileSync(join(folder, file), "utf8"));
  const socket = connect(server.port, "127.0.0.1");
  const incoming = frames(socket);
  const next = async () => (await incoming.next()).value;
  let lastId = 0;

  async function call(method, params) {
    const id = ++lastId;
    const json = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    const header = Buffer.alloc(8);
    header.writeUInt32BE(json.length, 0);
    socket.write(Buffer.concat([header, json]));
    for (;;) {
      const message = await next();
      if (message.error) throw Object.assign(new Error(message.error.message), message.error.data);
      if (message.id === id) return message.result;
    }
  }

  const greeting = (await next()).params;
  if (greeting?.instance !== server.instance) throw new Error("another server listens on the port");
  const [client, nonce] = [randomBytes(16).toString("hex"), randomBytes(32).toString("hex")];
  const welcome = await call("hello", {
    protocol: 1,
    client: { id: client, name, version: "1.0" },
    nonce,
    proof: proof("client", server, greeting.nonce, nonce, client).toString("hex"),
  });
  const expected = proof("server", server, greeting.nonce, nonce, client);
  if (!timingSafeEqual(Buffer.from(welcome.proof, "hex"), expected)) throw new Error("the server has not our token");
  return { call, close: () => socket.destroy() };
}

const blender = await open("First steps");
try {
  const sum = await blender.call("script.run", { code: "sum(args['numbers'])", args: { numbers: [1, 2, 3] } });
  console.log(sum.value);
  const failed = await blender.call("script.run", { code: "1 / 0" });
  console.log(`${failed.exception.type}: ${failed.exception.message}`);
  await blender.call("object.get", { name: "Nobody" }).catch((error) => console.log(error.kind));
} finally {
  blender.close();
}
