import { Fireworks } from "../client/client.ts";
import { ConflictError, FireworksError, InputError, NotFoundError } from "../client/errors.ts";
import type { CallOptions } from "../client/transport.ts";
import { sha256, signatureId } from "./signature.ts";

export interface DatasetOptions {
  /** Used instead of `apiKey` and `baseURL`. */
  client?: Fireworks | undefined;
  apiKey?: string | undefined;
  baseURL?: string | undefined;
  /** Part of the dataset's id. Default: the file's own name, or `dataset.jsonl`. */
  filename?: string | undefined;
}

/** The rows of a dataset, and how they are uploaded. */
export interface DatasetContent {
  filename: string;
  /** SHA-256 of all bytes, in hexadecimal. */
  sha256: string;
  /** Uploads the rows into a dataset that exists, and has the host validate them. */
  send(client: Fireworks, datasetId: string, call: CallOptions): Promise<unknown>;
}

/** The API's limit of a form upload. */
const MAX_FORM_BYTES = 157_286_400;

type OpenPath = (path: string, filename: string | undefined) => Promise<DatasetContent>;

let openPath: OpenPath | null = null;

/** Lets `Dataset.fromFile` take paths. Only the Node entry calls it: browsers can't open paths. */
export function enablePaths(open: OpenPath): void {
  openPath = open;
}

/**
 * Training examples, one JSON object a line. The id is derived from the file's name and bytes, so that the same data is
 * uploaded once and changed data becomes another dataset.
 */
export class Dataset {
  /** The id of the dataset in its account. */
  readonly id: string;
  readonly client: Fireworks;
  readonly #content: DatasetContent;
  #name: string | null = null;

  /** Use `fromFile`, `fromString` or `fromList`. */
  private constructor(id: string, content: DatasetContent, options: DatasetOptions) {
    this.id = id;
    this.#content = content;
    this.client = options.client ?? new Fireworks({ apiKey: options.apiKey, baseURL: options.baseURL });
  }

  /** The full name, such as `accounts/team/datasets/my-rows-0a1b…`; null before `sync`. */
  get name(): string | null {
    return this.#name;
  }

  /**
   * From a `File` that a person chose in a browser, or from a path, which needs `@hearth/sdk/node`. Reads the bytes at once
   * to compute the id; `sync` reads them again.
   * @throws FileError
   */
  static async fromFile(file: File | string, options: DatasetOptions = {}): Promise<Dataset> {
    if (typeof file !== "string")
      return Dataset.#create(await blobContent(file, options.filename ?? file.name), options);
    if (openPath === null)
      throw new InputError("file", 'Import Dataset from "@hearth/sdk/node" to read files by their paths.');
    return Dataset.#create(await openPath(file, options.filename), options);
  }

  /** From lines of JSON. */
  static async fromString(data: string, options: DatasetOptions = {}): Promise<Dataset> {
    return Dataset.#create(await blobContent(new Blob([data]), options.filename ?? "dataset.jsonl"), options);
  }

  /** From objects, each a training example. */
  static fromList(data: readonly object[], options: DatasetOptions = {}): Promise<Dataset> {
    return Dataset.fromString(data.map((row) => `${JSON.stringify(row)}\n`).join(""), options);
  }

  static async #create(content: DatasetContent, options: DatasetOptions): Promise<Dataset> {
    const { filename } = content;
    if (!/^[^/\\]+\.jsonl$/.test(filename))
      throw new InputError("filename", "filename must end in .jsonl and must not contain a folder.");
    const id = await signatureId(filename.replace(/\.jsonl$/, ""), [filename, content.sha256]);
    return new Dataset(id, content, options);
  }

  /** Uploads the dataset and has the host validate it, unless the account has it. @throws BadRequestError for invalid rows */
  async sync(call: CallOptions = {}): Promise<this> {
    const { datasets } = this.client;
    const found = await datasets.get(this.id, {}, call).catch((error: unknown) => {
      if (error instanceof NotFoundError) return null;
      throw error;
    });
    if (found === null) {
      const { filename } = this.#content;
      const dataset = { displayName: filename.slice(0, 63) };
      await datasets.create({ datasetId: this.id, dataset }, call).catch((error: unknown) => {
        // Another process has just created the same dataset.
        if (!(error instanceof ConflictError)) throw error;
      });
    }
    if (found?.state !== "READY") await this.#content.send(this.client, this.id, call);
    this.#name = `accounts/${await this.client.accountId()}/datasets/${this.id}`;
    return this;
  }

  /** Deletes the dataset from the account. @throws NotFoundError when the account has no such dataset */
  async delete(call: CallOptions = {}): Promise<void> {
    await this.client.datasets.delete(this.id, {}, call);
    this.#name = null;
  }
}

async function blobContent(data: Blob, filename: string): Promise<DatasetContent> {
  if (data.size > MAX_FORM_BYTES)
    throw new FireworksError(
      `${filename} is larger than ${MAX_FORM_BYTES} bytes: in Node, pass its path instead.`,
    );
  return {
    filename,
    sha256: await sha256(new Uint8Array(await data.arrayBuffer())),
    async send(client, datasetId, call) {
      await client.datasets.uploadFile(datasetId, { file: new File([data], filename) }, call);
      await client.datasets.validateUpload(datasetId, {}, call);
    },
  };
}
