import { AppError, badRequest, toAppError } from "../../../lib/errors.ts";
import { Singleflight } from "../../../lib/singleflight.ts";
import { notFound } from "../../accounts/service.ts";
import { getWritableModel } from "../access.ts";
import { modelTitle } from "../names.ts";
import type { ModelOperationDeps } from "../operation-deps.ts";
import type { ValidateUploadQuery } from "../schema.ts";
import { failureStatus, STATUS_OK } from "../status.ts";
import type { ModelRow } from "../store.ts";
import type { ModelRequest } from "../types.ts";
import { blobPrefix } from "./declared-files.ts";
import { checkFiles, sealFiles } from "./validation.ts";

/** Checks uploads. Singleflight: requests that arrive during a model's check share its result. */
export class UploadValidator {
  readonly #deps: ModelOperationDeps;
  readonly #checks = new Singleflight<string[]>();
  readonly #closing = new AbortController();

  constructor(deps: ModelOperationDeps) {
    this.#deps = deps;
  }

  /** Checks the files and makes the model READY. Returns warnings; none when the model was READY already. */
  async validate(request: ModelRequest & { query: ValidateUploadQuery }): Promise<string[]> {
    const { skipHfConfigValidation, trustRemoteCode, configOnly } = request.query;
    const refuse = (param: string, why: string): never => {
      throw badRequest(param, `${param}: ${why}`);
    };
    if (skipHfConfigValidation) {
      refuse(
        "skipHfConfigValidation",
        "the configuration decides how a model runs, so it is always checked.",
      );
    }
    if (trustRemoteCode) refuse("trustRemoteCode", "code in an upload is never run.");
    if (configOnly) {
      refuse("configOnly", "all files are checked; use validateModelConfig for a configuration alone.");
    }
    const row = await getWritableModel(this.#deps, request);
    if (row.state !== "UPLOADING") return [];
    return this.check(row);
  }

  /** Like `validate`, without a principal. A BAD_REQUEST is also written to the model's status. @throws AppError */
  check(row: ModelRow): Promise<string[]> {
    return this.#checks.run(row.uid, this.#closing.signal, (signal) => this.#check(row, signal));
  }

  /** Aborts running checks. Their models stay UPLOADING. */
  close(): void {
    this.#closing.abort(new AppError("UNAVAILABLE", "The server is shutting down."));
  }

  async #check(before: ModelRow, signal: AbortSignal): Promise<string[]> {
    const { blobs, weights } = this.#deps;
    try {
      await sealFiles(blobs, before);
      const { warnings, ...columns } = await checkFiles(weights, before, signal);
      await this.#change(before, (row) => {
        if (row.revision === before.revision) return { ...columns, ...STATUS_OK, state: "READY" };
        throw new AppError("ABORTED", `${modelTitle(row)} changed while it was checked; try again.`);
      });
      // Uploads that were replaced or never declared belong to no file of the model.
      await blobs.deletePrefix(`${blobPrefix(before)}uploads/`);
      return warnings;
    } catch (error) {
      signal.throwIfAborted();
      const failure = toAppError(error);
      if (failure.code === "BAD_REQUEST") await this.#change(before, () => failureStatus(failure));
      throw failure;
    }
  }

  /** @throws AppError NOT_FOUND when the model is gone, also when its id belongs to a new model. */
  async #change(before: ModelRow, columnsOf: (row: ModelRow) => Partial<ModelRow>): Promise<void> {
    const { store, clock } = this.#deps;
    const changed = await store.change(before, (row) => {
      if (row.uid !== before.uid) throw notFound(modelTitle(row));
      return { ...row, ...columnsOf(row), updateTime: new Date(clock.now()) };
    });
    if (changed === null) throw notFound(modelTitle(before));
  }
}
