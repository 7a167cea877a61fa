/** The baseline: a proxy of node:http and undici that does nothing else. Arguments: the upstream's port. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Dispatcher, Pool } from "undici";

const pool = new Pool(`http://127.0.0.1:${process.argv[2]}`, { connections: 256 });
const HEADERS = ["content-type", "application/json"];

class Forward implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  constructor(response: ServerResponse) {
    this.#response = response;
  }
  onConnect(): void {}
  onHeaders(status: number, headers: Buffer[]): boolean {
    const raw: string[] = [];
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!.toString("latin1");
      if (name !== "transfer-encoding") raw.push(name, headers[i + 1]!.toString("latin1"));
    }
    this.#response.writeHead(status, raw);
    return true;
  }
  onData(chunk: Buffer): boolean {
    this.#response.write(chunk);
    return true;
  }
  onComplete(): void {
    this.#response.end();
  }
  onError(): void {
    this.#response.destroy();
  }
}

const server = createServer((request, response) => {
  const pieces: Uint8Array[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    pool.dispatch({ method: "POST", path: request.url!, headers: HEADERS, body }, new Forward(response));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit(0));
